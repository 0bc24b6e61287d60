"""Ledgers that outlive the process that sends, and which of them a send gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, BaseHook, conf

from airflow_provider_ismart.exceptions import ISmartUncertainFinalError
from airflow_provider_ismart.sms.errors import InputError
from airflow_provider_ismart.sms.ledger import Ledger, MemoryLedger

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

_DIALECTS = ("postgresql", "sqlite")

#: So that the database's index takes it, in any script.
MAX_KEY_LENGTH = 500

#: Sends of one process take turns: in one task, each takes the ledger over from those before.
_TURN = Lock()


@contextmanager
def open_ledger(
    context: Mapping[str, Any], *, ledger_conn_id: str | None, idempotency_key: str | None
) -> Iterator[Ledger]:
    """Give the send of a task, whose ``context`` this is, the best ledger that there is.

    That is the SQL database of ``ledger_conn_id``; else the task state store of Airflow 3.3; else none that
    lasts, and then a later try is refused.

    :raises InputError: ``idempotency_key`` is blank or without a SQL ledger, or ``ledger_conn_id`` is no such
        database.
    :raises ISmartUncertainFinalError: this is a later try, and no ledger knows of the earlier ones.
    """
    task_instance = context.get("ti")
    if not isinstance(idempotency_key, str | None):
        raise InputError(f"idempotency_key is a {type(idempotency_key).__name__}; it has to be text")
    if idempotency_key is not None and not (idempotency_key.strip() and len(idempotency_key) <= MAX_KEY_LENGTH):
        raise InputError(f"idempotency_key can have 1 to {MAX_KEY_LENGTH} characters, and not blanks alone")
    if ledger_conn_id and (idempotency_key or task_instance):
        from airflow_provider_ismart.ledgers.sql import SqlLedger  # noqa: PLC0415  # brings SQLAlchemy

        task = task_scope(task_instance) if task_instance else "no task"
        with _TURN, open_engine(ledger_conn_id) as engine:
            yield SqlLedger(engine, scope=key_scope(idempotency_key) if idempotency_key else task, task=task)
    elif idempotency_key:
        raise InputError(
            "idempotency_key needs a SQL ledger: set ledger_conn_id, here or as an extra of the connection"
        )
    elif (store := context.get("task_state_store")) is not None:
        from airflow_provider_ismart.ledgers.task_state import TaskStateLedger, is_empty  # noqa: PLC0415

        if _may_be_emptied() and is_empty(store):
            _refuse_later_try(task_instance)
        with _TURN:
            yield TaskStateLedger(store)
    else:
        _refuse_later_try(task_instance)
        if task_instance is None:
            yield MemoryLedger()
            return
        with _TURN:
            yield _ledger_of_try(task_instance)


def _may_be_emptied() -> bool:
    """Whether Airflow may have emptied a task's store: when a try succeeded, or from 3.4 on when it is cleared."""
    from airflow import __version__  # noqa: PLC0415  # known at run time alone

    major, minor = map(int, __version__.split(".")[:2])
    return (major, minor) >= (3, 4) or conf.getboolean("state_store", "clear_on_success", fallback=False)


#: The last try of this process that had no ledger that lasts, and the ledger that all of its sends share.
_last_try: tuple[Any, MemoryLedger] = (None, MemoryLedger())


def _ledger_of_try(task_instance: Any) -> MemoryLedger:
    global _last_try  # noqa: PLW0603  # a function that sends twice has no other place to remember the first time
    if task_instance is not _last_try[0]:
        _last_try = (task_instance, MemoryLedger())
    return _last_try[1]


def key_scope(idempotency_key: str) -> str:
    """Return the scope of everything that names this key."""
    return f"key:{idempotency_key}"


def task_scope(task_instance: Any) -> str:
    """Return the scope of the tries of one task instance."""
    ti = task_instance
    return f"task:{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}"


@contextmanager
def open_engine(ledger_conn_id: str) -> Iterator[Engine]:
    """Open the database of an Airflow connection for a ledger.

    :raises InputError: it is no database that a ledger can be kept in.
    """
    from airflow_provider_ismart.ledgers.sql import prepared  # noqa: PLC0415  # brings SQLAlchemy

    connection = BaseHook.get_connection(ledger_conn_id)
    try:
        hook: Any = connection.get_hook()  # type: ignore[no-untyped-call]
    except AirflowException:  # no provider knows the type
        hook = None
    engine = hook.get_sqlalchemy_engine() if hasattr(hook, "get_sqlalchemy_engine") else None
    if engine is None or engine.dialect.name not in _DIALECTS:
        raise InputError(
            f"ledger_conn_id {ledger_conn_id!r} has to be a PostgreSQL or SQLite connection, with the Airflow "
            "provider for it installed"
        )
    try:
        yield prepared(engine)
    finally:
        engine.dispose()


def _refuse_later_try(task_instance: Any) -> None:
    if task_instance is not None and task_instance.try_number > 1:
        raise ISmartUncertainFinalError(
            f"This is try {task_instance.try_number} of the task, and no ledger knows what the tries before it "
            "sent, so nothing is sent. To have later tries go on with the rest, keep a ledger: set ledger_conn_id "
            "to a PostgreSQL or SQLite connection, or run on Airflow 3.3, which needs no set-up. For now, find "
            "out who was told (their logs and results_path) and send to the others in a new run."
        )
