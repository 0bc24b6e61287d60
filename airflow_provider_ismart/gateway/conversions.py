"""Convert extras whose values are not just text, a number or a boolean.

Each function takes the value of an extra, and the values of the extras before it in the table. If the extra is
invalid, it raises ``InputError`` with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.msisdn import canonical_column
from airflow_provider_ismart.core.numbering import NumberingPlan
from airflow_provider_ismart.core.recipients_text import split_numbers
from airflow_provider_ismart.core.schedule import QuietHours
from airflow_provider_ismart.gateway.connection_fields import split_url


def timezone(name: str, _: Mapping[str, Any]) -> ZoneInfo:
    """Return the time zone with an IANA name."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise InputError("it must be an IANA name such as Asia/Muscat") from None


def mobile_prefixes(text: str, before: Mapping[str, Any]) -> tuple[str, ...]:
    """Split comma-separated prefixes; none is longer than a local number."""
    prefixes = tuple(prefix.strip() for prefix in text.split(","))
    most = NumberingPlan(before["country_code"]).local_digits
    if not all(re.fullmatch(f"[0-9]{{1,{most}}}", prefix) for prefix in prefixes):
        raise InputError("it must be digits and commas, such as 7,9")
    return prefixes


def allowed_numbers(given: str | list[Any], before: Mapping[str, Any]) -> frozenset[str]:
    """Return the numbers of a text or list as 11 digits."""
    entries = _entries(given) if isinstance(given, str) else given
    if not entries:
        raise InputError("it has no number; list at least one, or remove the extra to allow every number")

    def invalid(entry: int, why: str) -> None:
        raise InputError(f"entry {entry + 1} is not a mobile number ({why}); correct or remove it")

    numbering = NumberingPlan(before["country_code"], before["mobile_prefixes"] or ())
    return frozenset(canonical_column(entries, numbering, invalid))


def _entries(text: str) -> list[Any]:
    """Return the entries of a text, which a form can have instead of a JSON list."""
    if not text.startswith("["):
        return split_numbers(text)
    try:
        entries: list[Any] = json.loads(text)
    except ValueError:
        raise InputError("it starts like a JSON list, but is none") from None
    return entries


def quiet_hours(text: str, before: Mapping[str, Any]) -> QuietHours:
    """Return the quiet hours, in the connection's time zone."""
    try:
        return QuietHours.of(text, before["timezone"])
    except ValueError:
        raise InputError("it must be two different times such as 21:00-08:00") from None


def existing_file(path: str, _: Mapping[str, Any]) -> str:
    """Return the path if the file exists."""
    if not Path(path).is_file():
        raise InputError("it must be an existing file")
    return path


def proxy(url: str, _: Mapping[str, Any]) -> str:
    """Return the URL if it is that of an HTTP proxy."""
    parts = split_url(url)
    if not parts or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError("it must be a URL such as http://proxy.example:3128")
    return url
