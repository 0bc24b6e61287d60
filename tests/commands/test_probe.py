"""Test that the login is probed once, and not again after a refusal."""

import json

import pytest

from airflow_provider_ismart.hooks.ismart import ISmartHook
from tests.commands.documented import documented_json


def test_a_good_login_has_exit_status_0_and_shows_no_password(process, airflow_db, ismart_default, ismart_sandbox):
    ended = process("probe")
    assert (ended.returncode, ended.stdout) == (
        0,
        "The login is good. This does not show whether there is credit.\n",
    )
    assert ismart_sandbox.password not in ended.stdout + ended.stderr
    assert (len(ismart_sandbox.calls), ismart_sandbox.messages) == (1, [])


@pytest.mark.filterwarnings("ignore")  # what the supervisor imports
def test_a_refused_login_is_not_tried_again_until_it_changes(
    command, airflow_db, ismart_default, ismart_sandbox, supervision
):
    ismart_default(password="not-it")
    first = command("probe")
    assert first.returncode == 1
    assert "return code 3" in first.stdout
    second = command("probe", "--json")
    assert second.returncode == 1
    told = documented_json(second.stdout)
    assert (told["login_is_good"], told["called"], told["code"]) == (False, False, None)
    assert "was refused at" in told["explanation"]
    assert "A changed login or password can be tried immediately." in told["explanation"]
    assert len(ismart_sandbox.calls) == 1
    with supervision():  # tasks do not try it either
        assert ISmartHook().refused_login.block_reason()
    ismart_default()
    third = command("probe")
    assert third.returncode == 0, third
    assert "not-it" not in "".join(ended.stdout + ended.stderr for ended in (first, second, third))


def test_a_refusal_is_remembered_on_the_machine_without_a_database(
    process, empty_home, ismart_default, ismart_sandbox
):
    ismart_default(password="not-it")
    first = process("probe", **empty_home)
    assert first.returncode == 1
    *logged, told = first.stderr.splitlines()
    assert told == "Airflow's database could not record the refusal, so tasks can still try this login."
    assert all("no such table" in line for line in logged)  # one line each, without a traceback
    again = process("probe", **empty_home)
    assert again.returncode == 1
    assert "refused less than a day ago" in again.stdout
    assert len(ismart_sandbox.calls) == 1


def test_other_return_codes_are_explained(command, airflow_db, ismart_default, ismart_sandbox):
    ismart_sandbox.configure(ip_allowed=False)
    ended = command("probe", "--json")
    told = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert (told["code"], told["called"]) == (20, True)
    assert "Client IP address has been blocked" in told["explanation"]


def test_an_error_names_a_missing_connection(command, airflow_db, one_line_of_error):
    one_line_of_error(command("probe", "--conn-id", "nobody"), "nobody")
