"""Operate the SQL ledger outside of sends: count, find, release and prune calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, NamedTuple

from sqlalchemy import and_, delete, false, func, or_, select, true, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.sql.elements import ColumnElement

from airflow_provider_ismart.core.ledger import SETTLED, State
from airflow_provider_ismart.ledgers.records import Call, Records, shared_entry, split_hashes
from airflow_provider_ismart.ledgers.selection import Selection
from airflow_provider_ismart.ledgers.sql_schema import calls, scopes, senders

#: How many rows are fetched per chunk, if the database supports it.
_FETCH_SIZE = 1_000

_CALLS_OF_SENDERS = calls.join(senders, senders.c.id == calls.c.sender_id)


def count_messages(engine: Engine, selections: Iterable[Selection]) -> dict[State, int]:
    """Count messages by state. A message that was sent again counts once."""
    counts: dict[State, int] = {}
    with engine.begin() as connection:
        for selection in selections:
            # read the whole scope, because another task can have settled or sent a message
            for state, count in _read(connection, selection).states().items():
                counts[state] = counts.get(state, 0) + count
    return counts


def _read(connection: Connection, selection: Selection) -> Records:
    """Read the calls of the whole scope. Calls that are not selected count as another task's."""
    records = Records(selection.hash_key)
    columns = (calls.c.sender_id, calls.c.digest, calls.c.copy, calls.c.state, calls.c.fingerprint, calls.c.hashes)
    found = select(*columns).where(calls.c.scope_id == selection.scope_id).order_by(calls.c.id)
    chosen = selection.sender_ids
    for sender_id, digest, copy, state, fingerprint, hashes in connection.execute(
        found.execution_options(yield_per=_FETCH_SIZE)
    ):
        by = "" if chosen is None or sender_id in chosen else "another task"
        records.add(Call(shared_entry(digest, copy, state, by), bytes(fingerprint), bytes(hashes)))
    return records


@dataclass(frozen=True, slots=True, kw_only=True)
class UncertainCall:
    """A call with messages that are still uncertain, and the hashes of their numbers. It started ``at``."""

    task: str
    at: datetime
    code: int | None
    hash_key: bytes
    hashes: frozenset[bytes]


def find_uncertain_calls(engine: Engine, selections: Iterable[Selection]) -> list[UncertainCall]:
    """Return the uncertain calls that have a message that is still uncertain, oldest first."""
    with engine.begin() as connection:
        found = [call for selection in selections for call in _uncertain(connection, selection)]
    return sorted(found, key=lambda call: call.at)


def _uncertain(connection: Connection, selection: Selection) -> Iterator[UncertainCall]:
    columns = (calls.c.id, senders.c.task, calls.c.at, calls.c.code, calls.c.digest, calls.c.copy, calls.c.hashes)
    is_uncertain = selection.calls & (calls.c.state == State.UNCERTAIN.value)
    found = select(*columns).select_from(_CALLS_OF_SENDERS).where(is_uncertain)
    rows = connection.execute(found.order_by(calls.c.id)).all()
    if not rows:
        return
    wanted = {hash_: hash_ for row in rows for hash_ in split_hashes(bytes(row.hashes))}
    now = _read(connection, selection).recorded_by_hash(wanted)
    settled_at = _last_settlements(connection, selection)
    for row in rows:
        message = (row.digest, row.copy)
        hashes = frozenset(
            hash_
            for hash_ in split_hashes(bytes(row.hashes))
            if settled_at.get((message, hash_), 0) < row.id
            and any(
                entry.state is State.UNCERTAIN and (entry.digest, entry.copy) == message
                for entry in now.get(hash_, ())
            )
        )
        if hashes:
            yield UncertainCall(
                task=_name(row.task), at=_utc(row.at), code=row.code, hash_key=selection.hash_key, hashes=hashes
            )


def _last_settlements(connection: Connection, selection: Selection) -> dict[tuple[tuple[str, int], bytes], int]:
    """Return the id of the last settlement, by message and hash of the number."""
    is_settlement = calls.c.state.in_([state.value for state in SETTLED])
    found = select(calls.c.id, calls.c.digest, calls.c.copy, calls.c.hashes).where(
        (calls.c.scope_id == selection.scope_id) & is_settlement
    )
    return {
        ((row.digest, row.copy), hash_): row.id
        for row in connection.execute(found.order_by(calls.c.id))
        for hash_ in split_hashes(bytes(row.hashes))
    }


def calls_to(found: Collection[UncertainCall], msisdns: Iterable[str]) -> Iterator[tuple[str, UncertainCall]]:
    """Yield each number with each uncertain call to it."""
    by_key: dict[bytes, dict[bytes, list[UncertainCall]]] = {}
    for call in found:
        for hash_ in call.hashes:
            by_key.setdefault(call.hash_key, {}).setdefault(hash_, []).append(call)
    hashing = {key: Records(key) for key in by_key}
    for msisdn in msisdns:
        for key, by_hash in by_key.items():
            for call in by_hash.get(hashing[key].hashes([msisdn])[0], ()):
                yield msisdn, call


class OpenCalls(NamedTuple):
    """The calls of one task that are on record as in flight. ``since`` is the start of the oldest call."""

    task: str
    calls: int
    numbers: int
    since: datetime
    scope_id: int
    sender_id: int


def open_calls(engine: Engine, selections: Iterable[Selection]) -> list[OpenCalls]:
    """Return the open calls, grouped by task."""
    with engine.begin() as connection:
        return [_open_calls(row) for selection in selections for row in _open_rows(connection, selection)]


def release(engine: Engine, listed: Iterable[OpenCalls]) -> list[OpenCalls]:
    """Mark the open calls of these tasks as uncertain, and return them.

    A sender that is still alive loses its token. It can no longer record anything, and stops.
    """
    released = []
    for found in listed:
        selection = Selection(scope_id=found.scope_id, sender_ids=frozenset({found.sender_id}))
        with engine.begin() as connection:
            connection.execute(select(scopes.c.id).where(scopes.c.id == found.scope_id).with_for_update()).one()
            for row in _open_rows(connection, selection):
                is_open = (calls.c.sender_id == row.id) & (calls.c.state == State.SUBMITTING.value)
                connection.execute(update(calls).where(is_open).values(state=State.UNCERTAIN.value))
                connection.execute(update(senders).where(senders.c.id == row.id).values(token=token_hex(16)))
                released.append(_open_calls(row))
    return released


def _open_rows(connection: Connection, selection: Selection) -> Sequence[Any]:
    counts = (
        func.count().label("calls"),
        func.sum(calls.c.numbers).label("numbers"),
        func.min(calls.c.at).label("at"),
    )
    found = select(senders.c.id, senders.c.scope_id, senders.c.task, *counts).select_from(_CALLS_OF_SENDERS)
    is_open = selection.calls & (calls.c.state == State.SUBMITTING.value)
    return connection.execute(
        found.where(is_open).group_by(senders.c.id, senders.c.scope_id, senders.c.task)
    ).all()


def _open_calls(row: Any) -> OpenCalls:
    return OpenCalls(
        task=_name(row.task),
        calls=row.calls,
        numbers=int(row.numbers),
        since=_utc(row.at),
        scope_id=row.scope_id,
        sender_id=row.id,
    )


#: The states that :func:`prune` keeps: open calls and settlements.
KEPT = SETTLED | {State.SUBMITTING}


class Counts(NamedTuple):
    """How many calls there are, and how many numbers they have."""

    calls: int
    numbers: int


def count_calls_before(
    engine: Engine, selections: Collection[Selection] | None, before: datetime
) -> dict[State, Counts]:
    """Count the calls that started before a time, by state. ``selections=None`` means the whole ledger."""
    with engine.begin() as connection:
        return _count(connection, _started_before(selections, before))


def prune(engine: Engine, selections: Collection[Selection] | None, before: datetime) -> dict[State, Counts]:
    """Delete calls that started before a time, and return their counts by state.

    Open calls are kept. Settlements are kept, because a line of a settlement file must not settle a later call
    again. Scopes and senders are kept, because a task without them would count as one that never sent.
    """
    ended = _started_before(selections, before) & calls.c.state.not_in([state.value for state in KEPT])
    with engine.begin() as connection:
        deleted = _count(connection, ended)
        connection.execute(delete(calls).where(ended))
    return deleted


def _started_before(selections: Collection[Selection] | None, before: datetime) -> ColumnElement[bool]:
    is_selected = true() if selections is None else or_(false(), *(selection.calls for selection in selections))
    return and_(is_selected, calls.c.at < before.astimezone(UTC))


def _count(connection: Connection, condition: ColumnElement[bool]) -> dict[State, Counts]:
    counts = select(calls.c.state, func.count(), func.sum(calls.c.numbers)).where(condition)
    rows = connection.execute(counts.group_by(calls.c.state).order_by(calls.c.state))
    return {State(state): Counts(number, int(numbers)) for state, number, numbers in rows}


def _name(task: str) -> str:
    return task.removeprefix("task:")


def _utc(at: datetime) -> datetime:
    """Return a time of the ledger in UTC. SQLite does not store the offset."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
