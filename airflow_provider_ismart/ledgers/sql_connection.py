"""Open the SQL ledger of a send, after checking that earlier tries have no records elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, BaseHook

from airflow_provider_ismart.coordination.task_identity import TaskIdentity
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.exceptions import ISmartError
from airflow_provider_ismart.ledgers.base import LedgerRequest, OpenLedger
from airflow_provider_ismart.ledgers.current_try import CurrentTry
from airflow_provider_ismart.ledgers.refusals import records_elsewhere
from airflow_provider_ismart.ledgers.task_state import earlier_records, record_sql_ledger

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from airflow_provider_ismart.ledgers.sql import SqlLedger

_DIALECTS = ("postgresql", "sqlite")

_STOPPED = (
    "The send has stopped. No call was made without its intent on record, so a retry can resume: it sends what "
    "was not submitted. Calls whose outcome could not be recorded count as uncertain."
)


def open_sql(request: LedgerRequest) -> AbstractContextManager[OpenLedger] | None:
    """Open the ledger in the database of ``ledger_conn_id``, if it is set and the send has a task or a key.

    :raises InputError: ``ledger_conn_id`` is not a supported database.
    :raises ISmartUncertainFinalError: the database does not show what earlier tries sent.
    :raises ISmartError: the database cannot be read or written; a retry resumes.
    """
    conn_id = request.ledger_conn_id
    if not conn_id or not (request.idempotency_key or request.this_try.task):
        return None
    return _open(request, conn_id)


@contextmanager
def _open(request: LedgerRequest, conn_id: str) -> Iterator[OpenLedger]:
    request.this_try.has_lasting_ledger = True
    with open_engine(conn_id, consequence=_STOPPED) as engine:
        ledger = _sql_ledger(engine, request, conn_id)
        yield OpenLedger(ledger=ledger, before_first_call=request.this_try.mark_first_call)


def _sql_ledger(engine: Engine, request: LedgerRequest, conn_id: str) -> SqlLedger:
    """Return the ledger in a database, after checking that earlier tries used no other."""
    from airflow_provider_ismart.ledgers.sql import SqlLedger  # noqa: PLC0415  # imports SQLAlchemy

    this_try, key = request.this_try, request.idempotency_key
    opened = this_try.ledgers.get((conn_id, key))
    if isinstance(opened, SqlLedger):
        opened.reopen(engine)
        return opened
    task = this_try.task
    ledger = SqlLedger(
        engine,
        scope=key_scope(key) if key else task_scope(task) if task else "",
        task=sender_name(task) if task else "no task",
        same_text_only=key is None and task is not None and task.is_mapped,
    )
    if task:
        _check_records(ledger, request, conn_id, task)
    ledger.claim()
    if request.store is not None and not earlier_records(this_try, request.store).in_sql:
        record_sql_ledger(request.store)
    this_try.ledgers[conn_id, key] = ledger
    return ledger


def _check_records(ledger: SqlLedger, request: LedgerRequest, conn_id: str, task: TaskIdentity) -> None:
    earlier = earlier_records(request.this_try, request.store)
    if ledger.knows_task():
        return
    is_elsewhere = task.try_number > 1 and ledger.knows_task_elsewhere()
    if (
        any(earlier)
        or is_elsewhere
        or (task.is_mapped and not _starts_with(request.this_try, task, ledger, conn_id))
    ):
        raise records_elsewhere(f"the ledger of connection {conn_id!r}")


def _starts_with(this_try: CurrentTry, task: TaskIdentity, ledger: SqlLedger, conn_id: str) -> bool:
    """Return whether a mapped send has, or will have, all its records in this ledger."""
    digest = sha256(f"{conn_id}\0{ledger.scope}".encode()).hexdigest()[:16]
    start = this_try.mapped_send_start(task)
    is_first = not start.is_recorded
    start.record(digest)
    return is_first or start.ledger == digest


def key_scope(idempotency_key: str) -> str:
    """Return the scope of all tasks with an idempotency key."""
    return f"key:{idempotency_key}"


def task_scope(task: TaskIdentity) -> str:
    """Return the scope of the tries of a task instance, or of all indexes of a mapped task."""
    return f"task:{task.mapped_task}" if task.is_mapped else sender_name(task)


def sender_name(task: TaskIdentity) -> str:
    """Return the name of a task instance in a ledger."""
    return f"task:{task}"


@contextmanager
def open_engine(ledger_conn_id: str, *, consequence: str = "") -> Iterator[Engine]:
    """Open the database of an Airflow connection, for a ledger.

    :param consequence: what an error of the database means to the caller's user.
    :raises InputError: the connection is not a supported database.
    :raises ISmartError: it cannot be read or written, now or by the caller.
    """
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # heavy

    try:
        engine = _engine(ledger_conn_id)
        try:
            yield engine
        finally:
            engine.dispose()
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        why = (str(cause).strip().splitlines() or [""])[0]
        raise ISmartError(
            f"The ledger of connection {ledger_conn_id!r} cannot be read or written ({type(cause).__name__}: "
            f"{why}). {consequence}".rstrip()
        ) from None


def _engine(ledger_conn_id: str) -> Engine:
    from airflow_provider_ismart.ledgers import sql_schema  # noqa: PLC0415  # imports SQLAlchemy

    connection = BaseHook.get_connection(ledger_conn_id)
    try:
        hook: Any = connection.get_hook()  # type: ignore[no-untyped-call]
    except AirflowException:  # no installed provider has this type
        hook = None
    engine = hook.get_sqlalchemy_engine() if hasattr(hook, "get_sqlalchemy_engine") else None
    if engine is None or engine.dialect.name not in _DIALECTS:
        raise InputError(
            f"ledger_conn_id {ledger_conn_id!r} must be a PostgreSQL or SQLite connection, with the Airflow "
            "provider for it installed"
        )
    return sql_schema.prepare_engine(engine)
