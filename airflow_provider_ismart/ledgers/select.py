"""Choose the ledger of a send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.ledgers.base import LedgerRequest, Opener, OpenLedger
from airflow_provider_ismart.ledgers.current_try import CurrentTry
from airflow_provider_ismart.ledgers.memory import open_memory
from airflow_provider_ismart.ledgers.sql_connection import open_sql
from airflow_provider_ismart.ledgers.task_state import open_task_state

if TYPE_CHECKING:
    from airflow_provider_ismart.core.plan import Plan

#: The ledgers, the best one first. A send gets the first one that it can use.
OPENERS: tuple[Opener, ...] = (
    open_sql,
    open_task_state,
    open_memory,  # accepts or refuses every send
)

#: Short enough for the database's index in any script.
MAX_KEY_LENGTH = 500

#: Allows one send per process at a time, because all sends of a process belong to the same try.
_ONE_SEND = Lock()


@contextmanager
def open_ledger(
    context: Mapping[str, Any],
    this_try: CurrentTry,
    plan: Plan,
    *,
    ledger_conn_id: str | None,
    idempotency_key: str | None,
) -> Iterator[OpenLedger]:
    """Open the best available ledger for a send of the task of ``context``.

    This is the SQL database of ``ledger_conn_id``, else the task state store of Airflow 3.3, else memory. A later
    try that has only memory is refused, unless all earlier tries certainly submitted nothing.

    :raises InputError: ``idempotency_key`` is blank or has no SQL ledger, or ``ledger_conn_id`` is not a supported
        database.
    :raises ISmartUncertainFinalError: no ledger shows what earlier tries, or other indexes of a mapped task, sent.
    :raises ISmartError: the SQL ledger cannot be read or written; a retry resumes.
    """
    _check_key(idempotency_key, ledger_conn_id)
    request = LedgerRequest(
        this_try=this_try,
        plan=plan,
        store=context.get("task_state_store"),
        ledger_conn_id=ledger_conn_id,
        idempotency_key=idempotency_key,
    )
    with _ONE_SEND:
        openings = (opener(request) for opener in OPENERS)
        with next(opening for opening in openings if opening is not None) as opened:
            yield opened


def _check_key(idempotency_key: object, ledger_conn_id: str | None) -> None:
    if idempotency_key is None:
        return
    if not isinstance(idempotency_key, str):
        raise InputError(f"idempotency_key is of type {type(idempotency_key).__name__}; it must be text")
    if not idempotency_key.strip() or len(idempotency_key) > MAX_KEY_LENGTH:
        raise InputError(f"idempotency_key must have 1 to {MAX_KEY_LENGTH} characters, and not only blanks")
    if not ledger_conn_id:
        raise InputError(
            "idempotency_key needs a SQL ledger: set ledger_conn_id, here or as the connection's extra"
        )
