"""Which ledger a send gets, and which sends are refused because no ledger knows what earlier tries sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, BaseHook, conf

from airflow_provider_ismart.coordination.task_identity import TaskIdentity
from airflow_provider_ismart.coordination.task_notes import MappedSendStart
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.ledger import Ledger, MemoryLedger
from airflow_provider_ismart.exceptions import ISmartError, ISmartUncertainFinalError
from airflow_provider_ismart.ledgers.current_try import CurrentTry, EarlierRecords
from airflow_provider_ismart.ledgers.index_plans import IndexPlan, StoredIndexPlans, check_index

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from airflow_provider_ismart.core.plan import Plan
    from airflow_provider_ismart.ledgers.sql import SqlLedger
    from airflow_provider_ismart.ledgers.task_state import TaskStateStore

_DIALECTS = ("postgresql", "sqlite")

#: So that the database's index takes it, in any script.
MAX_KEY_LENGTH = 500

#: One send of a process at a time: each is a further send of the same try.
_ONE_SEND = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLedger:
    """A send's ledger, and what to do immediately before its first call."""

    ledger: Ledger
    before_first_call: Callable[[], None]


@contextmanager
def open_ledger(
    context: Mapping[str, Any],
    this_try: CurrentTry,
    plan: Plan,
    *,
    ledger_conn_id: str | None,
    idempotency_key: str | None,
) -> Iterator[OpenLedger]:
    """Open the best ledger that there is for a send of the task that ``context`` belongs to.

    That is the SQL database of ``ledger_conn_id``; else the task state store of Airflow 3.3; else none that
    outlives the process, and then a later try is refused unless the tries before certainly submitted nothing.

    :raises InputError: ``idempotency_key`` is blank or without a SQL ledger, or ``ledger_conn_id`` is no such
        database.
    :raises ISmartUncertainFinalError: no ledger knows what earlier tries, or a mapped task's siblings, sent.
    :raises ISmartError: the SQL ledger cannot be read or written; a retry resumes.
    """
    task = this_try.task
    _check_key(idempotency_key)
    store: TaskStateStore | None = context.get("task_state_store")
    with _ONE_SEND:
        if ledger_conn_id and (idempotency_key or task):
            this_try.has_lasting_ledger = True
            with _sql_errors(ledger_conn_id), open_engine(ledger_conn_id) as engine:
                ledger = _sql_ledger(engine, this_try, store, ledger_conn_id, idempotency_key)
                yield OpenLedger(ledger=ledger, before_first_call=this_try.expect_calls)
        elif idempotency_key:
            raise InputError(
                "idempotency_key needs a SQL ledger: set ledger_conn_id, here or as an extra of the connection"
            )
        elif task is None:
            yield OpenLedger(ledger=MemoryLedger(), before_first_call=this_try.expect_calls)
        elif store is not None:
            this_try.has_lasting_ledger = True
            yield _task_state(store, this_try, task, plan)
        else:
            yield _no_lasting_ledger(this_try, task, plan)


def _check_key(idempotency_key: object) -> None:
    if idempotency_key is None:
        return
    if not isinstance(idempotency_key, str):
        raise InputError(f"idempotency_key is a {type(idempotency_key).__name__}; it has to be text")
    if not idempotency_key.strip() or len(idempotency_key) > MAX_KEY_LENGTH:
        raise InputError(f"idempotency_key can have 1 to {MAX_KEY_LENGTH} characters, and not blanks alone")


def _sql_ledger(
    engine: Engine, this_try: CurrentTry, store: TaskStateStore | None, conn_id: str, key: str | None
) -> SqlLedger:
    """Return the ledger in a database, once it is certain that earlier tries are in no other."""
    from airflow_provider_ismart.ledgers.sql import SqlLedger  # noqa: PLC0415  # brings SQLAlchemy

    opened = this_try.ledgers.get((conn_id, key))
    if isinstance(opened, SqlLedger):
        opened.reopen(engine)
        return opened
    task = this_try.task
    scope = key_scope(key) if key else task_scope(task) if task else ""
    ledger = SqlLedger(
        engine,
        scope=scope,
        task=sender(task) if task else "no task",
        same_text_only=key is None and task is not None and task.is_mapped,
    )
    earlier = _earlier_records(this_try, store)
    if task and not ledger.knows_task():
        is_elsewhere = task.try_number > 1 and ledger.knows_task_elsewhere()
        if any(earlier) or is_elsewhere or (task.is_mapped and not _starts_with(task, conn_id, scope)):
            raise _records_elsewhere(f"the ledger of connection {conn_id!r}")
    ledger.take_over()
    if store is not None and not earlier.in_sql:
        _note_sql_ledger(store)
    this_try.ledgers[conn_id, key] = ledger
    return ledger


SQL_LEDGER_KEY = "ismart_sql_ledger"


def _note_sql_ledger(store: TaskStateStore) -> None:
    """Note that this task has records in a SQL ledger, in case its database is gone when the task is retried."""
    from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # noqa: PLC0415  # not before Airflow 3.3

    store.set(SQL_LEDGER_KEY, True, retention=NEVER_EXPIRE)  # noqa: FBT003  # a JSON value


def _earlier_records(this_try: CurrentTry, store: TaskStateStore | None) -> EarlierRecords:
    """Return where tries before this one left records, as far as the task state store tells."""
    from airflow_provider_ismart.ledgers.task_state import has_calls  # noqa: PLC0415  # needed at run time alone

    if store is None:
        return EarlierRecords(in_sql=False, in_store=False)
    if this_try.earlier_records is None:  # as this try's own sends leave records, too
        in_sql = store.get(SQL_LEDGER_KEY) is not None
        this_try.earlier_records = EarlierRecords(in_sql=in_sql, in_store=has_calls(store))
    return this_try.earlier_records


def _starts_with(task: TaskIdentity, conn_id: str, scope: str) -> bool:
    """Whether a mapped send has or gets its records in this ledger, and its indexes have none elsewhere."""
    ledger = sha256(f"{conn_id}\0{scope}".encode()).hexdigest()[:16]
    start = MappedSendStart(task)
    start.record(ledger)
    return start.generation is None or start.ledger == ledger


def _records_elsewhere(ledger: str) -> ISmartUncertainFinalError:
    return ISmartUncertainFinalError(
        f"This task has sent before, but {ledger} has no trace of it, so it is not known who got the message, "
        "and nothing is sent. Restore the database, or set ledger_conn_id and idempotency_key as they were when "
        "the run first sent. Else find out who got the message (logs and results_path) and send to the others in "
        "a new run."
    )


def _task_state(store: TaskStateStore, this_try: CurrentTry, task: TaskIdentity, plan: Plan) -> OpenLedger:
    from airflow_provider_ismart.ledgers.task_state import TaskStateLedger, is_empty  # noqa: PLC0415

    ledger = this_try.ledgers.get((None, None))
    if ledger is None:
        if is_empty(store):
            if _earlier_records(this_try, store).in_sql:
                raise _records_elsewhere("Airflow's task state store")
            if _may_be_emptied() and task.try_number > 1:
                raise _unknown_tries(task, "and Airflow has emptied its task state store meanwhile")
        ledger = this_try.ledgers[None, None] = TaskStateLedger(store)
    if not task.is_mapped or not plan.parts:
        return OpenLedger(ledger=ledger, before_first_call=this_try.expect_calls)
    plans = StoredIndexPlans(store)
    known = plans.plan(this_try.sends)
    planned = check_index(task, plan, known)
    if planned != known:
        plans.record(this_try.sends, planned)
    this_try.sends += 1
    return OpenLedger(ledger=ledger, before_first_call=_start_of_index(this_try, task, plan, planned))


def _no_lasting_ledger(this_try: CurrentTry, task: TaskIdentity, plan: Plan) -> OpenLedger:
    unsent = this_try.unsent_tries(task)
    if not unsent.are_all_before:
        raise _unknown_tries(task, "and no ledger knows what the tries before it sent")
    start_index = this_try.expect_calls
    if task.is_mapped and plan.parts:
        planned = check_index(task, plan, IndexPlan.from_json(unsent.plan))
        start_index = _start_of_index(this_try, task, plan, planned)

    def before_first_call() -> None:
        unsent.forget()
        start_index()

    ledger: Ledger = MemoryLedger()
    if not this_try.attempt:  # which knows this try's sends as well
        ledger = this_try.ledgers.setdefault((None, None), ledger)
    return OpenLedger(ledger=ledger, before_first_call=before_first_call)


def _start_of_index(
    this_try: CurrentTry, task: TaskIdentity, plan: Plan, planned: IndexPlan
) -> Callable[[], None]:
    def before_first_call() -> None:
        check_index(task, plan, planned)  # again, because a sibling may have started meanwhile
        MappedSendStart(task).record()
        this_try.expect_calls()

    return before_first_call


def _may_be_emptied() -> bool:
    """Whether Airflow may have emptied a task's store: when a try succeeded, or from 3.4 on when it is cleared."""
    from airflow import __version__  # noqa: PLC0415  # known at run time alone

    major, minor = map(int, __version__.split(".")[:2])
    return (major, minor) >= (3, 4) or conf.getboolean("state_store", "clear_on_success", fallback=False)


def key_scope(idempotency_key: str) -> str:
    """Return the scope of all tasks that name this key."""
    return f"key:{idempotency_key}"


def task_scope(task: TaskIdentity) -> str:
    """Return the scope of the tries of a task instance, or of all indexes of a mapped task."""
    return f"task:{task.mapped_task}" if task.is_mapped else sender(task)


def sender(task: TaskIdentity) -> str:
    """Return the name of a task instance in a ledger."""
    return f"task:{task}"


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


@contextmanager
def _sql_errors(ledger_conn_id: str) -> Iterator[None]:
    """Name the ledger's connection in what its database raises."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # heavy

    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        why = (str(cause).strip().splitlines() or [""])[0]
        raise ISmartError(
            f"The ledger of connection {ledger_conn_id!r} cannot be read or written ({type(cause).__name__}: "
            f"{why}). The send has stopped. No call was made without its intent on record, so a retry can resume: "
            "it sends what was not submitted. Calls whose outcome could not be recorded count as uncertain."
        ) from None


def _unknown_tries(task: TaskIdentity, why: str) -> ISmartUncertainFinalError:
    return ISmartUncertainFinalError(
        f"This is try {task.try_number} of the task, {why}, so nothing is sent. Find out who got the message "
        "(logs and results_path) and send to the others in a new run. To have later tries resume, keep a ledger "
        "from the first try on: set ledger_conn_id to a PostgreSQL or SQLite connection, or run on Airflow 3.3, "
        "which needs no set-up. To set it now does not help this run: the ledger would be empty, and every "
        "recipient would get the message again."
    )
