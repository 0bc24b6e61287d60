"""Read the fields of an Airflow connection."""

from __future__ import annotations

import json
import re
import unicodedata
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from airflow_provider_ismart.core.errors import InputError

MAX_PORT = 65_535
DEFAULT_HOST = "https://www.ismartsms.net"


class AirflowConnection(Protocol):
    """The fields of an Airflow connection that this package reads."""

    host: str | None
    port: int | None
    login: str | None
    password: str | None
    extra: str | None


def gateway_url(host: str | None, port: int | None, path: str, *, allow_http: bool) -> str:
    """Return the endpoint's URL, without a query.

    :param host: a host name or a base URL. The default is the vendor's.
    :param path: the endpoint's path.
    :param allow_http: whether to allow plain http, which exposes the password to the network.
    :raises InputError: ``host`` or ``port`` is invalid; the message names it.
    """
    host = (host or DEFAULT_HOST).strip()
    base = split_url(host if "://" in host else f"https://{host}")
    if not base or base.scheme not in {"http", "https"} or not base.hostname or re.search(r"\s", base.hostname):
        raise InputError("the connection's host must be a host name or an http(s) URL")
    if base.username or base.password or base.query or base.fragment:
        raise InputError("the connection's host has a user, password, query or fragment; remove it")
    if base.scheme == "http" and not (allow_http or _is_loopback(base.hostname)):
        raise InputError(
            f"the connection's host is {base.scheme}://{base.hostname}, but plain http exposes the password to "
            "the network. Use https, or set the extra allow_http."
        )
    port = port or base.port
    if port and not 0 < port <= MAX_PORT:
        raise InputError(f"the connection's port is {port}; it must be 1 to {MAX_PORT}")
    name = f"[{base.hostname}]" if ":" in base.hostname else base.hostname
    return f"{base.scheme}://{name}{f':{port}' if port else ''}{base.path.rstrip('/')}/{path.removeprefix('/')}"


def checked_text(field: str, value: object) -> str:
    """Return a field, after a check for what a file or a copy adds: line ends, a byte order mark, direction marks.

    :raises InputError: there is one, or the value is not text. The message names the field, not the value.
    """
    if not isinstance(value, str):
        raise InputError(f"the connection's {field} is of type {type(value).__name__}; put quotes around it")
    if value.endswith(("\n", "\r")):
        raise InputError(f"the connection's {field} ends with a line break; remove it")
    if any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in value):
        raise InputError(
            f"the connection's {field} contains a line break, an invisible or a control character; remove it"
        )
    return value


def json_object(extra: str | None) -> dict[str, Any]:
    """Parse the field ``extra``. Airflow's ``extra_dejson`` would return ``{}`` for malformed JSON.

    :raises InputError: it is not a JSON object.
    """
    if extra is None or not extra.strip():
        return {}
    try:
        found = json.loads(extra)
    except ValueError:  # its message can quote the content
        found = None
    if not isinstance(found, dict):
        raise InputError('the connection\'s extra must be a JSON object such as {"max_concurrency": 8}')
    return found


def split_url(url: str) -> SplitResult | None:
    """Split a URL; return ``None`` if it is malformed, because the standard library's error would quote it."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading the port checks it
    except ValueError:
        return None
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
