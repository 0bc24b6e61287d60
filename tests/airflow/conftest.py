"""Airflow's own command line, on a database and a DAGs folder of its own."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

DAGS = Path(__file__).parent / "dags"


@pytest.fixture(scope="session")
def airflow_version():
    """Give Airflow's version as a tuple of numbers."""
    return tuple(int(number) for number in version("apache-airflow").split(".")[:2])


@pytest.fixture
def airflow_command(airflow_db, ismart_default):
    """Start an ``airflow`` command against the sandbox; give its process."""
    processes = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments],
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
