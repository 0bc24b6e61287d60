"""The connection: the table of its extras, and the settings of a client."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.msisdn import canonical_column
from airflow_provider_ismart.core.numbering import NumberingPlan
from airflow_provider_ismart.core.recipients_text import split_numbers
from airflow_provider_ismart.core.schedule import QuietHours
from airflow_provider_ismart.gateway.connection_fields import (
    DEFAULT_HOST,
    AirflowConnection,
    check_characters,
    gateway_url,
    json_object,
    split_url,
)
from airflow_provider_ismart.gateway.extra import Extra

EXTRAS = {
    extra.name: extra
    for extra in (
        Extra(
            name="path",
            type="string",
            label="Path",
            description="Path of the HTTP GET endpoint.",
            default="/iBulkSMS/HttpWS/SMSDynamicAPI.aspx",
        ),
        Extra(
            name="connect_timeout",
            type="number",
            label="Connect timeout (seconds)",
            description="How long to wait for a connection. A connect timeout is safe: nothing was sent.",
            default=10.0,
            minimum=0.1,
            maximum=300,
        ),
        Extra(
            name="read_timeout",
            type="number",
            label="Read timeout (seconds)",
            description="How long to wait for the answer. After a read timeout the call is uncertain, so keep it "
            "long.",
            default=30.0,
            minimum=0.1,
            maximum=600,
        ),
        Extra(
            name="max_concurrency",
            type="integer",
            label="Calls in flight",
            description="Calls in flight per task. If the password changes meanwhile, each can be a wrong login.",
            default=4,
            minimum=1,
            maximum=64,
        ),
        Extra(
            name="calls_per_second",
            type="number",
            label="Calls per second",
            description="Rate limit per task, in whole milliseconds between calls. Empty: no limit.",
            minimum=0.01,
            maximum=1000,
        ),
        Extra(
            name="timezone",
            type="string",
            label="Time zone",
            description="IANA name of the zone of PushDateTime, and of a push_at without an offset.",
            default="Asia/Muscat",
        ),
        Extra(
            name="country_code",
            type="string",
            label="Country code",
            description="Digits before a local number: 1 to 3 digits, not starting with 0.",
            default="968",
        ),
        Extra(
            name="mobile_prefixes",
            type="string",
            label="Mobile prefixes",
            description="First digits of mobile numbers after the country code, comma-separated. Other numbers of "
            "the country are invalid. Empty: 7,9 for 968, any digit but 0 for another code.",
        ),
        Extra(
            name="allowed_numbers",
            type="string",
            label="Allowed numbers",
            description="The only numbers that this connection reaches, comma-separated or a JSON list, for "
            "staging. All other rows are excluded. Empty: every number.",
            holds_secret=True,
            can_be_list=True,
        ),
        Extra(
            name="quiet_hours",
            type="string",
            label="Quiet hours",
            description="Hours in the connection's time zone, such as 21:00-08:00. A call made in these hours "
            "without a push_at is scheduled for their end. Empty: none.",
            example="21:00-08:00",
        ),
        Extra(
            name="header",
            type="string",
            label="Header (sender id)",
            description="Sender id, up to 11 characters. Second-hand: Infocomm's document does not list this "
            "parameter. Case matters. Empty: the account's default.",
            example="MyCompany",
        ),
        Extra(
            name="max_query_length",
            type="integer",
            label="Longest query string",
            description="In characters. A call with a long text takes fewer numbers.",
            default=2048,
            minimum=512,
            maximum=65536,
        ),
        Extra(
            name="ca_bundle",
            type="string",
            label="CA bundle",
            description="File with CA certificates to trust instead of the default ones.",
        ),
        Extra(
            name="proxy",
            type="string",
            label="Proxy",
            description="URL of a proxy, such as http://proxy.example:3128. HTTP_PROXY is not used.",
            holds_secret=True,
        ),
        Extra(
            name="ledger_conn_id",
            type="string",
            label="Ledger connection",
            description="Id of the PostgreSQL or SQLite connection for the ledger.",
        ),
        Extra(
            name="allow_http",
            type="boolean",
            label="Allow plain http",
            description="Allow sending the password unencrypted to a host other than this machine.",
            default=False,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """The settings of a client, with times in seconds and lengths in characters.

    The ``repr`` shows nothing, because they include the password.
    """

    url: str
    login: str
    password: str
    connect_timeout: float
    read_timeout: float
    max_concurrency: int
    calls_per_second: float | None
    timezone: ZoneInfo
    numbering: NumberingPlan
    quiet_hours: QuietHours | None
    header: str | None
    max_query_length: int
    ca_bundle: str | None
    proxy: str | None
    ledger_conn_id: str | None
    allowed_numbers: frozenset[str] | None
    conn_id: str = ""

    @classmethod
    def of(cls, connection: AirflowConnection, conn_id: str = "") -> Settings:
        """Read and check a connection; ``conn_id`` is for error texts.

        :raises InputError: a field or an extra is missing, unknown or invalid; the message names it.
        """
        if not connection.login or not connection.password:
            raise InputError("the connection needs login (UserId) and password")
        check_characters("login (UserId)", connection.login)
        check_characters("password", connection.password)
        extras = _read_extras(json_object(connection.extra))
        return cls(
            url=gateway_url(
                connection.host, connection.port, _path(extras["path"]), allow_http=extras["allow_http"]
            ),
            login=connection.login,
            password=connection.password,
            conn_id=conn_id,
            **_typed(extras),
        )

    @classmethod
    def without_connection(cls) -> Settings:
        """Return the defaults, for planning only; they have no login."""
        return cls(url=DEFAULT_HOST, login="", password="", **_typed(_read_extras({})))

    @property
    def restriction(self) -> str | None:
        """A sentence that says that the connection is restricted, if it is."""
        if self.allowed_numbers is None:
            return None
        return f"Connection {self.conn_id!r} is restricted to its allowed numbers ({len(self.allowed_numbers):,})"


def _read_extras(given: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(given.keys() - EXTRAS.keys()):
        raise InputError(
            f"the connection has the unknown extra {unknown[0]!r}; there are {', '.join(sorted(EXTRAS))}"
        )
    return {name: extra.read(given.get(name)) for name, extra in EXTRAS.items()}


def _typed(extras: Mapping[str, Any]) -> dict[str, Any]:
    """Return the extras as the fields of :class:`Settings` with the same names."""
    typed = {field.name: extras[field.name] for field in fields(Settings) if field.name in extras}
    typed["timezone"] = _timezone(extras["timezone"])
    typed["quiet_hours"] = _quiet_hours(extras["quiet_hours"], typed["timezone"])
    typed["header"] = _header(extras["header"])
    typed["ca_bundle"] = _existing_file("ca_bundle", extras["ca_bundle"])
    typed["numbering"] = _numbering(extras["country_code"], extras["mobile_prefixes"])
    typed["allowed_numbers"] = _allowed_numbers(extras["allowed_numbers"], typed["numbering"])
    proxy = split_url(extras["proxy"]) if extras["proxy"] else None
    if extras["proxy"] and not (proxy and proxy.scheme in {"http", "https"} and proxy.hostname):
        raise EXTRAS["proxy"].error(extras["proxy"], "it has to be a URL such as http://proxy.example:3128")
    return typed


def _numbering(country_code: str, mobile_prefixes: str | None) -> NumberingPlan:
    if not (country_code.isascii() and country_code.isdigit()):
        raise EXTRAS["country_code"].error(country_code, "it has to be digits")
    if len(country_code) > 3 or country_code.startswith("0"):  # noqa: PLR2004
        raise EXTRAS["country_code"].error(country_code, "it has one to three digits, the first not 0")
    prefixes = tuple(prefix.strip() for prefix in mobile_prefixes.split(",")) if mobile_prefixes else ()
    plan = NumberingPlan(country_code, prefixes)
    if not all(re.fullmatch(f"[0-9]{{1,{plan.local_digits}}}", prefix) for prefix in prefixes):
        raise EXTRAS["mobile_prefixes"].error(mobile_prefixes, "it has to be digits and commas, such as 7,9")
    return plan


def _allowed_numbers(given: str | list[Any] | None, numbering: NumberingPlan) -> frozenset[str] | None:
    if given is None:
        return None
    entries = split_numbers(given) if isinstance(given, str) else given
    if not entries:
        raise EXTRAS["allowed_numbers"].error(given, "it has no number; leave it out to reach every number")

    def invalid(entry: int, why: str) -> None:
        raise EXTRAS["allowed_numbers"].error(given, f"entry {entry + 1} is not a mobile number ({why})")

    return frozenset(canonical_column(entries, numbering, invalid))


def _path(path: str) -> str:
    path = path if path.startswith("/") else f"/{path}"
    if not re.fullmatch(r"[\w./~%-]+", path, re.ASCII):
        raise EXTRAS["path"].error(path, "it has to be the path of a URL, without a query")
    return path


def _timezone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise EXTRAS["timezone"].error(name, "it has to be an IANA name such as Asia/Muscat") from None


def _quiet_hours(text: str | None, timezone: ZoneInfo) -> QuietHours | None:
    try:
        return QuietHours.of(text, timezone) if text else None
    except ValueError:
        raise EXTRAS["quiet_hours"].error(text, "it has to be two different times such as 21:00-08:00") from None


def _header(header: str | None) -> str | None:
    if header and not re.fullmatch(r"[A-Za-z0-9 &._-]{1,11}", header):
        why = (
            "it can be 1 to 11 letters A to Z, digits, spaces or & . _ - (second-hand: not in Infocomm's document)"
        )
        raise EXTRAS["header"].error(header, why)
    return header or None


def _existing_file(name: str, path: str | None) -> str | None:
    if path and not Path(path).is_file():
        raise EXTRAS[name].error(path, "there is no such file")
    return path
