"""Combine the gateway's path, the inbox page and the control API in one ASGI application."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from . import gateway
from .control import control_api
from .guard import Guard, is_from_a_website
from .state import State

#: The scope extension that holds the connection's transport.
TRANSPORT_EXTENSION: Final = "airflow_provider_ismart.transport"
#: SO_LINGER with zero seconds: closing the socket sends RST instead of FIN.
_NO_LINGER: Final = struct.pack("ii", 1, 0)


def sandbox_app(state: State, *, token: str | None) -> ASGIApp:
    """Return the ASGI application. For speed, the gateway's path bypasses the framework."""
    control = Guard(control_api(state), token=token)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == gateway.PATH and not is_from_a_website(scope):
            await _answer_call(state, scope, receive, send)
        else:
            await control(scope, receive, send)

    return app


async def _answer_call(state: State, scope: Scope, receive: Receive, send: Send) -> None:
    reply = state.take(scope["method"], scope["query_string"], scope["client"][1])
    wire = AsgiWire(scope, receive, send, body=b"" if reply.code is None else b"%d" % reply.code)
    if reply.latency:
        await wire.gone(within=reply.latency)
    if reply.fault:
        await reply.fault(wire)
    else:
        await wire.answer(wire.body)


class AsgiWire:
    """Implement `faults.Wire` with ASGI and, where ASGI is not enough, with the connection's transport."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, body: bytes) -> None:
        self.body = body
        self._scope, self._receive, self._send = scope, receive, send

    async def answer(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send a complete HTTP response."""
        fields = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})
        await self._send({"type": "http.response.body", "body": body})

    async def cut(self, sent: bytes = b"") -> None:
        """Send raw bytes, then close the connection (FIN)."""
        self._transport.write(sent)
        self._transport.close()
        await self.gone()

    async def reset(self) -> None:
        """Abort the connection (RST)."""
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()
        await self.gone()

    async def gone(self, *, within: float | None = None) -> None:
        """Wait until the client disconnects, at most `within` seconds."""
        try:
            async with asyncio.timeout(within):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            pass

    @property
    def _transport(self) -> asyncio.Transport:
        transport: asyncio.Transport = self._scope["extensions"][TRANSPORT_EXTENSION]["transport"]
        return transport
