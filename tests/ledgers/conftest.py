"""Provide every kind of ledger with its real storage: memory, a task's store, SQLite and PostgreSQL."""

import json
from collections import Counter
from types import SimpleNamespace

import pytest

from airflow_provider_ismart.hooks.ismart import ISmartHook
from tests.ledgers.backings import MemoryBacking, SqlBacking, Store, needs_task_state

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
    """Return the storage of a ledger; its ``open`` returns the ledger of another try."""
    return make_backing(request.param)


@pytest.fixture(params=LASTING)
def lasting(request, make_backing):
    """Return the storage of a ledger that outlives a process."""
    return make_backing(request.param)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, make_backing):
    return make_backing(request.param)


@pytest.fixture
def send(ismart_default, monkeypatch):
    """Send to numbers as a try of a task does, with the hook, over a real socket; return the report."""
    ismart_default(extra={"max_concurrency": 2, "connect_timeout": 1, "read_timeout": 2})

    def send(
        recipients, *, store=None, ledger=None, try_number=1, run_id="run", message="Hello", key=None, **options
    ):
        task_instance = SimpleNamespace(
            dag_id="dag", run_id=run_id, task_id="send", map_index=-1, try_number=try_number
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
    """Return a function that counts the messages that each number got."""
    return lambda: Counter(message.msisdn for message in ismart_sandbox.messages)
