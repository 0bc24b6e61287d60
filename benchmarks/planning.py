"""Measure planning, from rows of a DataFrame to calls, with one text for all and with personal texts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import pandas as pd

from airflow_provider_ismart.core.batching import MAX_BATCH_SIZE, CallLimits, batches
from airflow_provider_ismart.core.plan import plan
from airflow_provider_ismart.core.validation import Content, Reading
from benchmarks.callers import TEXT, numbers
from benchmarks.measuring import Row, in_turns, main, spent
from benchmarks.memory import peak_megabytes

OWN_TEXT = "Dear {name}, your bill of {amount:.3f} OMR is due on {due}."
LIMITS = CallLimits(batch_size=MAX_BATCH_SIZE, max_query_length=2048, overhead=100)
#: Planning may take this many times the ratio that it took on 27 November 2026, which is beside each loop below.
GROWTH = 1.2
SERIES = (10_000, 100_000, 300_000, 1_000_000, 3_000_000)


def frame(rows: int) -> pd.DataFrame:
    """Return people with their own amounts."""
    return pd.DataFrame(
        {
            "msisdn": numbers(rows),
            "name": [f"Customer {row}" for row in range(rows)],
            "amount": [row / 1000 for row in range(rows)],
            "due": ["1 December"] * rows,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """A plan from a frame to calls, and a minimal loop as the reference."""

    people: pd.DataFrame
    is_personal: bool

    def plan(self) -> None:
        planned = plan(self.people, Reading(content=Content(message=OWN_TEXT if self.is_personal else TEXT)))
        for _ in batches(planned.groups, LIMITS):
            pass

    def loop(self) -> None:
        if self.is_personal:
            columns = [self.people[name].tolist() for name in ("name", "amount", "due")]
            texts = []
            for name, amount, due in zip(*columns, strict=True):
                texts.append(OWN_TEXT.format(name=name, amount=amount, due=due))
        else:
            calls = []
            batch: list[str] = []
            for number in self.people["msisdn"].tolist():
                batch.append(number)
                if len(batch) == MAX_BATCH_SIZE:
                    calls.append(",".join(batch))
                    batch = []


def measure(rows: int, rounds: int) -> Iterator[Row]:
    """Yield the rows: time and memory for each kind of text, then a series over the number of rows."""
    people = frame(rows)
    megabytes = people.memory_usage(deep=True).sum() / 2**20
    for is_personal, of, loop, earlier in (
        (False, "one text", "a loop that joins numbers by 50", 3.23),
        (True, "a text each", "a loop that formats the texts", 3.02),
    ):
        what = f"planning {rows:,} rows, {of}"
        planning = Planning(people=people, is_personal=is_personal)
        turns = in_turns(rounds, {"plan": planning.plan, "loop": planning.loop})
        yield Row(
            benchmark="planning",
            what=what,
            value=turns["plan"].cpu,
            unit="s",
            reference=loop,
            reference_value=turns["loop"].cpu,
            ratio=turns.cpu_ratio("plan", "loop"),
            at_most=round(GROWTH * earlier, 1),
        )
        peak = _in_fresh_process(_peak, rows, is_personal)
        yield Row(
            benchmark="planning",
            what=f"{what}: peak memory beyond the frame",
            value=peak,
            unit="MB",
            reference="the frame",
            reference_value=megabytes,
            ratio=peak / megabytes,
        )
    yield from _series(rows)


def _series(most: int) -> Iterator[Row]:
    first: float | None = None
    for rows in (rows for rows in SERIES if rows <= 3 * most):
        seconds = _in_fresh_process(_seconds, rows, True)  # noqa: FBT003
        first = first or seconds / rows
        yield Row(
            benchmark="planning_series",
            what=f"planning {rows:,} rows, a text each: time of a row",
            value=seconds / rows * 1e6,
            unit="µs",
            reference=f"of {SERIES[0]:,} rows",
            reference_value=first * 1e6,
            ratio=seconds / rows / first,
            size=rows,
        )


def _in_fresh_process(measured: object, rows: int, is_personal: bool) -> float:  # noqa: FBT001
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        return processes.submit(measured, rows, is_personal).result()  # type: ignore[arg-type]


def _peak(rows: int, is_personal: bool) -> float:  # noqa: FBT001
    Planning(
        people=frame(100), is_personal=is_personal
    ).plan()  # imports what is imported late, so that it does not count as memory of the plan
    return peak_megabytes(Planning(people=frame(rows), is_personal=is_personal).plan)


def _seconds(rows: int, is_personal: bool) -> float:  # noqa: FBT001
    planning = Planning(people=frame(rows), is_personal=is_personal)
    return spent(planning.plan).cpu


if __name__ == "__main__":
    main(measure, __doc__, rows=1_000_000, rounds=3)
