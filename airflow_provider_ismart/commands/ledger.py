"""Run ``ledger``: count, find, release and prune the calls of a SQL ledger."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_ismart.commands.output import Output, as_time, reporting
from airflow_provider_ismart.commands.server_context import enter_server_context, hook_of
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.ledger import State
from airflow_provider_ismart.core.msisdn import canonical_column
from airflow_provider_ismart.core.numbering import OMAN
from airflow_provider_ismart.core.report import counted

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from airflow_provider_ismart.core.numbering import NumberingPlan
    from airflow_provider_ismart.ledgers.operations import Counts, OpenCalls, UncertainCall
    from airflow_provider_ismart.ledgers.selection import Selection


@reporting
def summarise(options: Namespace, output: Output) -> int:
    """Count the messages by state."""
    from airflow_provider_ismart.ledgers.operations import count_messages  # noqa: PLC0415  # imports SQLAlchemy

    with _ledger(options) as engine:
        counts = {
            state.value: count for state, count in count_messages(engine, _selections(engine, options)).items()
        }
    if output.as_json:
        output.json(counts)
    else:
        output.table(f"Messages of {_chosen(options)}", ("state", "messages"), counts.items())
    return 0


@reporting
def list_uncertain(options: Namespace, output: Output) -> int:
    """List the uncertain calls or, with ``--numbers``, the uncertain numbers of a file."""
    from airflow_provider_ismart.ledgers.operations import find_uncertain_calls  # noqa: PLC0415  # imports SQLAlchemy

    with _ledger(options) as engine:
        found = find_uncertain_calls(engine, _selections(engine, options))
    if options.numbers:
        _print_uncertain_numbers(found, options, output)
    elif output.as_json:
        output.json({"calls": [{**_call(call), "numbers": len(call.hashes)} for call in found]})
    else:
        rows = [(as_time(call.at), call.task, len(call.hashes), call.code) for call in found]
        output.table(f"Uncertain calls of {_chosen(options)}", ("started", "task", "numbers", "code"), rows)
    return 0


def _print_uncertain_numbers(found: Collection[UncertainCall], options: Namespace, output: Output) -> None:
    from airflow_provider_ismart.ledgers.operations import calls_to  # noqa: PLC0415  # imports SQLAlchemy

    asked, invalid = _read_numbers(options, output)
    uncertain = list(calls_to(found, asked))
    certain = len(asked) - len({msisdn for msisdn, _ in uncertain})
    if output.as_json:
        numbers = [{"msisdn": msisdn, **_call(call)} for msisdn, call in uncertain]
        output.json({"numbers": numbers, "not_uncertain": certain, "invalid": invalid})
        return
    rows = [(msisdn, as_time(call.at), call.task, call.code) for msisdn, call in uncertain]
    output.table(f"Uncertain numbers of {_chosen(options)}", ("number", "started", "task", "code"), rows)
    output.message(
        f"Not uncertain: {counted(certain, 'number')}. Not a mobile number: {counted(invalid, 'cell')}."
    )


def _call(call: UncertainCall) -> dict[str, object]:
    return {"started": as_time(call.at), "task": call.task, "code": call.code}


def _read_numbers(options: Namespace, output: Output) -> tuple[Collection[str], int]:
    """Return the distinct numbers in the file and how many cells are invalid."""
    from airflow_provider_ismart.sources.files import FileRecipients  # noqa: PLC0415  # imports Airflow

    numbering, invalid = _numbering(options.conn_id, output), 0

    def skip(_row: int, _why: str) -> None:
        nonlocal invalid
        invalid += 1

    numbers: dict[str, None] = {}
    for chunk in FileRecipients([options.numbers]).read(options.recipient_column):
        numbers |= dict.fromkeys(filter(None, canonical_column(chunk[options.recipient_column], numbering, skip)))
    return numbers.keys(), invalid


def _numbering(conn_id: str, output: Output) -> NumberingPlan:
    """Return the numbering plan of the connection, or Oman's if there is no such connection."""
    from airflow.providers.common.compat.sdk import AirflowNotFoundException  # noqa: PLC0415  # heavy

    try:
        return hook_of(conn_id).settings.numbering
    except AirflowNotFoundException:
        output.message(f"There is no connection {conn_id!r}, so numbers are read as numbers of Oman.")
        return OMAN


@reporting
def release(options: Namespace, output: Output) -> int:
    """Mark open calls as uncertain, after asking for confirmation."""
    from airflow_provider_ismart.ledgers import operations  # noqa: PLC0415  # imports SQLAlchemy

    with _ledger(options) as engine:
        selections = _selections(engine, options)
        released = operations.open_calls(engine, selections)
        if released:
            for calls in released:
                output.message(f"Would mark as uncertain: {_described(calls)}.")
            output.confirm("Have these tasks ended? A task that is still running will stop.", yes=options.yes)
            released = operations.release(engine, released)
    if output.as_json:
        output.json({"released": [_released(calls) for calls in released]})
        return 0
    for calls in released:
        output.result(f"Marked as uncertain: {_described(calls)}.")
    if not released:
        output.result(f"Nothing to release: {_chosen(options)} has no open calls.")
    return 0


def _released(calls: OpenCalls) -> dict[str, object]:
    return {
        "task": calls.task,
        "calls": calls.calls,
        "numbers": calls.numbers,
        "since": as_time(calls.since),
    }


def _described(calls: OpenCalls) -> str:
    what = f"{counted(calls.calls, 'call')} to {counted(calls.numbers, 'number')}"
    return f"{what} of task {calls.task}, open since {as_time(calls.since)}"


@reporting
def prune(options: Namespace, output: Output) -> int:
    """Delete old calls, after asking for confirmation."""
    from airflow_provider_ismart.ledgers import operations  # noqa: PLC0415  # imports SQLAlchemy

    before = _time(options.before)
    with _ledger(options) as engine:
        selections = None if options.whole_ledger else _selections(engine, options)
        found = operations.count_calls_before(engine, selections, before)
        kept = found.get(State.SUBMITTING)
        found = {state: counts for state, counts in found.items() if state not in operations.KEPT}
        if found:
            output.message(f"Would delete calls of {_chosen(options)} before {as_time(before)}: {_counts(found)}.")
            output.confirm("Delete them? A cleared task can send their messages again.", yes=options.yes)
            found = operations.prune(engine, selections, before)
    if output.as_json:
        deleted = {state.value: counts._asdict() for state, counts in found.items()}
        output.json({"before": as_time(before), "deleted": deleted, "kept_open_calls": kept.calls if kept else 0})
        return 0
    output.result(f"Deleted calls of {_chosen(options)} before {as_time(before)}: {_counts(found)}.")
    if kept:
        output.message(f"Kept {counted(kept.calls, 'open call')}. To delete them, run `ledger release` first.")
    return 0


def _counts(found: Mapping[State, Counts]) -> str:
    each = [
        f"{counted(counts.calls, f'{state.value} call')} ({counted(counts.numbers, 'number')})"
        for state, counts in found.items()
    ]
    return ", ".join(each) or "no call"


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"--before is {text!r}; it must be a date or time such as 2026-01-31T08:00+04:00"
        ) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    try:
        at.astimezone(UTC)
    except OverflowError:
        raise InputError(f"--before is {text!r}, which is outside the calendar") from None
    if at > datetime.now(UTC):
        raise InputError(f"--before is {as_time(at)}, which is in the future; it must be in the past")
    return at


@contextmanager
def _ledger(options: Namespace) -> Iterator[Engine]:
    """Open the ledger's database.

    :raises InputError: there is no SQL ledger, or not exactly one of the selecting flags is set.
    :raises ISmartError: the database cannot be read or written.
    """
    from airflow_provider_ismart.ledgers.selection import exists  # noqa: PLC0415  # imports SQLAlchemy
    from airflow_provider_ismart.ledgers.sql_connection import open_engine  # noqa: PLC0415

    _check_selection(options)
    enter_server_context()
    conn_id = options.ledger_conn_id
    if conn_id is None and not (conn_id := _ledger_of(options.conn_id)):
        raise InputError(
            f"connection {options.conn_id!r} names no SQL ledger: pass --ledger-conn-id. Only a task itself can "
            "read its task state store; its uncertain rows are in its results file"
        )
    with open_engine(conn_id) as engine:
        if not exists(engine):
            raise InputError(f"the database of connection {conn_id!r} has no ledger. Is it the right connection?")
        yield engine


def _ledger_of(conn_id: str) -> str | None:
    """Return the id of the ledger connection that a gateway connection names.

    :raises InputError: there is no such connection.
    """
    from airflow.providers.common.compat.sdk import AirflowNotFoundException  # noqa: PLC0415  # heavy

    try:
        return hook_of(conn_id).settings.ledger_conn_id
    except AirflowNotFoundException:
        raise InputError(
            f"there is no connection {conn_id!r} that could name the ledger: pass --ledger-conn-id. If the "
            "connection exists, check Airflow's database with `airflow db check`"
        ) from None


def _check_selection(options: Namespace) -> None:
    is_whole = getattr(options, "whole_ledger", None)
    if [options.key is not None, options.task is not None, bool(is_whole)].count(True) != 1:
        raise InputError(
            f"pass exactly one of {'--key and --task' if is_whole is None else '--key, --task and --whole-ledger'}"
        )


def _selections(engine: Engine, options: Namespace) -> Sequence[Selection]:
    from airflow_provider_ismart.ledgers.selection import select_key, select_task  # noqa: PLC0415  # imports SQLAlchemy

    selections = select_key(engine, options.key) if options.task is None else select_task(engine, options.task)
    if not selections:
        raise InputError(f"the ledger has no {_chosen(options)}")
    return selections


def _chosen(options: Namespace) -> str:
    if options.key is not None:
        return f"key {options.key!r}"
    return "the whole ledger" if options.task is None else f"task {options.task!r}"
