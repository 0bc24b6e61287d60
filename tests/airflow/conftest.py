"""Run Airflow's own command line, with the DAGs and plugins beside this file."""

import os

import pytest

from tests.airflow.forks import AirflowFork


@pytest.fixture
def airflow_command(airflow_db, ismart_default, tmp_path):
    """Start an ``airflow`` command against the sandbox, in a fork of a process that has imported Airflow."""
    commands = []

    def start(*arguments, **environment):
        output = tmp_path / f"airflow-{len(commands)}.log"
        commands.append(AirflowFork(arguments, environment=os.environ | environment, output=output))
        return commands[-1]

    yield start
    for command in commands:
        command.kill()


@pytest.fixture
def in_a_callback(supervision, ismart_default, monkeypatch, tmp_path):
    """Give this process access to Airflow's Variables, and its own locks."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with supervision():
        yield
