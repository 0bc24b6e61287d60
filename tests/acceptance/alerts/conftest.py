"""Run a deployment's DAGs, and let things happen to them and to the accounts that they use."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from deployment import Airflow
from servers import Gateway, Postgres
from servers import wait_until as wait_for_seconds

HERE = Path(__file__).parent
#: Whose connection is in Airflow's database, and not in the environment: the one that triggers look at.
IN_DATABASE = "watched"
MODES = ("poke", "reschedule", "deferred")
#: Tasks that fail together, of one mapped task. test_alert_crowd.py has a larger crowd, without a scheduler.
FAILURES = 40

DAGS = (
    "credit_runs_out",
    "fails_otherwise",
    *(f"{what}_{mode}" for what in ("watch", "mistyped") for mode in MODES),
    "monitor",
    "many_fail",
    "storm",
)
DAGS_OF_AIRFLOW_3 = ("late", "credit_is_low")

#: Everything happens concurrently, on as few cores as there may be.
wait_until = partial(wait_for_seconds, seconds=600)

#: What puts an account into trouble, by the return code that it then answers, and what ends it.
TROUBLES: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {
    4: ({"credit": 0}, {"credit": 1000}),
    13: ({"expires_at": "2026-01-01T00:00:00"}, {"expires_at": None}),
    14: ({"credit_expires_at": "2026-01-01T00:00:00"}, {"credit_expires_at": None}),
}


@pytest.fixture(scope="module")
def gateways(folder: Path) -> Iterator[dict[str, Gateway]]:
    """Yield an account for each thing that happens, so that all can happen concurrently."""
    gateways = {}
    for name in ("money", "watched", "mistyped", "mistyped_for_paging", "mistyped_for_monitor", "paging"):
        (folder / name).mkdir()
        gateways[name] = Gateway(folder / name)
    yield gateways
    for gateway in gateways.values():
        gateway.stop()


@pytest.fixture(scope="module")
def dags(version: tuple[int, ...]) -> tuple[str, ...]:
    return DAGS + (DAGS_OF_AIRFLOW_3 if version >= (3, 1) else ())


@pytest.fixture(scope="module")
def airflow(
    version: tuple[int, ...],
    dags: tuple[str, ...],
    folder: Path,
    postgres: Postgres,
    gateways: dict[str, Gateway],
) -> Iterator[Airflow]:
    connections = {
        name: gateway.connection(max_concurrency=1).replace(
            "sandbox-password", "sandbox-misspelt" if name.startswith("mistyped") else "sandbox-password"
        )
        for name, gateway in gateways.items()
    }
    environment = {
        "TMPDIR": str(folder),
        "ACCEPTANCE_NOTES": str(folder),
        "ACCEPTANCE_FAILURES": str(FAILURES),
        "AIRFLOW_VAR_ON_CALL": "96890000004",
        **{
            f"AIRFLOW_CONN_{name.upper()}": connection
            for name, connection in connections.items()
            if name != IN_DATABASE
        },
    }
    settings = {
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "WORKERS__EXECUTION_API_TIMEOUT": "60",  # on a busy machine, tasks would fail before they start
    }
    airflow = Airflow(
        version,
        folder,
        postgres,
        dags=HERE / "dags",
        settings=settings,
        environment=environment,
        connections={IN_DATABASE: connections[IN_DATABASE]},
    )
    try:
        airflow.start("triggerer", dags=dags)
        yield airflow
    finally:
        airflow.stop()


class Events:
    """The things that happen, once they have happened."""

    def __init__(
        self, airflow: Airflow, gateways: dict[str, Gateway], folder: Path, dags: tuple[str, ...]
    ) -> None:
        self._airflow = airflow
        self.gateways = gateways
        self._folder = folder
        self._dags = dags
        gateways["money"].configure(credit=50)
        gateways["mistyped"].configure(max_failed_logins=len(MODES) + 1)

    def happen(self) -> None:
        unpause = "UPDATE dag SET is_paused = false WHERE dag_id {} 'many_fail' RETURNING dag_id"
        wait_until(
            lambda: len(self._airflow.query(unpause.format("!="))) == len(self._dags) - 1,
            "Airflow 2.11 has recorded all DAGs",
        )
        self._deadline_passes()  # before the triggerer is killed, which could lose what it is about to send
        self._trouble_comes_and_goes()
        wait_until(
            lambda: self._airflow.query("SELECT 1 FROM dag WHERE dag_id = 'monitor' AND is_paused"),
            "Airflow pauses the monitor",
        )
        self._airflow.query(unpause.format("="))  # alone: so many tasks keep the machine busy for minutes
        ends = "SELECT dag_id FROM dag_run WHERE state IN ('success', 'failed')"
        wait_until(
            lambda: set(self._dags) <= {dag_id for (dag_id,) in self._airflow.query(ends)},
            f"every DAG has run; see {self._folder}",
        )
        wait_until(
            lambda: self.told("96890000002") and self.notes("alerts_of_dag"), "the DAG processor calls callbacks"
        )

    def _trouble_comes_and_goes(self) -> None:
        """Start and end each kind of trouble of the account, and kill the triggerer before the first."""
        wait_until(lambda: self.states("alert_4", "deferred"), "the sensor waits in the triggerer")
        self._airflow.kill_service("triggerer")
        self._airflow.start_service("triggerer")
        for code, (trouble, end) in TROUBLES.items():
            for wait_for, settings in (("alert", trouble), ("ok", end)):
                self.gateways["watched"].configure(**settings)
                wait_until(
                    lambda task=f"{wait_for}_{code}": self.states(task, "success") == len(MODES),
                    f"the sensors in all modes have seen {wait_for} {code}",
                )

    def _deadline_passes(self) -> None:
        if "late" in self._dags:
            wait_until(lambda: self.told("96890000004"), f"the deadline's SMS arrives; see {self._folder}")
            (self._folder / "deadline_was_missed").touch()

    def states(self, task_id: str, state: str) -> int:
        statement = f"SELECT count(*) FROM task_instance WHERE task_id = '{task_id}' AND state = '{state}'"
        return int(self._airflow.query(statement)[0][0])

    def told(self, msisdn: str) -> list[str]:
        """Return the messages that somebody on call got."""
        messages = map(json.loads, self.gateways["paging"].journal.read_text().splitlines())
        return [message["text"] for message in messages if message["msisdn"] == msisdn]

    def notes(self, name: str) -> list[Any]:
        """Return what a callback or a task has recorded."""
        notes = self._folder / name
        return list(map(json.loads, notes.read_text().splitlines())) if notes.exists() else []

    def logs(self) -> Counter[str]:
        """Count how often the logs of tasks and services contain forbidden texts."""
        held: Counter[str] = Counter()
        for path in [
            *(self._folder / "logs").rglob("*.log"),
            *(self._folder / "airflow").rglob("*.log"),
            *self._folder.glob("*.log"),
        ]:
            text = path.read_text(errors="replace")
            for secret in ("sandbox-misspelt", "sandbox-password", "9689000000"):
                held[secret] += text.count(secret)
        return held


@pytest.fixture(scope="module")
def events(airflow: Airflow, gateways: dict[str, Gateway], folder: Path, dags: tuple[str, ...]) -> Events:
    events = Events(airflow, gateways, folder, dags)
    events.happen()
    return events
