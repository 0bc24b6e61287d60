"""Airflow's own command line, on a database and a DAGs folder of its own."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import psutil
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


@pytest.fixture
def in_a_callback(airflow_version, airflow_db, ismart_default, monkeypatch, tmp_path):
    """Give this process what every process that runs callbacks has: the way to Airflow's Variables."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where the locks are
    if airflow_version < (3, 0):
        yield
        return
    import structlog
    from airflow.sdk.execution_time import supervisor

    in_process = supervisor.InProcessTestSupervisor(
        id=uuid4(),
        pid=os.getpid(),
        process=psutil.Process(),
        process_log=structlog.get_logger(),
        client=supervisor.InProcessTestSupervisor._api_client(),
    )
    in_process.comms = supervisor.InProcessSupervisorComms(supervisor=in_process)
    with supervisor.set_supervisor_comms(in_process.comms):
        yield
