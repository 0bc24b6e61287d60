"""The account on the gateway: everything about it that a test may want otherwise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Final

#: Oman has kept UTC+4 without daylight saving time; a fixed offset needs no time zone database.
MUSCAT: Final = timezone(timedelta(hours=4), "Asia/Muscat")


class InvalidSettingError(ValueError):
    """A setting does not exist or cannot take the value; the message names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The account's state, and the gateway's settings that go with it."""

    #: Messages left, in parts: a call costs its parts times its numbers.
    credit: int = 1_000_000
    #: The account itself is refused (13) from here on; ``None``: never.
    expires_at: datetime | None = None
    #: The account's credit is refused (14) from here on; ``None``: never.
    credit_expires_at: datetime | None = None
    company_exists: bool = True
    active: bool = True
    http_get_enabled: bool = True
    header_registered: bool = True
    ip_allowed: bool = True
    client_in_oman: bool = True
    #: The sender ids that a call can name; if there are none, any. A call that names none has the account's own.
    headers: frozenset[str] = frozenset()
    #: Refused as blocked (12), whatever the password; unlocking forgets the failed logins.
    locked: bool = False
    #: Wrong passwords in a row so far.
    failed_logins: int = 0
    #: The wrong password in a row that locks the account.
    max_failed_logins: int = 3
    #: A call with ``MobileNo=1`` and no credit answers 4, not 9.
    probe_sees_credit: bool = True
    opted_out: frozenset[str] = frozenset()
    bad_numbers: frozenset[str] = frozenset()
    #: A raw query string of more bytes meets a 404 before the application; ``None``: no limit.
    max_query_length: int | None = None
    #: Seconds that every answer waits, after the call was judged.
    latency: float = 0.0

    def changed(self, settings: Mapping[str, Any]) -> "Account":
        """Return a copy with the settings changed, all of them or (on an error) none.

        Raises `InvalidSettingError`.
        """
        values: dict[str, Any] = {name: _read(name, value) for name, value in settings.items()}
        if values.get("locked") is False:
            values.setdefault("failed_logins", 0)
        return replace(self, **values)

    def as_json(self) -> dict[str, Any]:
        """Give the settings as JSON types; `changed` takes them back."""
        return {field.name: _as_json(getattr(self, field.name)) for field in fields(self)}


def _read(name: str, value: object) -> object:
    if name not in _READERS:
        raise InvalidSettingError(f"unknown setting {name!r}; the settings are {', '.join(_READERS)}")
    try:
        return _READERS[name](value)
    except (TypeError, ValueError) as exc:
        raise InvalidSettingError(f"setting {name!r}: {exc}") from exc


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    return value


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError(f"must be true or false, not {value!r}")


def _whole(least: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        raise ValueError(f"must be a whole number of at least {least}, not {value!r}")

    return read


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    raise ValueError(f"must be a number of seconds, 0 or more, not {value!r}")


def _moment(value: object) -> datetime:
    """Read a date-time, an ISO one if it is text; without an offset it is Oman's time."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        raise TypeError(f"must be a date-time such as '2030-12-31T23:59:00+04:00', not {value!r}")
    return moment if moment.tzinfo else moment.replace(tzinfo=MUSCAT)


def _texts(what: str) -> Callable[[object], frozenset[str]]:
    def read(value: object) -> frozenset[str]:
        if isinstance(value, list | tuple | set | frozenset) and all(isinstance(item, str) for item in value):
            return frozenset(value)
        raise TypeError(f"must be a list of {what} as text, not {value!r}")

    return read


def _optional(read: Callable[[object], object]) -> Callable[[object], object]:
    return lambda value: None if value is None else read(value)


_READERS: Final[Mapping[str, Callable[[object], object]]] = {
    "credit": _whole(0),
    "expires_at": _optional(_moment),
    "credit_expires_at": _optional(_moment),
    "company_exists": _flag,
    "active": _flag,
    "http_get_enabled": _flag,
    "header_registered": _flag,
    "ip_allowed": _flag,
    "client_in_oman": _flag,
    "headers": _texts("sender ids"),
    "locked": _flag,
    "failed_logins": _whole(0),
    "max_failed_logins": _whole(1),
    "probe_sees_credit": _flag,
    "opted_out": _texts("mobile numbers"),
    "bad_numbers": _texts("mobile numbers"),
    "max_query_length": _optional(_whole(1)),
    "latency": _seconds,
}
