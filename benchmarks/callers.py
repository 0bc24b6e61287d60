"""Make the same calls in different ways: a whole send, the client alone, and bare loops for comparison."""

from __future__ import annotations

import http.client
import json
import logging
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3 import HTTPConnectionPool

from airflow_provider_ismart.core.batching import MAX_BATCH_SIZE, Batch
from airflow_provider_ismart.core.ledger import Ledger, MemoryLedger
from airflow_provider_ismart.core.message import LangChoice, compose
from airflow_provider_ismart.gateway.client import GatewayClient
from airflow_provider_ismart.gateway.settings import Settings
from airflow_provider_ismart.sending.options import SendOptions
from airflow_provider_ismart.sending.send import Send
from benchmarks.gateway import Gateway

TEXT = "Your water is off on Monday from 9:00 to 12:00."

_log = logging.getLogger("benchmarks")
_log.setLevel(logging.WARNING)


@cache
def numbers(count: int) -> Sequence[str]:
    """Return example numbers, made once, so that creating them is not measured."""
    return tuple(f"968{90_000_000 + number}" for number in range(count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Make ``calls`` calls of 50 numbers to the gateway, ``at_once`` of them concurrently."""

    gateway: Gateway
    calls: int
    at_once: int
    ca_bundle: Path | None = None

    def send(self, make_ledger: Callable[[], Ledger] = MemoryLedger) -> None:
        """Send as a task does, from numbers to the report."""
        options = SendOptions.of(message=TEXT)
        with self._client() as client:
            send = Send(numbers(self.calls * MAX_BATCH_SIZE), options, client, _log)
            report = send.run(make_ledger())
        assert report.calls == self.calls

    def submit(self) -> None:
        """Make the calls with the client alone."""
        batch = self._batch()

        def caller(calls: int) -> None:
            for _ in range(calls):
                outcome = client.submit(batch, flash=False, push_at=None)
                assert outcome.code == 1

        with self._client() as client:
            self._in_threads(caller)

    def requests(self) -> None:
        """Make the calls with a ``requests.Session`` in each thread."""

        def caller(calls: int) -> None:
            with requests.Session() as session:
                for _ in range(calls):
                    assert session.get(url, timeout=(10, 30)).content == b"1"

        url = self._url()
        self._in_threads(caller)

    def urllib3(self) -> None:
        """Make the calls with a pool of urllib3, which ``requests`` uses."""

        def caller(calls: int) -> None:
            for _ in range(calls):
                assert pool.urlopen("GET", target, retries=False).data == b"1"

        with closing(HTTPConnectionPool("127.0.0.1", self.gateway.port, maxsize=self.at_once, timeout=30)) as pool:
            target = self._target()
            self._in_threads(caller)

    def http_client(self) -> None:
        """Make the calls with the standard library's connection in each thread."""

        def caller(calls: int) -> None:
            with closing(connection()) as open_connection:
                for _ in range(calls):
                    open_connection.request("GET", target)
                    assert open_connection.getresponse().read() == b"1"

        def connection() -> http.client.HTTPConnection:
            if not self.ca_bundle:
                return http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
            context = ssl.create_default_context(cafile=str(self.ca_bundle))
            return http.client.HTTPSConnection("127.0.0.1", self.gateway.port, timeout=30, context=context)

        target = self._target()
        self._in_threads(caller)

    def _in_threads(self, caller: Callable[[int], None]) -> None:
        shares = [len(range(first, self.calls, self.at_once)) for first in range(self.at_once)]
        threads = [threading.Thread(target=caller, args=(calls,)) for calls in shares]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _batch(self) -> Batch:
        rows = tuple(range(MAX_BATCH_SIZE))
        return Batch(message=compose(TEXT, LangChoice.AUTO, 5), rows=rows, msisdns=tuple(numbers(MAX_BATCH_SIZE)))

    def _url(self) -> str:
        with self._client() as client:
            return client.build_url(self._batch(), reveal=True)

    def _target(self) -> str:
        url = urlsplit(self._url())
        return f"{url.path}?{url.query}"

    @contextmanager
    def _client(self) -> Iterator[GatewayClient]:
        extras: dict[str, Any] = {"max_concurrency": self.at_once}
        if self.ca_bundle:
            extras["ca_bundle"] = str(self.ca_bundle)
        connection = SimpleNamespace(
            host=f"{'https' if self.ca_bundle else 'http'}://127.0.0.1",
            port=self.gateway.port,
            login="not-a-user",
            password="not-a-password",
            extra=json.dumps(extras),
        )
        with closing(GatewayClient(Settings.of(connection))) as client:
            yield client
