"""A gateway that costs next to nothing: it answers each call with 1 after a fixed time, in a process of its own.

The sandbox checks calls and keeps them, which takes longer than the client takes to make them. This one looks for
the end of a request and no further.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import selectors
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n1"
_END_OF_REQUEST = b"\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A running gateway; ``latency`` is in seconds."""

    port: int
    latency: float
    _pipe: Connection

    def counts(self) -> tuple[int, int]:
        """Return how many calls it has answered and over how many connections, and begin to count anew."""
        self._pipe.send(None)
        calls, connections = self._pipe.recv()
        return calls, connections


@contextmanager
def running_gateway(latency: float = 0.0, certificate: Path | None = None) -> Iterator[Gateway]:
    """Run a gateway on a free port of this machine, with TLS if it gets a certificate with its key."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(there, latency, certificate), daemon=True)
    process.start()
    try:
        yield Gateway(port=here.recv(), latency=latency, _pipe=here)
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, latency: float, certificate: Path | None) -> None:
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    # epoll waits in whole milliseconds, which is a hundredth of the latency; select does not
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_serve_forever(pipe, latency, tls))


async def _serve_forever(pipe: Connection, latency: float, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    counts = {"calls": 0, "connections": 0}

    def tell_counts() -> None:
        pipe.recv()
        pipe.send((counts["calls"], counts["connections"]))
        counts.update(calls=0, connections=0)

    server = await loop.create_server(
        lambda: _Answering(loop, latency, counts), "127.0.0.1", 0, ssl=tls, backlog=256
    )
    loop.add_reader(pipe.fileno(), tell_counts)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


class _Answering(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, latency: float, counts: dict[str, int]) -> None:
        self._loop = loop
        self._latency = latency
        self._counts = counts
        self._begun = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._counts["connections"] += 1  # with TLS, this comes after the handshake

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
        self._counts["calls"] += 1
        if not self._transport.is_closing():
            self._transport.write(_ANSWER)
