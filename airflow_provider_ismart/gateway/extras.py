"""Define and read the extras of the connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.schedule import QuietHours
from airflow_provider_ismart.gateway import conversions
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
            pattern=r"[\w./~%-]+",
            rule="it must be the path of a URL, without a query",
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
            description="How long to wait for an answer. After a read timeout, the call is uncertain, so do not "
            "set it too short.",
            default=30.0,
            minimum=0.1,
            maximum=600,
        ),
        Extra(
            name="max_concurrency",
            type="integer",
            label="Calls in flight",
            description="Most calls in flight per task. If the password changes during a send, each can be a "
            "wrong login.",
            default=4,
            minimum=1,
            maximum=64,
        ),
        Extra(
            name="calls_per_second",
            type="number",
            label="Calls per second",
            description="Rate limit per task; the time between calls is in whole milliseconds. Empty: no limit.",
            minimum=0.01,
            maximum=1000,
        ),
        Extra(
            name="timezone",
            type="string",
            label="Time zone",
            description="IANA name of the time zone of PushDateTime, and of a push_at without an offset.",
            default="Asia/Muscat",
            convert=conversions.timezone,
        ),
        Extra(
            name="country_code",
            type="string",
            label="Country code",
            description="Digits before a local number: 1 to 3 digits, not starting with 0.",
            default="968",
            pattern="[1-9][0-9]{0,2}",
            rule="it must be 1 to 3 digits, the first not 0",
        ),
        Extra(
            name="mobile_prefixes",
            type="string",
            label="Mobile prefixes",
            description="First digits of mobile numbers after the country code, comma-separated. Other numbers of "
            "the country are invalid. Empty: 7,9 for 968, any digit but 0 for other codes.",
            convert=conversions.mobile_prefixes,
        ),
        Extra(
            name="allowed_numbers",
            type="string",
            label="Allowed numbers",
            description="For staging: the only numbers that this connection reaches, comma-separated or a JSON "
            "list. All other rows are excluded. Empty: every number.",
            holds_secret=True,
            can_be_list=True,
            convert=conversions.allowed_numbers,
        ),
        Extra(
            name="quiet_hours",
            type="string",
            label="Quiet hours",
            description="Hours in the connection's time zone, such as 21:00-08:00. Calls without a push_at that "
            "are made in these hours are scheduled for their end. Empty: none.",
            example="21:00-08:00",
            convert=conversions.quiet_hours,
        ),
        Extra(
            name="header",
            type="string",
            label="Header (sender id)",
            description="Sender id, up to 11 characters. Second-hand: Infocomm's document does not list this "
            "parameter. Case matters. Empty: the account's default.",
            example="MyCompany",
            pattern="[A-Za-z0-9 &._-]{1,11}",
            rule="it must be 1 to 11 letters A to Z, digits, spaces or & . _ - "
            "(second-hand: not in Infocomm's document)",
        ),
        Extra(
            name="max_query_length",
            type="integer",
            label="Longest query string",
            description="In characters. Calls with long texts have fewer numbers.",
            default=2048,
            minimum=512,
            maximum=65536,
        ),
        Extra(
            name="ca_bundle",
            type="string",
            label="CA bundle",
            description="File with the CA certificates to trust instead of the default ones.",
            convert=conversions.existing_file,
        ),
        Extra(
            name="proxy",
            type="string",
            label="Proxy",
            description="URL of a proxy, such as http://proxy.example:3128. Variables such as HTTP_PROXY are "
            "ignored.",
            holds_secret=True,
            convert=conversions.proxy,
        ),
        Extra(
            name="ledger_conn_id",
            type="string",
            label="Ledger connection",
            description="Connection id of a PostgreSQL or SQLite database for the ledger.",
            pattern=r"\S+",
            rule="it must be the id of a connection",
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
class Extras:
    """The value of each extra, with times in seconds and lengths in characters."""

    path: str
    connect_timeout: float
    read_timeout: float
    max_concurrency: int
    calls_per_second: float | None
    timezone: ZoneInfo
    country_code: str
    mobile_prefixes: tuple[str, ...] | None
    allowed_numbers: frozenset[str] | None
    quiet_hours: QuietHours | None
    header: str | None
    max_query_length: int
    ca_bundle: str | None
    proxy: str | None
    ledger_conn_id: str | None
    allow_http: bool


def read_extras(given: Mapping[str, Any]) -> dict[str, Any]:
    """Validate the extras, and return the fields of :class:`Extras`.

    :raises InputError: an extra is unknown or invalid; the message names it.
    """
    if unknown := sorted(given.keys() - EXTRAS.keys()):
        raise InputError(
            f"the connection has the unknown extra {unknown[0]!r}; known extras are {', '.join(sorted(EXTRAS))}"
        )
    values: dict[str, Any] = {}
    for name, extra in EXTRAS.items():
        values[name] = extra.read(given.get(name), values)
    return values
