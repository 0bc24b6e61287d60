"""Provide `Sandbox`, which starts, stops and controls a sandbox in tests and demos."""

import ipaddress
import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .account import Account
from .faults import Fault
from .journal import Message
from .state import Call, State

if TYPE_CHECKING:
    from .server import Server


class NotLoopbackError(ValueError):
    """The host is neither a loopback address nor, for containers, all addresses."""


class Sandbox:
    """A fake gateway on a loopback port, in a thread of this process.

    Use it as a context manager, or call `start` and `stop`. All methods can be called from any thread. With the
    host ``0.0.0.0`` or ``::``, for containers, other machines can reach the sandbox; its page and control API then
    require `token`. Raises `NotLoopbackError`, and `OSError` if the journal cannot be written.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        user: str = "sandbox-user",
        password: str = "sandbox-password",  # noqa: S107 - a password for this fake only
        journal: str | PathLike[str] | None = None,
    ) -> None:
        self._address = _listening_address(host)
        #: The token that the page and the control API require; ``None`` on a loopback address.
        self.token = None if self._address.is_loopback else secrets.token_urlsafe(16)
        #: 0 until `start` has picked a free port.
        self.port = port
        self.user = user
        self.password = password
        self._state = State(user=user, password=password, journal=Path(journal) if journal else None)
        self._server: Server | None = None

    def start(self) -> None:
        """Start answering calls. Do nothing if the sandbox is already running.

        Raises `OSError` if the port is in use, and `ImportError` without the extra ``[sandbox]``.
        """
        if self._server:
            return
        try:
            from .server import Server  # noqa: PLC0415 - only this needs the extra
        except ImportError as exc:
            raise ImportError(
                "the sandbox needs starlette and uvicorn: install this package with its extra sandbox"
            ) from exc
        listener = _listen(str(self._address), self.port)
        self.port = listener.getsockname()[1]
        self._server = Server(self._state, listener, token=self.token)

    def stop(self) -> None:
        """Close all connections and refuse new ones, as in an outage. The port and all records are kept."""
        if self._server:
            self._server.stop()
            self._server = None

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Stop for the duration of a ``with`` block, then start on the same port."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _host(self) -> str:
        if self._address.version == 6:  # noqa: PLR2004
            return "[::1]" if self._address.is_unspecified else f"[{self._address}]"
        return "127.0.0.1" if self._address.is_unspecified else str(self._address)

    @property
    def url(self) -> str:
        """The base URL, such as ``http://127.0.0.1:8025``."""
        return f"http://{self._host}:{self.port}"

    def control_url(self, path: str = "/") -> str:
        """Return the URL of the page or of a path under ``/_sandbox/``, with the token if there is one."""
        return f"{self.url}{path}" + (f"?token={self.token}" if self.token else "")

    def connection_json(self) -> str:
        """Return an Airflow connection to this sandbox, for ``AIRFLOW_CONN_ISMART_DEFAULT``."""
        return json.dumps(
            {
                "conn_type": "ismart",
                "host": f"http://{self._host}",
                "port": self.port,
                "login": self.user,
                "password": self.password,
            }
        )

    @property
    def messages(self) -> list[Message]:
        """All accepted messages, one per number, in the order of acceptance."""
        return self._state.messages

    @property
    def calls(self) -> list[Call]:
        """All calls received, accepted or not."""
        return self._state.calls

    @property
    def account(self) -> Account:
        """The current account; `configure` changes it."""
        return self._state.account

    def configure(self, **settings: Any) -> None:
        """Change settings, which have the names of `Account`'s fields. Raises `InvalidSettingError`."""
        self._state.configure(settings)

    def fail(self, *faults: Fault | None) -> None:
        """Queue faults for the next calls, one each; ``None`` skips a call."""
        self._state.fail(faults)

    def reset(self) -> None:
        """Restore the initial state: account, faults, calls and messages."""
        self._state.reset()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as exc:
        why = os.strerror(exc.errno or 0)  # its own text can repeat the address
    except OverflowError:
        why = "a port is 0 to 65535"
    raise OSError(
        f"cannot listen on port {port} of {host}: {why}. Choose another port (0 picks a free one) or host"
    )


def _listening_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    if address is None or not (address.is_loopback or address.is_unspecified):
        raise NotLoopbackError(
            f"the sandbox listens only on loopback addresses (127.0.0.1, ::1), not on {host!r}, because anyone "
            "who can reach it can send to it; in a container, use 0.0.0.0"
        )
    return address
