"""Measure whether the SQL ledger slows down as its table grows: a send's first read and its writes, on SQLite.

The rest of the table has calls of 50 numbers in other scopes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from statistics import median

from sqlalchemy import create_engine, func, insert, select
from sqlalchemy.engine import Engine

from airflow_provider_ismart.core.batching import MAX_BATCH_SIZE, Batch, batches
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate
from airflow_provider_ismart.core.plan import plan
from airflow_provider_ismart.core.validation import Content, Reading
from airflow_provider_ismart.ledgers.records import HASH_BYTES
from airflow_provider_ismart.ledgers.sql import SqlLedger
from airflow_provider_ismart.ledgers.sql_schema import calls, create_tables, prepare_engine
from benchmarks.callers import numbers
from benchmarks.measuring import Row, main
from benchmarks.planning import LIMITS

MINE = 10_000
REPEATS = 15
ACCEPTED = CallOutcome(fate=Fate.ACCEPTED, code=1)
CALLS_OF_A_SCOPE = 200


def measure(messages: int) -> Iterator[Row]:
    """Yield a row for a send's first read of the table, and one for a write."""
    with tempfile.TemporaryDirectory() as folder:
        engine = prepare_engine(create_engine(f"sqlite:///{Path(folder) / 'ledger.db'}"))
        create_tables(engine)
        empty_look, empty_write = _measure(engine, "empty")
        _fill(engine, messages)
        look, write = _measure(engine, "full")
        engine.dispose()
    for what, value, empty in (("first look at 10,000 numbers", look, empty_look), ("write", write, empty_write)):
        yield Row(
            benchmark="ledger_size",
            what=f"a {what}, with {messages:,} messages of others in the SQLite table",
            value=value * 1000,
            unit="ms",
            reference="with an empty table",
            reference_value=empty * 1000,
            ratio=value / empty,
        )


def _fill(engine: Engine, messages: int) -> None:
    with engine.begin() as connection:
        there = connection.execute(select(func.count()).select_from(calls)).scalar_one()
        for start in range(there, messages // MAX_BATCH_SIZE, 10_000):
            connection.execute(insert(calls), [_call(1_000_000 + row) for row in range(start, start + 10_000)])


def _call(row: int) -> dict[str, object]:
    return {
        "scope_id": row // CALLS_OF_A_SCOPE,
        "sender_id": row // CALLS_OF_A_SCOPE,
        "digest": "0" * 12,
        "copy": 0,
        "fingerprint": token_bytes(HASH_BYTES),
        "hashes": token_bytes(HASH_BYTES * MAX_BATCH_SIZE),
        "numbers": MAX_BATCH_SIZE,
        "state": "accepted",
        "at": datetime.now(UTC),
    }


def _measure(engine: Engine, name: str) -> tuple[float, float]:
    """Return the median seconds of the first read of a scope with 10,000 numbers, and of one write."""
    people = numbers(MINE)
    mine = list(_batches(people))
    ledger = SqlLedger(engine, scope=name, task="send")
    ledger.claim()
    writes = [_seconds(lambda batch=batch: _call_and_end(ledger, batch)) for batch in mine]  # type: ignore[misc]
    looks = [_seconds(lambda: _look(engine, name, people)) for _ in range(REPEATS)]
    return median(looks), median(writes)


def _batches(people: Sequence[str]) -> list[Batch]:
    planned = plan(people, Reading(content=Content(message="Hello")))
    return list(batches(planned.groups, LIMITS))


def _call_and_end(ledger: SqlLedger, batch: Batch) -> None:
    ledger.write([], [batch])
    ledger.write([(batch, ACCEPTED)], [])


def _look(engine: Engine, name: str, people: Sequence[str]) -> None:
    ledger = SqlLedger(engine, scope=name, task="send")
    ledger.claim()
    assert len(ledger.recorded(people)) == MINE


def _seconds(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main(measure, __doc__, messages=1_000_000)
