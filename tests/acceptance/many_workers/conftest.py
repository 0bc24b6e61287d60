"""Run two Celery workers and a broker, and kill one of the workers in the middle of a send."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from deployment import Airflow
from servers import Gateway, Postgres, Valkey, wait_until

HERE = Path(__file__).parent
NUMBERS = 100_000
PIECES = 20
BATCH_SIZE = 50
MAX_CONCURRENCY = 4
CALL_SECONDS = 0.2
WORKERS = ("worker-1", "worker-2")
TASKS_A_WORKER = 4
POOL_SLOTS = 6

ADD_POOL = f"""
INSERT INTO slot_pool (pool, slots, description, include_deferred) VALUES ('ismart', {POOL_SLOTS}, '', false)
RETURNING id
"""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The results of a send after one of the workers was killed."""

    #: The tries that were at work on the worker when it was killed, by piece.
    killed: dict[int, dict[str, int]]
    #: How many messages were accepted when it was killed.
    accepted_before: int
    #: The most tasks that ran concurrently.
    most_at_once: int
    #: By number, the outcome in each of the results files that have it.
    outcomes: dict[str, list[str]]
    reports: list[dict[str, Any]]
    #: How many messages each number got.
    told: Counter[str]


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    valkey = Valkey()
    yield valkey
    valkey.stop()


@pytest.fixture(scope="module")
def airflow(
    version: tuple[int, ...], folder: Path, postgres: Postgres, valkey: Valkey, gateway: Gateway
) -> Iterator[Airflow]:
    postgres.create("ledger")
    gateway.configure(latency=CALL_SECONDS)
    ledger = {"conn_type": "postgres", "host": str(postgres.folder), "login": "postgres", "schema": "ledger"}
    airflow = Airflow(
        version,
        folder,
        postgres,
        dags=HERE / "dags",
        settings={
            "CORE__EXECUTOR": "CeleryExecutor",
            "CORE__PARALLELISM": "32",
            "CELERY__BROKER_URL": valkey.url,
            "CELERY__RESULT_BACKEND": f"db+postgresql://postgres@/airflow?host={postgres.folder}",
            "CELERY__WORKER_CONCURRENCY": str(TASKS_A_WORKER),
            "CELERY__SYNC_PARALLELISM": "1",
            # how soon a task is queued anew that the worker had fetched, and not yet started
            "SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
            "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "2",
        },
        environment={
            "ACCEPTANCE_NOTES": str(folder),
            "ACCEPTANCE_NUMBERS": str(NUMBERS),
            "ACCEPTANCE_PIECES": str(PIECES),
            "AIRFLOW_CONN_ISMART_DEFAULT": gateway.connection(max_concurrency=MAX_CONCURRENCY),
            "AIRFLOW_CONN_LEDGER": json.dumps(ledger),
        },
    )
    try:
        airflow.start(dags=["many_workers"])
        airflow.query(ADD_POOL)
        for worker in WORKERS:
            start_worker(airflow, worker)
        wait_until(lambda: all(map(partial(is_ready, airflow), WORKERS)), f"the workers are ready; see {folder}")
        yield airflow
    finally:
        airflow.stop()


def start_worker(airflow: Airflow, name: str) -> None:
    own = ("--celery-hostname", f"{name}@%h", "--pid", str(airflow.folder / f"{name}.pid"))
    airflow.start_service(
        name, "celery", "worker", *own, "--skip-serve-logs", "--without-gossip", "--without-mingle"
    )


def is_ready(airflow: Airflow, name: str) -> bool:
    return bool(re.search(rf"{name}@\S+ ready", (airflow.folder / f"{name}.log").read_text()))


@pytest.fixture(scope="module")
def sent(airflow: Airflow, gateway: Gateway, folder: Path) -> Sent:
    """Start the send, kill a worker when it is half done, and wait for its end."""
    airflow.start_run("many_workers")
    half = NUMBERS // 2
    wait_until(lambda: gateway.accepted() >= half, f"half of the numbers got their message; see {folder}")
    accepted_before = gateway.accepted()
    processes = airflow.kill_service(WORKERS[0])
    tries = [json.loads(note.read_text()) for note in folder.glob("*.try")]
    killed = {note["piece"]: note for note in tries if note["process"] in processes}

    states = "SELECT state FROM task_instance WHERE dag_id = 'many_workers' AND map_index >= 0"
    most_at_once = 0

    def ended() -> bool:
        nonlocal most_at_once
        now = [state for (state,) in airflow.query(states)]
        most_at_once = max(most_at_once, now.count("running"))
        assert "failed" not in now
        return now == ["success"] * PIECES

    wait_until(ended, f"all tasks have succeeded; see {folder}")
    outcomes: dict[str, list[str]] = {}
    for path in folder.glob("*.csv"):
        with path.open(newline="") as results:
            for row in csv.DictReader(results):
                outcomes.setdefault(row["msisdn"], []).append(row["outcome"])
    return Sent(
        killed=killed,
        accepted_before=accepted_before,
        most_at_once=most_at_once,
        outcomes=outcomes,
        reports=[json.loads((folder / f"{piece}.report").read_text()) for piece in range(PIECES)],
        told=gateway.told("Acceptance of many workers"),
    )
