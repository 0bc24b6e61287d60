"""Replace the answer to a call with a fault. Each fault is a small dataclass.

With ``accept``, the gateway first processes the call, and records its messages if it accepts them. ``times`` is
the number of calls in a row that get the fault.
"""
# ruff: noqa: D102 - the docstring of each class says what the fault does

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Final, Protocol


class InvalidFaultError(ValueError):
    """A fault is unknown or has an invalid field. The message names it."""


class Wire(Protocol):
    """The connection to which a fault applies."""

    #: The gateway's answer; empty if it did not process the call.
    body: bytes

    async def answer(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send a complete HTTP response."""

    async def cut(self, sent: bytes = b"") -> None:
        """Send raw bytes, then close the connection (FIN)."""

    async def reset(self) -> None:
        """Abort the connection (RST)."""

    async def gone(self, *, within: float | None = None) -> None:
        """Wait until the client disconnects, at most `within` seconds."""


@dataclass(frozen=True, kw_only=True)
class Fault(ABC):
    """Base class of all faults. It raises `InvalidFaultError` for an invalid value."""

    kind: ClassVar[str]
    accept: bool = False
    times: int = 1

    def __post_init__(self) -> None:
        for item in fields(self):
            value, (valid, wanted) = getattr(self, item.name), _FIELDS[item.name]
            if not valid(value):
                raise InvalidFaultError(f"fault {self.kind!r}: {item.name} must be {wanted}, not {value!r}")

    @abstractmethod
    async def __call__(self, wire: Wire) -> None:
        """Apply the fault to the call on this connection."""

    def answered(self, code: int | None) -> int | None:  # noqa: ARG002
        """Return the return code that the client gets, if any; ``code`` is the gateway's own."""
        return None

    def as_json(self) -> dict[str, Any]:
        """Return the fault as JSON types, for `from_json`."""
        return {"fault": self.kind, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Latency(Fault):
    """The answer arrives late."""

    kind: ClassVar[str] = "latency"
    accept: bool = True
    seconds: float

    def answered(self, code: int | None) -> int | None:
        return code

    async def __call__(self, wire: Wire) -> None:
        await wire.gone(within=self.seconds)
        await wire.answer(wire.body)


@dataclass(frozen=True, kw_only=True)
class Hang(Fault):
    """No answer arrives; the connection stays open until the client disconnects."""

    kind: ClassVar[str] = "hang"

    async def __call__(self, wire: Wire) -> None:
        await wire.gone()


@dataclass(frozen=True, kw_only=True)
class Reset(Fault):
    """The connection is aborted (RST) without an answer."""

    kind: ClassVar[str] = "reset"

    async def __call__(self, wire: Wire) -> None:
        await wire.reset()


@dataclass(frozen=True, kw_only=True)
class Drop(Fault):
    """The connection is closed (FIN) without an answer."""

    kind: ClassVar[str] = "drop"
    accept: bool = True

    async def __call__(self, wire: Wire) -> None:
        await wire.cut()


@dataclass(frozen=True, kw_only=True)
class HttpStatus(Fault):
    """The answer is an HTTP error."""

    kind: ClassVar[str] = "http_status"
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = "<html><body>The service is unavailable.</body></html>"

    async def __call__(self, wire: Wire) -> None:
        await wire.answer(self.body.encode(), status=self.status, headers={**_HTML, **self.headers})


@dataclass(frozen=True, kw_only=True)
class Redirect(Fault):
    """The answer is a redirect (HTTP 302)."""

    kind: ClassVar[str] = "redirect"
    location: str = "/maintenance.html"

    async def __call__(self, wire: Wire) -> None:
        await wire.answer(b"", status=302, headers={"Location": self.location})


@dataclass(frozen=True, kw_only=True)
class Garbage(Fault):
    """The answer has status 200 and the given body instead of a return code."""

    kind: ClassVar[str] = "garbage"
    body: str = "<html><body>Welcome to our network. Please sign in.</body></html>"

    async def __call__(self, wire: Wire) -> None:
        await wire.answer(self.body.encode(), headers=_HTML)


@dataclass(frozen=True, kw_only=True)
class TruncatedBody(Fault):
    """The answer is shorter than its Content-Length, and then the connection is closed (FIN)."""

    kind: ClassVar[str] = "truncated_body"
    accept: bool = True

    async def __call__(self, wire: Wire) -> None:
        length = len(wire.body) + 10
        await wire.cut(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (length, wire.body))


@dataclass(frozen=True, kw_only=True)
class TruncatedHeaders(Fault):
    """The connection is closed (FIN) in the middle of the answer's headers."""

    kind: ClassVar[str] = "truncated_headers"
    accept: bool = True

    async def __call__(self, wire: Wire) -> None:
        await wire.cut(b"HTTP/1.1 200 OK\r\nContent-Type: text/pl")


@dataclass(frozen=True, kw_only=True)
class ReturnCode(Fault):
    """The answer is the given return code, documented or not."""

    kind: ClassVar[str] = "code"
    code: int

    def answered(self, code: int | None) -> int | None:  # noqa: ARG002
        return self.code

    async def __call__(self, wire: Wire) -> None:
        await wire.answer(str(self.code).encode())


#: All faults by their name in JSON.
KINDS: Final[Mapping[str, type[Fault]]] = {
    fault.kind: fault
    for fault in (
        Latency,
        Hang,
        Reset,
        Drop,
        HttpStatus,
        Redirect,
        Garbage,
        TruncatedBody,
        TruncatedHeaders,
        ReturnCode,
    )
}


def from_json(value: object) -> Fault | None:
    """Read a fault such as ``{"fault": "hang", "times": 2}``; ``None`` skips a call.

    Raises `InvalidFaultError`.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidFaultError(f"a fault must be an object or null, not {value!r}")
    kind, details = value.get("fault"), {name: item for name, item in value.items() if name != "fault"}
    fault = KINDS.get(kind) if isinstance(kind, str) else None
    if fault is None:
        raise InvalidFaultError(f"unknown fault {kind!r}; the faults are {', '.join(KINDS)}")
    known = {item.name for item in fields(fault)}
    if unknown := details.keys() - known:
        raise InvalidFaultError(f"fault {kind!r} has no {min(unknown)!r}; it has {sorted(known)}")
    try:
        return fault(**details)
    except TypeError as exc:  # a field without a default is missing
        raise InvalidFaultError(f"fault {kind!r}: {exc}") from exc


_HTML: Final = {"Content-Type": "text/html; charset=utf-8"}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


#: The check of each field, and the description of valid values for error messages.
_FIELDS: Final[Mapping[str, tuple[Any, str]]] = {
    "accept": (lambda value: isinstance(value, bool), "true or false"),
    "times": (lambda value: _is_whole(value) and value >= 1, "a whole number of at least 1"),
    "seconds": (
        lambda value: (_is_whole(value) or isinstance(value, float)) and 0 <= value < float("inf"),
        "a number of seconds, 0 or more",
    ),
    "status": (lambda value: _is_whole(value) and 400 <= value <= 599, "a status from 400 to 599"),  # noqa: PLR2004
    "headers": (
        lambda value: (
            isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)
        ),
        "an object of header names and values",
    ),
    "body": (lambda value: isinstance(value, str), "text"),
    "location": (lambda value: isinstance(value, str), "text"),
    "code": (_is_whole, "a whole number"),
}
