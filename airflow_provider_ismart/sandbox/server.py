"""Run the sandbox's HTTP server: uvicorn's protocol in its own thread."""

import asyncio
import socket
import threading
from typing import Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from .app import TRANSPORT_EXTENSION, sandbox_app
from .state import State

#: How long to keep idle connections open, in seconds: the default of IIS.
KEEP_ALIVE: Final = 120


class Server:
    """Answer calls on a listening socket until `stop`."""

    def __init__(self, state: State, listener: socket.socket, *, token: str | None) -> None:
        self._config = uvicorn.Config(
            sandbox_app(state, token=token),
            interface="asgi3",
            lifespan="off",
            ws="none",
            proxy_headers=False,
            log_config=None,
            timeout_keep_alive=KEEP_ALIVE,
        )
        self._config.load()
        self._listener = listener
        self._loop = asyncio.SelectorEventLoop()
        self._stopped = asyncio.Event()
        # No need to wait for the thread: the kernel queues connections once the socket listens.
        self._thread = threading.Thread(target=self._run, name="ismart-sandbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port and all connections, including calls that wait for an answer."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        state = ServerState()
        server = await self._loop.create_server(
            lambda: _TransportInScope(self._config, state, {}, self._loop), sock=self._listener
        )
        await self._stopped.wait()
        # Accept no more connections, but finish accepting those in progress, or asyncio leaks their sockets.
        self._loop.remove_reader(self._listener)
        # Other tasks are connections being accepted, and calls, which end when their client disconnects.
        while state.connections or len(asyncio.all_tasks()) > 1:
            for connection in list(state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)
        server.close()


class _TransportInScope(HttpToolsProtocol):
    """Pass the transport to the application, so that it can break the connection in ways that ASGI cannot."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.access_log = False  # it would log the password
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT_EXTENSION: {"transport": self.transport}}
