"""Run a real Airflow, each service in its own process."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from servers import Postgres, free_port, is_listening, wait_until

CLEAR_ALL = """
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.utils.session import create_session

with create_session() as session:
    clear_task_instances(session.query(TaskInstance).all(), session)
"""


class Airflow:
    """A deployment with its metadata in PostgreSQL and, by default, the LocalExecutor."""

    def __init__(
        self,
        version: tuple[int, ...],
        folder: Path,
        postgres: Postgres,
        *,
        dags: Path,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        connections: Mapping[str, str] | None = None,
    ) -> None:
        """Set ``settings`` such as ``CORE__EXECUTOR``, and the ``environment`` of the DAGs, connections included.

        ``connections``, by their ids, stand in Airflow's database instead, where most deployments have them.
        """
        self._version = version
        self.folder = folder
        self._postgres = postgres
        self._connections = connections or {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = (
            os.environ
            | {"AIRFLOW_HOME": str(folder / "airflow"), **(environment or {})}
            | {f"AIRFLOW__{key}": value for key, value in {**self._settings(dags), **(settings or {})}.items()}
        )

    def _settings(self, dags: Path) -> dict[str, str]:
        port = free_port()
        metadata = f"postgres@/airflow?host={self._postgres.folder}"
        secret = secrets.token_hex(32)
        return {
            "CORE__DAGS_FOLDER": str(dags),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "8",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": str(self._version >= (3,)),
            "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{metadata}",
            "DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{metadata}",
            "API__PORT": str(port),
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

    @property
    def port(self) -> int:
        """The port of the API server, on Airflow 3."""
        return int(self._environment["AIRFLOW__API__PORT"])

    def start(self, *more_services: str, dags: Iterable[str]) -> None:
        """Start all services, and wait until these DAGs are parsed; ``more_services`` are like ``triggerer``."""
        self._postgres.create("airflow")
        self._python("-m", "airflow", "db", "migrate")
        for conn_id, connection in self._connections.items():
            self._python("-m", "airflow", "connections", "add", conn_id, "--conn-json", connection)
        core = ("scheduler",) if self._version < (3,) else ("api-server", "dag-processor", "scheduler")
        for service in (*core, *more_services):
            self.start_service(service)
        expected, known = set(dags), "SELECT dag_id FROM serialized_dag"
        wait_until(
            lambda: expected <= {dag_id for (dag_id,) in self.query(known)},
            f"Airflow knows the DAGs; see {self.folder}",
        )
        if "api-server" in core:  # tasks that start before it answers fail
            wait_until(lambda: is_listening(self.port), f"the API server is up; see {self.folder}")

    def start_service(self, service: str, *command: str) -> None:
        """Start ``airflow service``, or the ``airflow`` command of a service with this name."""
        with (self.folder / f"{service}.log").open("a") as log:
            self._processes[service] = subprocess.Popen(
                [sys.executable, "-m", "airflow", *(command or [service])],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_service(self, service: str) -> set[int]:
        """Kill a service with its workers and all other child processes; return their ids."""
        process = self._processes.pop(service)
        victims = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        process.wait()
        return {victim.pid for victim in victims}

    def stop(self) -> None:
        for service in list(self._processes)[::-1]:
            self.kill_service(service)

    def start_run(self, dag_id: str) -> None:
        """Start a DAG's only run: on Airflow 3, the run of a DAG that is scheduled ``@once``."""
        if self._version >= (3,):
            self.query(f"UPDATE dag SET is_paused = false WHERE dag_id = '{dag_id}' RETURNING dag_id")
        else:
            self._python("-m", "airflow", "dags", "trigger", dag_id)

    def clear_all(self) -> None:
        """Clear every task, as the UI does. (Airflow 3.3.2's command for this fails.)"""
        self._python("-c", CLEAR_ALL)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Query or change Airflow's metadata, and return the rows."""
        return self._postgres.query("airflow", statement)

    def _python(self, *arguments: str) -> None:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
