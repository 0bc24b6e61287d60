"""Run sends, and attack them."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from deployment import Airflow
from servers import Gateway, Postgres, free_port, wait_until

HERE = Path(__file__).parent
NUMBERS = 8_000
BATCH_SIZE = 50
KILLS = int(os.environ.get("KILLS", "10"))
MAX_CONCURRENCY = 2
CALL_SECONDS = 0.05

#: The sends by name, with the connection that keeps their ledger; None is Airflow's task state store.
SENDS_WITH_SQL: dict[str, str | None] = {
    "killed_with_postgres": "ledger_postgres",
    "killed_with_sqlite": "ledger_sqlite",
    "killed_with_its_supervisor_with_postgres": "ledger_postgres",
    "cut_off_from_postgres": "ledger_postgres",
}
SENDS_WITH_TASK_STATE: dict[str, str | None] = {
    "killed_with_task_state": None,
    "killed_with_its_supervisor_with_task_state": None,
    "cut_off_from_the_api_server": None,
}


class Gate:
    """Forward a TCP port to PostgreSQL, until it is shut."""

    def __init__(self, postgres: Postgres) -> None:
        self._target = str(postgres.folder / ".s.PGSQL.5432")
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.port = free_port()
        self.open()

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Refuse connections, and close existing ones."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in list(self._pairs):
            self._cut(pair)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                pair = (client, server)
                self._pairs.add(pair)
                for source, sink in (pair, pair[::-1]):
                    threading.Thread(target=self._pass_on, args=(source, sink, pair), daemon=True).start()

    def _pass_on(
        self, source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        self._cut(pair)

    def _cut(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self._pairs.discard(pair)
        for end in pair:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture(scope="module")
def gate(postgres: Postgres) -> Iterator[Gate]:
    gate = Gate(postgres)
    yield gate
    gate.shut()


@pytest.fixture(scope="module")
def sends(version: tuple[int, ...]) -> dict[str, str | None]:
    return SENDS_WITH_SQL | (SENDS_WITH_TASK_STATE if version >= (3, 3) else {})


@pytest.fixture(scope="module")
def airflow(
    version: tuple[int, ...],
    sends: Mapping[str, str | None],
    folder: Path,
    postgres: Postgres,
    gate: Gate,
    gateway: Gateway,
) -> Iterator[Airflow]:
    postgres.create("ledger")
    gateway.configure(latency=CALL_SECONDS)
    ledger = {"conn_type": "postgres", "host": "127.0.0.1", "port": gate.port, "login": "postgres"}
    environment = {
        "ACCEPTANCE_NOTES": str(folder),
        "ACCEPTANCE_SENDS": json.dumps(sends),
        "ACCEPTANCE_NUMBERS": str(NUMBERS),
        "AIRFLOW_CONN_ISMART_DEFAULT": gateway.connection(max_concurrency=MAX_CONCURRENCY),
        "AIRFLOW_CONN_LEDGER_POSTGRES": json.dumps({**ledger, "schema": "ledger"}),
        "AIRFLOW_CONN_LEDGER_SQLITE": json.dumps({"conn_type": "sqlite", "host": str(folder / "ledger.db")}),
    }
    airflow = Airflow(version, folder, postgres, dags=HERE / "dags", environment=environment)
    try:
        airflow.start(dags=sends)
        yield airflow
    finally:
        airflow.stop()


class Run:
    """One run of one of the sends, and its results."""

    def __init__(self, airflow: Airflow, gateway: Gateway, name: str) -> None:
        self.name = name
        self.kills = 0
        self._gateway = gateway
        self._airflow = airflow
        self._tries = airflow.folder / f"{name}.tries"
        self._results = airflow.folder / f"{name}.csv"
        self._report = airflow.folder / f"{name}.report"

    def start(self) -> None:
        self._airflow.start_run(self.name)

    def tries(self) -> list[dict[str, int]]:
        """Return the processes of each try so far."""
        if not self._tries.exists():
            return []
        return [json.loads(line) for line in self._tries.read_text().splitlines()]

    def wait_for_progress(self, messages: int, *, seconds: float = 20) -> None:
        """Wait until a number of further messages are accepted, the send ends, or the time is over."""
        with self._gateway.journal.open("rb") as journal:
            journal.seek(0, os.SEEK_END)
            text, accepted, deadline = f'"Acceptance of {self.name}"'.encode(), 0, time.monotonic() + seconds
            while (
                accepted < messages and time.monotonic() < deadline and self.state() not in {"success", "failed"}
            ):
                accepted += journal.read().count(text)
                time.sleep(0.05)

    def state(self) -> str | None:
        found = self._airflow.query(f"SELECT state FROM task_instance WHERE dag_id = '{self.name}'")
        return str(found[0][0]) if found else None

    def wait_for_try(self, number: int) -> dict[str, int]:
        """Wait for the n-th try, and return its processes."""

        def started() -> bool:
            assert self.state() not in {"success", "failed"} or len(self.tries()) >= number, (
                f"{self.name} came to its end, {self.state()}, before try {number}"
            )
            return len(self.tries()) >= number

        wait_until(started, f"{self.name} starts try {number}")
        return self.tries()[number - 1]

    def wait_for_end(self) -> None:
        wait_until(
            lambda: self.state() in {"success", "failed"},
            f"{self.name} comes to its end (now {self.state()}, {len(self.tries())} tries)",
        )
        assert self.state() == "success", f"{self.name} is {self.state()} after {len(self.tries())} tries"

    def kill(self, pid: int) -> None:
        """Kill a process of this run, and count it if it existed."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.kills += 1

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self._report.read_text())
        return report

    def outcomes(self) -> dict[str, str]:
        """Return the outcome of each number in the last try's results file."""
        with self._results.open(newline="") as results:
            return {row["msisdn"]: row["outcome"] for row in csv.DictReader(results)}


def kill_tries(run: Run) -> None:
    """Kill a number of tries, each at a random moment. A try that ends before it is killed does not count."""
    run.start()
    for number in count(1):
        process = run.wait_for_try(number)["process"]
        run.wait_for_progress(random.randint(0, 9) * BATCH_SIZE)
        time.sleep(random.uniform(0, CALL_SECONDS))
        run.kill(process)
        if run.kills == KILLS:
            break
    run.wait_for_end()


def kill_supervisors(run: Run) -> None:
    """Kill two tries together with their supervisors, so that only a missing heartbeat shows it."""
    run.start()
    for number in (1, 2):
        processes = run.wait_for_try(number)
        run.wait_for_progress(random.randint(1, 30) * BATCH_SIZE)
        run.kill(processes["supervisor"])
        run.kill(processes["process"])
    run.wait_for_end()


def cut_off_from_postgres(run: Run, *, gate: Gate) -> None:
    """Disconnect the ledger in the middle of the send, and reconnect it after a second try has failed."""
    run.start()
    run.wait_for_try(1)
    run.wait_for_progress(20 * BATCH_SIZE)
    gate.shut()
    run.wait_for_try(2)
    run.wait_for_try(3)
    gate.open()
    run.wait_for_end()


def cut_off_from_the_api_server(run: Run, *, airflow: Airflow) -> None:
    """Stop the API server in the middle of the send, until another one has started."""
    run.start()
    run.wait_for_try(1)
    run.wait_for_progress(20 * BATCH_SIZE)
    airflow.kill_service("api-server")
    airflow.start_service("api-server")
    run.wait_for_end()


@pytest.fixture(scope="module")
def runs(airflow: Airflow, sends: Mapping[str, str | None], gate: Gate, gateway: Gateway) -> dict[str, Run]:
    """Return all runs, after they were attacked and Airflow's retries have finished them."""
    runs = {name: Run(airflow, gateway, name) for name in sends}
    kills: dict[str, Callable[[Run], None]] = {
        "killed_with_postgres": kill_tries,
        "killed_with_sqlite": kill_tries,
        "killed_with_task_state": kill_tries,
        "killed_with_its_supervisor_with_postgres": kill_supervisors,
        "killed_with_its_supervisor_with_task_state": kill_supervisors,
    }
    cuts: dict[str, Callable[[Run], None]] = {
        "cut_off_from_postgres": partial(cut_off_from_postgres, gate=gate),
        "cut_off_from_the_api_server": partial(cut_off_from_the_api_server, airflow=airflow),
    }
    for attacks in (kills, cuts):  # one after the other, as a cut hits all that are under way
        with ThreadPoolExecutor() as executor:
            under_attack = [executor.submit(attack, runs[n]) for n, attack in attacks.items() if n in runs]
        for attack in under_attack:
            attack.result()
    return runs
