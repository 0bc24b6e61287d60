"""Measure how long a retry takes to find the remaining rows, if almost all rows are on record as sent."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine

from airflow_provider_ismart.core.batching import MAX_BATCH_SIZE, Batch, batches
from airflow_provider_ismart.core.dispatch import Submission
from airflow_provider_ismart.core.ledger import Ledger, MemoryLedger
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate
from airflow_provider_ismart.core.plan import Plan, plan
from airflow_provider_ismart.core.validation import Content, Reading
from airflow_provider_ismart.ledgers.sql import SqlLedger
from airflow_provider_ismart.ledgers.sql_schema import prepare_engine
from airflow_provider_ismart.ledgers.task_state import TaskStateLedger
from benchmarks.callers import TEXT, numbers
from benchmarks.measuring import Row, in_turns, main
from benchmarks.planning import LIMITS
from benchmarks.sending import StateStore

LEFT = 1_000
ACCEPTED = CallOutcome(fate=Fate.ACCEPTED, code=1)
_CALLS_A_WRITE = 16


def measure(rows: int, rounds: int) -> Iterator[Row]:
    """Yield a row for each lasting ledger."""
    people = numbers(rows)
    with tempfile.TemporaryDirectory() as folder:
        engine = prepare_engine(create_engine(f"sqlite:///{Path(folder) / 'ledger.db'}"))
        name, store = f"benchmark:{uuid4()}", StateStore(seconds=0)
        ledgers: dict[str, Callable[[], Ledger]] = {
            "SQLite": lambda: SqlLedger(engine, scope=name, task=name),
            "the task state store": lambda: TaskStateLedger(store),
        }
        for ledger in ledgers.values():
            _record_as_sent(people[LEFT:], ledger())
        cases: dict[str, Callable[[], object]] = {"nothing": lambda: _begin(people, MemoryLedger(), rows)}
        cases |= {name: lambda make=make: _begin(people, make(), LEFT) for name, make in ledgers.items()}  # type: ignore[misc]
        turns = in_turns(rounds, cases)
        engine.dispose()
    for name in ledgers:
        yield Row(
            benchmark="resuming",
            what=f"planning {rows:,} rows with all but {LEFT:,} on record in {name}",
            value=turns[name].cpu,
            unit="s",
            reference="planning the same from nothing",
            reference_value=turns["nothing"].cpu,
            ratio=turns.cpu_ratio(name, "nothing"),
        )


def _record_as_sent(people: Sequence[str], ledger: Ledger) -> None:
    ledger.claim()
    calls = _calls(plan(people, Reading(content=Content(message=TEXT))))
    while some := list(islice(calls, _CALLS_A_WRITE)):
        ledger.write([], some)
        ledger.write([(batch, ACCEPTED) for batch in some], [])


def _calls(planned: Plan) -> Iterator[Batch]:
    return batches(planned.groups, LIMITS)


def _begin(people: Sequence[str], ledger: Ledger, left: int) -> None:
    """Plan the remaining calls, as a try does before its first call."""
    submission = Submission(plan(people, Reading(content=Content(message=TEXT))), ledger, LIMITS)
    submission.is_proven = True
    calls = submission.take(0, -(-left // MAX_BATCH_SIZE) + 1)
    assert sum(len(batch.rows) for batch in calls) == left


if __name__ == "__main__":
    main(measure, __doc__, rows=1_000_000, rounds=3)
