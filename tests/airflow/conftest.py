"""Airflow's own command line, on a database and a DAGs folder of its own."""

import os
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
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


@pytest.fixture(scope="session")
def supervision(airflow_version, airflow_db):
    """Give what puts this process under a supervisor, as Airflow 3 does with all that run callbacks."""
    if airflow_version < (3, 0):
        return nullcontext
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
    return partial(supervisor.set_supervisor_comms, in_process.comms)


@pytest.fixture
def in_a_callback(supervision, ismart_default, monkeypatch, tmp_path):
    """Let this process reach Airflow's Variables, and keep its locks apart."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with supervision():
        yield
