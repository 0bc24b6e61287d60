"""Run Airflow's own command line, with its own database and DAGs folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DAGS = Path(__file__).parent / "dags"
COMMAND = Path(__file__).parent / "command.py"


@pytest.fixture
def airflow_command(airflow_db, ismart_default):
    """Start an ``airflow`` command against the sandbox; return its process."""
    processes = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, str(COMMAND), *arguments],
            env=os.environ | {"AIRFLOW__CORE__DAGS_FOLDER": str(DAGS)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def in_a_callback(supervision, ismart_default, monkeypatch, tmp_path):
    """Give this process access to Airflow's Variables, and its own locks."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with supervision():
        yield
