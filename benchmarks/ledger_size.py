"""Does the SQL ledger slow down as its table grows? Times a send's first look and its writes, on SQLite.

``python benchmarks/ledger_size.py [messages …]``: for each table size, beside the same on an empty table. The rest
of the table are other scopes' calls of 50 numbers.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from statistics import median

from sqlalchemy import create_engine, func, insert, select
from sqlalchemy.engine import Engine

from airflow_provider_ismart.ledgers.records import HASH_BYTES
from airflow_provider_ismart.ledgers.sql import SqlLedger, calls, create_tables, prepared
from airflow_provider_ismart.sms.batches import MAX_BATCH_SIZE, Batch, CallLimits, batches
from airflow_provider_ismart.sms.calls import CallOutcome, Fate
from airflow_provider_ismart.sms.plan import Content, Reading, plan

MINE = 10_000
REPEATS = 15
ACCEPTED = CallOutcome(fate=Fate.ACCEPTED, code=1)
CALLS_OF_A_SCOPE = 200


def main(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = prepared(create_engine(f"sqlite:///{Path(folder) / 'ledger.db'}"))
        create_tables(engine)
        first: tuple[float, float] | None = None
        print("messages in the table | first look at 10,000 numbers | one write")
        for size in [0, *sizes]:
            _fill(engine, size)
            look, write = _measure(engine, str(size))
            first = first or (look, write)
            print(
                f"{size:>21,} | {look * 1000:>10.1f} ms, {look / first[0]:>4.1f} x empty"
                f" | {write * 1000:.2f} ms, {write / first[1]:.1f} x empty"
            )
        engine.dispose()


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
        "hashes": token_bytes(HASH_BYTES * MAX_BATCH_SIZE),
        "numbers": MAX_BATCH_SIZE,
        "state": "accepted",
        "at": datetime.now(UTC),
    }


def _measure(engine: Engine, name: str) -> tuple[float, float]:
    """Return the median seconds of a first look at a scope with 10,000 numbers, and of one write."""
    numbers = [f"9689{number:07d}" for number in range(MINE)]
    mine = list(_batches(numbers))
    ledger = SqlLedger(engine, scope=name, task="send")
    ledger.take_over()
    writes = [_seconds(lambda batch=batch: _call_and_end(ledger, batch)) for batch in mine]  # type: ignore[misc]
    looks = [_seconds(lambda: _look(engine, name, numbers)) for _ in range(REPEATS)]
    return median(looks), median(writes)


def _batches(numbers: list[str]) -> list[Batch]:
    planned = plan(numbers, Reading(content=Content(message="Hello")))
    limits = CallLimits(batch_size=MAX_BATCH_SIZE, max_query_length=2048, overhead=100)
    return list(batches(planned.groups, limits))


def _call_and_end(ledger: SqlLedger, batch: Batch) -> None:
    ledger.write([], [batch])
    ledger.write([(batch, ACCEPTED)], [])


def _look(engine: Engine, name: str, numbers: list[str]) -> None:
    ledger = SqlLedger(engine, scope=name, task="send")
    ledger.take_over()
    assert len(ledger.recorded(numbers)) == MINE


def _seconds(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1_000_000, 10_000_000])
