"""Simulate storages that survive a process: the task state store, the ledger's database and Variables."""

import json
import sqlite3

from airflow.sdk import NEVER_EXPIRE
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from tests.simulation.threads import process_here

BEFORE, AFTER = "before it was applied", "after it was applied"


def airflow_error(detail):
    return AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"message": detail}))


class StorageFaults:
    """Decide when reads and writes of a storage fail."""

    def __init__(self, world, chance):
        self._world = world
        self.chance = chance
        #: From when until when nothing works.
        self.outage = (0.0, 0.0)

    def draw(self, process, what, *, is_write):
        """Return how this access fails, if it does; record it with the affected attempt."""
        start, end = self.outage
        fault = None
        if start <= self._world.now < end:
            fault = BEFORE
        elif is_write and self.chance and self._world.random.random() < self.chance:
            fault = self._world.random.choice([BEFORE, AFTER])
        if process.attempt:
            if is_write:
                process.attempt.has_failed_write = fault is not None
            if fault:
                process.attempt.had_trouble = True
        if fault:
            self._world.count("ledger", f"{what} fails {fault}")
            self._world.note(process.name, f"{what} fails {fault}")
        return fault


class TaskStateStore:
    """Airflow's task state store of one task instance: JSON values by key, only for its newest try."""

    def __init__(self, world, faults):
        self.world = world
        self.faults = faults
        self.values = {}
        self.newest = None

    def handle(self, process):
        self.newest = StoreOfTry(self, process)
        return self.newest


class StoreOfTry:
    """``context["task_state_store"]`` of one try."""

    def __init__(self, store, process):
        self._store = store
        self._process = process

    def get(self, key, default=None):
        self._access("store.get", is_write=False)
        value = self._store.values.get(key)
        return default if value is None else json.loads(value)

    def set(self, key, value, *, retention=None):
        assert retention is NEVER_EXPIRE
        self._write("store.set", lambda: self._store.values.__setitem__(key, json.dumps(value)))

    def delete(self, key):
        self._write("store.delete", lambda: self._store.values.pop(key, None))

    def _write(self, what, apply):
        fault = self._access(what, is_write=True)
        apply()
        self._store.world.count("ledger", what)
        if fault == AFTER:
            raise airflow_error("the answer of the API server was lost")
        self._process.step(f"after {what}", self._store.world.random.uniform(0.001, 0.004))

    def _access(self, what, *, is_write):
        self._process.step(f"before {what}", self._store.world.random.uniform(0.001, 0.004))
        if self._store.newest is not self:
            self._process.attempt.is_fenced = True
            self._store.world.count("ledger", "a zombie is refused")
            self._store.world.note(self._process.name, f"{what} is refused: this try is over")
            raise airflow_error("this try is over")
        fault = self._store.faults.draw(self._process, what, is_write=is_write)
        if fault == BEFORE:
            raise airflow_error("the API server cannot be reached")
        return fault


class Connection:
    """A connection to the ledger's database, whose commits can fail and whose transactions take steps."""

    def __init__(self, database):
        self._database = database
        self._raw = database.raw

    def __getattr__(self, name):
        return getattr(self._raw, name)

    @property
    def isolation_level(self):
        return self._raw.isolation_level

    @isolation_level.setter
    def isolation_level(self, level):
        self._raw.isolation_level = level

    def cursor(self, *_):
        cursor = self._raw.cursor(Cursor)
        cursor.database = self._database
        return cursor

    def commit(self):
        self._database.commit()

    def rollback(self):
        self._raw.rollback()

    def close(self):
        """Do nothing, because the database is in memory."""


class Cursor(sqlite3.Cursor):
    """A cursor that takes a step before each transaction."""

    database = None

    def execute(self, statement, *parameters):
        if statement.startswith("BEGIN"):
            self.database.begin()
        return super().execute(statement, *parameters)


class Database:
    """The database of the SQL ledger: SQLite in memory, which all processes of a history share."""

    def __init__(self):
        self.engine = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: Connection(self))
        self.raw = None
        self.world = None
        self.faults = None

    def begin_history(self, world, faults):
        self.world, self.faults = world, faults
        self.lose()

    def close(self):
        if self.raw is not None:
            self.raw.close()

    def lose(self):
        """Delete everything."""
        self.close()
        self.raw = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self.engine.dispose()

    def begin(self):
        process = process_here()
        process.step("before a transaction", self.world.random.uniform(0.001, 0.004))
        self._fault = self.faults.draw(process, "transaction", is_write=True)
        if self._fault == BEFORE:
            raise sqlite3.OperationalError("unable to open database file")

    def commit(self):
        process = process_here()
        if process.is_dead:
            self.raw.rollback()
            process.check()
        was_open = self.raw.in_transaction
        self.raw.commit()
        if not was_open:
            return
        self.world.count("ledger", "commit")
        fault, self._fault = self._fault, None
        if fault == AFTER:
            raise sqlite3.OperationalError("disk I/O error")
        process.step("after a commit", self.world.random.uniform(0.001, 0.004))


class Variables:
    """Airflow's Variables."""

    def __init__(self, world):
        self._world = world
        self.values = {}

    def get(self, key, default=None, *_, deserialize_json=False, **__):
        self._step("before Variable.get")
        value = self.values.get(key)
        if value is None:
            return default
        return json.loads(value) if deserialize_json else value

    def set(self, key, value, *_, serialize_json=False, **__):
        self._step("before Variable.set")
        self.values[key] = json.dumps(value) if serialize_json else value
        self._world.count("variable", "set")
        self._step("after Variable.set")

    def delete(self, key, *_):
        self._step("before Variable.delete")
        self.values.pop(key, None)

    def _step(self, what):
        process_here().step(what, self._world.random.uniform(0.001, 0.004))
