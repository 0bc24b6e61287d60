"""Define the account on the gateway, with all settings that a test can change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Final

#: Oman has no daylight saving time, so a fixed offset is enough and needs no time zone database.
MUSCAT: Final = timezone(timedelta(hours=4), "Asia/Muscat")


class InvalidSettingError(ValueError):
    """A setting is unknown, or its value is invalid. The message names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The state of the account, and the gateway's settings for it."""

    #: Remaining credit, in parts. A call costs its parts times its numbers. If it costs more, it is refused (4).
    credit: int = 1_000_000
    #: From this time on, calls are refused with 13; ``None``: never.
    expires_at: datetime | None = None
    #: From this time on, calls are refused with 14; ``None``: never.
    credit_expires_at: datetime | None = None
    #: If false, calls are refused with 2.
    company_exists: bool = True
    #: If false, calls are refused with 7.
    active: bool = True
    #: If false, calls are refused with 18.
    http_get_enabled: bool = True
    #: If false, calls are refused with 19.
    header_registered: bool = True
    #: If false, calls are refused with 20.
    ip_allowed: bool = True
    #: If false, calls are refused with 21.
    client_in_oman: bool = True
    #: The allowed sender ids; empty: any. A call without a sender id uses the account's default.
    headers: frozenset[str] = frozenset()
    #: If true, every login is refused (12). Unlocking resets `failed_logins`.
    locked: bool = False
    #: The number of wrong passwords in a row so far.
    failed_logins: int = 0
    #: How many wrong passwords in a row lock the account.
    max_failed_logins: int = 3
    #: Whether a call with ``MobileNo=1`` returns 4 instead of 9 if there is no credit.
    probe_sees_credit: bool = True
    #: Calls to one of these numbers are refused with 23.
    opted_out: frozenset[str] = frozenset()
    #: Calls to one of these numbers are refused with 9.
    bad_numbers: frozenset[str] = frozenset()
    #: The longest raw query string, in bytes. For longer ones, the web server returns HTTP 404; ``None``: no
    #: limit.
    max_query_length: int | None = None
    #: Seconds between processing a call and answering it.
    latency: float = 0.0

    def changed(self, settings: Mapping[str, Any]) -> "Account":
        """Return a copy with changed settings. If one is invalid, none is changed.

        Raises `InvalidSettingError`.
        """
        values: dict[str, Any] = {name: _read(name, value) for name, value in settings.items()}
        if values.get("locked") is False:
            values.setdefault("failed_logins", 0)
        return replace(self, **values)

    def as_json(self) -> dict[str, Any]:
        """Return the settings as JSON types, for `changed`."""
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
    """Read a ``datetime`` or ISO 8601 text. Without an offset, it is Oman time."""
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
