"""Run a gateway that costs almost nothing: in its own process, it answers each call with 1 after a fixed time.

The sandbox checks and stores calls, which takes longer than making them. This gateway only looks for the end of a
request.
"""

from __future__ import annotations

import asyncio
import selectors
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n1"
_END_OF_REQUEST = b"\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A running gateway; ``latency`` is in seconds."""

    port: int
    latency: float
    process: subprocess.Popen[str]

    def connections(self) -> int:
        """Return how many connections have been used."""
        return int(_answer(self.process, "connections"))


@contextmanager
def running_gateway(latency: float = 0.0, certificate: Path | None = None) -> Iterator[Gateway]:
    """Run a gateway on a free port of this machine, with TLS if it gets a certificate with its key."""
    command = [sys.executable, "-m", "benchmarks.gateway", str(latency), str(certificate or "")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Gateway(port=int(_answer(process, "port")), latency=latency, process=process)
        finally:
            process.terminate()


def _answer(process: subprocess.Popen[str], question: str) -> str:
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{question}\n")
    process.stdin.flush()
    return process.stdout.readline()


def _serve(latency: float, certificate: str) -> None:
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    # epoll waits in whole milliseconds, which is a fiftieth of the latency; select does not
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_serve_forever(latency, tls))


async def _serve_forever(latency: float, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    answers = {"connections": 0}

    def answer() -> None:
        print(answers[sys.stdin.readline().strip()], flush=True)

    def answering() -> _Answering:
        return _Answering(loop, latency, answers)

    server = await loop.create_server(answering, "127.0.0.1", 0, ssl=tls, backlog=256)
    answers["port"] = server.sockets[0].getsockname()[1]
    loop.add_reader(sys.stdin.fileno(), answer)
    await server.serve_forever()


class _Answering(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, latency: float, answers: dict[str, int]) -> None:
        self._loop = loop
        self._latency = latency
        self._answers = answers
        self._begun = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._answers["connections"] += 1  # with TLS, this comes after the handshake

    def data_received(self, data: bytes) -> None:
        self._begun += data
        if not self._begun.endswith(_END_OF_REQUEST):
            return
        self._begun = b""
        if self._latency:
            self._loop.call_later(self._latency, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_ANSWER)


if __name__ == "__main__":
    _serve(float(sys.argv[1]), sys.argv[2])
