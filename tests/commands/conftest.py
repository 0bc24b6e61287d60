"""The command line as processes of its own, with ledgers that real sends have filled."""

import os
import pty
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace

import pytest

from tests.ledgers.conftest import database, make_backing, send, told  # noqa: F401  # fixtures

TIMEOUT = 180


@pytest.fixture
def command(tmp_path):
    """Run a command without a terminal; give its exit status and output."""

    def run(*arguments, module="airflow_provider_ismart", **environment):
        return subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            env=os.environ | {"TMPDIR": str(tmp_path)} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    return run


@pytest.fixture
def on_a_terminal(tmp_path):
    """Run a command on a terminal and type ``typed``; give its exit status and all that the terminal showed."""

    def run(*arguments, typed="", **environment):
        terminal, program = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow_provider_ismart", *map(str, arguments)],
            env=os.environ | {"TMPDIR": str(tmp_path), "TERM": "xterm", "COLUMNS": "160"} | environment,
            stdin=program,
            stdout=program,
            stderr=program,
        )
        os.close(program)
        os.write(terminal, typed.encode())
        shown = b""
        with suppress(OSError):  # the program has closed the terminal
            while some := os.read(terminal, 65536):
                shown += some
        os.close(terminal)
        return SimpleNamespace(returncode=process.wait(TIMEOUT), shown=shown.decode())

    return run


@pytest.fixture
def empty_home(tmp_path):
    """Give the environment of an Airflow that has never run, and has no connections."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }


@pytest.fixture
def one_line_of_error():
    """Check that a command failed with one line that has these words, and printed nothing else."""

    def check(ended, *words):
        assert ended.returncode == 2, ended
        assert ended.stdout == ""
        assert ended.stderr.count("\n") == 1, ended.stderr
        for word in words:
            assert word in ended.stderr

    return check
