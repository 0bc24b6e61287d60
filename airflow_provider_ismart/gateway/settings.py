"""Read the settings of a client from the connection."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.numbering import NumberingPlan
from airflow_provider_ismart.gateway.connection_fields import (
    DEFAULT_HOST,
    AirflowConnection,
    checked_text,
    gateway_url,
    json_object,
)
from airflow_provider_ismart.gateway.extras import Extras, read_extras


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings(Extras):
    """The settings of a client: the extras and the other fields of the connection.

    The ``repr`` shows nothing, because the settings include the password.
    """

    url: str
    login: str
    password: str
    numbering: NumberingPlan
    conn_id: str = ""

    @classmethod
    def of(cls, connection: AirflowConnection, conn_id: str = "") -> Settings:
        """Read and check a connection; ``conn_id`` is for messages.

        :raises InputError: a field or an extra is missing, unknown or invalid; the message names it.
        """
        if not all(value and str(value).strip() for value in (connection.login, connection.password)):
            raise InputError("the connection needs login (UserId) and password")
        login = checked_text("login (UserId)", connection.login)
        password = checked_text("password", connection.password)
        extras = read_extras(json_object(connection.extra))
        return cls(
            url=gateway_url(connection.host, connection.port, extras["path"], allow_http=extras["allow_http"]),
            login=login,
            password=password,
            numbering=NumberingPlan(extras["country_code"], extras["mobile_prefixes"] or ()),
            conn_id=conn_id,
            **extras,
        )

    @classmethod
    def without_connection(cls) -> Settings:
        """Return the default settings without a login, which are only good for planning."""
        return cls(url=DEFAULT_HOST, login="", password="", numbering=NumberingPlan(), **read_extras({}))

    @property
    def restriction(self) -> str | None:
        """A sentence about the connection's restriction to its allowed numbers, if it is restricted."""
        if self.allowed_numbers is None:
            return None
        return f"Connection {self.conn_id!r} is restricted to its allowed numbers ({len(self.allowed_numbers):,})"
