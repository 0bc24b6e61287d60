"""Test that one definition of the commands serves both command lines, Python's and Airflow's."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_ismart.commands.output import Output
from airflow_provider_ismart.core.errors import InputError
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


@pytest.fixture
def preview(tmp_path):
    """Give a command that prints a result."""
    (tmp_path / "people.csv").write_text("msisdn\n96890000001\n", encoding="utf-8")
    return ("preview", tmp_path / "people.csv", "--message", "Hello")


@pytest.fixture
def run(preview):
    """Start the preview with a stdout of the caller's."""

    def start(*options, stdout, **environment):
        return subprocess.Popen(
            [sys.executable, "-m", "airflow_provider_ismart", *map(str, preview), *options],
            env=os.environ | environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_results_that_nobody_reads_end_the_command_quietly(run):
    with run("--json", stdout=subprocess.PIPE) as process:
        process.stdout.close()  # as `| head -0` does
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_results_that_cannot_be_written_are_an_error(run):
    with Path("/dev/full").open("w") as full, run(stdout=full, PYTHONUNBUFFERED="1") as process:
        assert process.stderr.read() == "error: the results cannot be written (No space left on device).\n"
    assert process.returncode == 2


def test_a_stdout_that_lacks_characters_gets_escapes():
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Output(as_json=False, results=stdout, messages=sys.stderr).table("Samples", ("text",), [("مريم",)])
    assert rb"| \u0645\u0631\u064a\u0645 |" in stdout.buffer.getvalue()


def test_without_stdin_nobody_is_asked(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    output = Output(as_json=False, results=sys.stdout, messages=sys.stderr)
    with pytest.raises(InputError, match="no terminal to ask"):
        output.confirm("Sure?", yes=False)


@pytest.mark.parametrize("option", ["--exclude", "FILE"])
def test_a_blank_path_is_not_the_current_directory(process, preview, option):
    ended = process("preview", " ") if option == "FILE" else process(*preview, option, "")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"argument {option}: it is blank" in ended.stderr


def test_ctrl_c_while_airflow_is_imported_is_one_line(process, preview, tmp_path):
    (tmp_path / "airflow").mkdir()
    (tmp_path / "airflow/__init__.py").write_text(
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job ignores it
        "signal.raise_signal(signal.SIGINT)\n"
    )
    ended = process(*preview, PYTHONPATH=os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "Interrupted.\n")


def test_an_error_that_airflow_logs_is_shown_without_its_traceback(process, airflow_db):
    vault = "tests.commands.sealed_vault.SealedVault"
    ended = process("probe", "--conn-id", "nobody", AIRFLOW__SECRETS__BACKEND=vault)
    assert ended.returncode == 2
    logged, error = ended.stderr.splitlines()
    assert "The vault is sealed (ValueError: no key)" in logged
    assert error == "error: The conn_id `nobody` isn't defined."


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
