"""Run mapped sends, and clear them after their lists have changed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployment import Airflow
from servers import Gateway, Postgres, wait_until

HERE = Path(__file__).parent
WAYS = ("expand", "running", "kwargs", "group", "taskflow", "transfer", "hook")
ENDINGS = ("sql", "airflow")
DAGS = (*(f"{way}_{ending}" for way in WAYS for ending in ENDINGS), "external")
TERMINAL = {"success", "failed", "skipped", "upstream_failed", "removed"}

A, B, C = ([f"9689000{number:04}" for number in range(start, start + 60)] for start in (0, 60, 120))


class Runs:
    """One run of each DAG."""

    def __init__(self, airflow: Airflow, gateway: Gateway) -> None:
        self.airflow = airflow
        self._gateway = gateway

    def states(self, dag_id: str) -> list[str | None]:
        """Return the states of the send's indexes, in order."""
        found = self.airflow.query(
            f"SELECT state FROM task_instance WHERE dag_id = '{dag_id}' AND task_id LIKE '%send'"
            " AND state IS DISTINCT FROM 'removed' ORDER BY map_index"
        )
        return [state for (state,) in found]

    def wait_for_ends(self, indexes: int) -> None:
        """Wait until each DAG has finished a number of indexes."""

        def have_ended() -> bool:
            return all(
                len(states := self.states(dag_id)) == (1 if dag_id == "external" else indexes)
                and TERMINAL.issuperset(states)
                for dag_id in DAGS
            )

        wait_until(have_ended, f"every index has ended: {[(d, self.states(d)) for d in DAGS]}", seconds=800)

    def messages(self, dag_id: str) -> Counter[str]:
        """Count the messages that each number got."""
        return self._gateway.told(f"Acceptance of {dag_id}")


@pytest.fixture(scope="module")
def runs(version: tuple[int, ...], folder: Path, postgres: Postgres, gateway: Gateway) -> Iterator[Runs]:
    """Return all runs: first with lists A and B, then cleared with C, A and B."""
    postgres.create("ledger")
    ledger = {"conn_type": "postgres", "host": str(postgres.folder), "login": "postgres", "schema": "ledger"}
    environment = {
        "ACCEPTANCE_NOTES": str(folder),
        "AIRFLOW_CONN_ISMART_DEFAULT": gateway.connection(),
        "AIRFLOW_CONN_ISMART_AIRFLOW": gateway.connection(),
        "AIRFLOW_CONN_ISMART_SQL": gateway.connection(ledger_conn_id="ledger"),
        "AIRFLOW_CONN_LEDGER": json.dumps(ledger),
        "AIRFLOW_CONN_NUMBERS": json.dumps({"conn_type": "sqlite", "host": str(folder / "numbers.db")}),
    }
    airflow = Airflow(version, folder, postgres, dags=HERE / "dags", environment=environment)
    try:
        _write_lists(folder, [A, B])
        airflow.start(dags=DAGS)
        for dag_id in DAGS:
            airflow.start_run(dag_id)
        runs = Runs(airflow, gateway)
        runs.wait_for_ends(2)
        yield runs
    finally:
        airflow.stop()


@pytest.fixture(scope="module")
def cleared(runs: Runs, folder: Path) -> Runs:
    """Return the same runs, cleared after the upstream has returned other lists."""
    _write_lists(folder, [C, A, B])
    runs.airflow.clear_all()
    runs.wait_for_ends(3)
    return runs


def _write_lists(folder: Path, lists: list[list[str]]) -> None:
    (folder / "lists.json").write_text(json.dumps(lists))
