"""Test that one definition of the commands serves both command lines, Python's and Airflow's."""

import json
import signal
import subprocess
import sys

import pytest

from tests.airflow.test_imports import HEAVY
from tests.ledgers.backings import numbers

COMMANDS = ("preview", "probe", "ledger", "sandbox")


def test_help_lists_the_commands_and_a_missing_one_is_an_error(command, process):
    ended = process("--help")
    assert ended.returncode == 0
    assert all(f"\n    {name} " in ended.stdout for name in COMMANDS)
    assert command().returncode == 2


def test_airflow_lists_and_runs_the_commands(
    process, airflow_version, airflow_db, make_backing, send, monkeypatch
):
    if airflow_version < (3, 2):
        pytest.skip("providers add commands to Airflow's command line from 3.2 on")
    listed = process("ismart", "--help", module="airflow")
    assert listed.returncode == 0, listed.stderr
    assert all(name in listed.stdout for name in COMMANDS)
    backing = make_backing("sqlite")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", backing.connection)
    send(numbers(1), ledger=backing.connection, key="bills")
    arguments = ("--ledger-conn-id", "ledger", "--key", "bills", "--json")
    ended = process("ismart", "ledger", "summary", *arguments, module="airflow")
    assert json.loads(ended.stdout) == {"accepted": 1}
    refused = process("ismart", "probe", "--conn-id", "nobody", module="airflow")
    assert refused.returncode == 2
    assert "nobody" in refused.stderr


def test_importing_the_command_definitions_loads_no_heavy_library():
    script = """
import sys
before = set(sys.modules)
import airflow_provider_ismart.commands.airflow_cli
print(*(set(sys.modules) - before))
"""
    brought = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "airflow_provider_ismart.commands.definition" in brought
    assert not {
        name for name in brought if name.split(".")[0] in {*HEAVY, "rich", "airflow", "starlette", "uvicorn"}
    }


def test_the_sandbox_starts_and_stops():
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow_provider_ismart", "sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert "The iSmart sandbox accepts messages at http://127.0.0.1:" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_sandbox_that_cannot_start_says_why_in_one_line(command, one_line_of_error):
    one_line_of_error(command("sandbox", "--host", "192.168.1.10"), "only on loopback addresses")
