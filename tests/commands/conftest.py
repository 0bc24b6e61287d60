"""Run the command line in its own processes, with ledgers that real sends have filled."""

import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_ismart.commands.python_cli import main
from tests.ledgers.conftest import database, make_backing, send, told  # noqa: F401  # fixtures

TIMEOUT = 180
#: The exit status of a command that ends with a traceback; Python's own is 1.
CRASHED = 70


@pytest.fixture
def process(tmp_path):
    """Run a command as a user does, without a terminal; return its exit status and output."""

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
def command(tmp_path):
    """Run a command like ``process``, but in a fork of this process, which has already imported Airflow."""

    def run(*arguments):
        outputs = [tmp_path / "stdout", tmp_path / "stderr"]
        child = os.fork()
        if not child:
            _run_and_exit([str(argument) for argument in arguments], *outputs)
        status = _exit_status(child)
        stdout, stderr = (path.read_text(encoding="utf-8") for path in outputs)
        return subprocess.CompletedProcess(arguments, status, stdout, stderr)

    return run


def _exit_status(child):
    """Wait for a fork, which can hang, because it has only one of this process's threads, but all of its locks."""
    for _ in range(TIMEOUT * 20):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the command did not end")


def _run_and_exit(arguments, stdout, stderr):
    status = CRASHED
    tempfile.tempdir = str(stdout.parent)
    with Path(os.devnull).open() as sys.stdin, stdout.open("w") as sys.stdout, stderr.open("w") as sys.stderr:
        try:
            status = main(arguments)
        except SystemExit as exit_:
            status = exit_.code
        except BaseException:  # noqa: BLE001  # pytest must not go on in the fork
            traceback.print_exc()
    os._exit(status)


@pytest.fixture
def on_a_terminal(tmp_path):
    """Run a command on a terminal and type ``typed``; return its exit status and everything that it showed."""

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
    """Return the environment of an Airflow that has never run and has no connections."""
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
