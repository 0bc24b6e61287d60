"""Provide the storages of ledgers, and calls to record."""

import json

import pytest
from sqlalchemy import create_engine, text

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.ledger import MemoryLedger
from airflow_provider_ismart.core.message import LangChoice, compose
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate
from airflow_provider_ismart.ledgers.sql import SqlLedger
from airflow_provider_ismart.ledgers.sql_schema import metadata, prepare_engine
from airflow_provider_ismart.ledgers.task_state import TaskStateLedger

try:
    from airflow.sdk import NEVER_EXPIRE
except ImportError:
    NEVER_EXPIRE = None

needs_task_state = pytest.mark.skipif(NEVER_EXPIRE is None, reason="the task state store came with Airflow 3.3")

#: Airflow's [state_store] max_value_storage_bytes, over which it warns.
MAX_VALUE_BYTES = 65_535


def engine_of(connection):
    """Open the database of a connection in JSON, as Airflow's hooks do."""
    where = json.loads(connection)
    if where["conn_type"] == "sqlite":
        return prepare_engine(create_engine(f"sqlite:///{where['host']}"))
    return prepare_engine(create_engine(f"postgresql+psycopg2://postgres@/{where['schema']}?host={where['host']}"))


class MemoryBacking:
    """A ledger that lasts as long as its process; later tries share the object."""

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

    def open_with_trap(self, trap, monkeypatch):
        """Open the ledger so that each commit passes the trap."""
        dialect = self.engine.dialect
        original = dialect.do_commit
        monkeypatch.setattr(dialect, "do_commit", lambda *args: trap(original, *args))
        return self.open()

    def stored(self):
        with self.engine.connect() as connection:
            tables = [connection.execute(text(f"SELECT * FROM {name}")).fetchall() for name in metadata.tables]
        return repr([[tuple(map(_readable, row)) for row in table] for table in tables])


def _readable(value):
    return bytes(value) if isinstance(value, memoryview) else value


class Store:
    """Airflow's task state store: JSON values by key, only for the newest try of one task instance."""

    def __init__(self):
        self.values = {}
        self.newest = None

    def open(self):
        return TaskStateLedger(self.handle())

    def open_with_trap(self, trap, monkeypatch):
        """Open the ledger so that each write passes the trap."""
        handle = self.handle()
        original = handle.set
        monkeypatch.setattr(handle, "set", lambda *args, **kwargs: trap(original, *args, **kwargs))
        return TaskStateLedger(handle)

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


def numbers(count, first=1):
    return [f"9689000{number:04}" for number in range(first, first + count)]


def batch(*msisdns, text="Your water is off on Monday.", copy=0):
    rows = tuple(int(msisdn) % 10_000 for msisdn in msisdns)
    return Batch(message=compose(text, LangChoice.AUTO, 5), copy=copy, rows=rows, msisdns=msisdns)


def outcome(fate):
    return CallOutcome(fate=fate, code={Fate.ACCEPTED: 1, Fate.REFUSED: 9}.get(fate))


def states(ledger, *msisdns):
    """Return the ledger's states of each number, as ``{number: [state]}``."""
    return {number: [entry.state.value for entry in found] for number, found in ledger.recorded(msisdns).items()}


def opened(backing, **options):
    ledger = backing.open(**options)
    ledger.claim()
    return ledger


def backed_by(backing):
    """Return the options with which a send uses the backing."""
    return {"store": backing} if isinstance(backing, Store) else {"ledger": backing.connection}
