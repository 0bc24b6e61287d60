"""Make the HTTP call and, if it fails, determine whether the request may have arrived.

This module uses ``requests``, with connection classes that do two things that ``requests`` cannot:

- Record whether a request was written. No exception of an HTTP client proves that it was not: ``SSLError`` and
  ``ProxyError`` were seen after the request had arrived.
- Keep the query string, which contains the password, out of exceptions and log records. These show URLs, so the
  connection adds the query string only when it writes the request.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, Request
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidURL
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection

from airflow_provider_ismart import __version__
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.gateway.extras import EXTRAS

if TYPE_CHECKING:
    from airflow_provider_ismart.gateway.settings import Settings

_HEADERS = {
    "User-Agent": f"airflow-provider-ismart/{__version__}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
}


class NotSent(Exception):  # noqa: N818  # named after what it proves
    """No byte of the request was written. The message says why, without the URL."""


class MaybeSent(Exception):  # noqa: N818
    """The request may have arrived, but no complete reply came back. The message says why, without the URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete reply. Header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Make calls from any number of threads, over at most ``max_concurrency`` connections that are kept alive.

    There is no ``requests.Session``, because it would read environment variables, keep cookies and follow
    redirects. Requests are never repeated.

    :raises InputError: the URL has no valid host, or the certificates of ``ca_bundle`` cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._timeout = (settings.connect_timeout, settings.read_timeout)
        try:
            self._request = Request("GET", settings.url, headers=_HEADERS).prepare()
            self._adapter = _Adapter(self._request, settings)
        except InvalidURL:
            raise InputError("the connection's host is not a valid host name; correct it") from None

    def get(self, query: str) -> Reply:
        """Make one call with a query string, which is quoted and in ASCII.

        :raises NotSent: no byte of the request was written.
        :raises MaybeSent: the request may have arrived, but the reply is missing or incomplete.
        """
        _call.query, _call.is_written = query, False
        try:
            response = self._adapter.send(self._request, timeout=self._timeout)
            body = response.content
        except Exception as error:  # noqa: BLE001  # only the connection, not the exception, knows what was written
            if _call.is_written:
                raise MaybeSent(f"no answer came: {_innermost(error)}") from None
            raise NotSent(f"no connection could be made: {_innermost(error)}") from None
        finally:
            _call.query = ""
        length = response.headers.get("Content-Length")
        if length is not None and length != str(response.raw.tell()):
            raise MaybeSent("the answer was cut short")
        return Reply(status=response.status_code, headers=response.headers, body=body)

    def close(self) -> None:
        """Close all idle connections."""
        self._adapter.close()


class _Call(threading.local):
    """The current call of this thread. A pooled connection serves one thread at a time."""

    query = ""
    is_written = False


_call = _Call()


class _Connection:
    """Add the query string to a request, and record that the request is written.

    CONNECT requests to a proxy do not count, because they do not reach the gateway.
    """

    sock: Any

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]  # before the request counts as written
        _call.is_written = True
        super().putrequest(method, f"{url}?{_call.query}", *args, **kwargs)  # type: ignore[misc]


class _HTTPConnection(_Connection, HTTPConnection):
    pass


class _HTTPSConnection(_Connection, HTTPSConnection):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # urllib3's default context would write session keys to the file in SSLKEYLOGFILE
        super().__init__(*args, **kwargs | {"ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)})


_CONNECTION_CLASSES = {"http": _HTTPConnection, "https": _HTTPSConnection}


class _Adapter(HTTPAdapter):
    """Send one request any number of times, over one pool of this module's connections.

    The pool is looked up only once, because a look-up takes a quarter of a call's CPU time, and concurrent
    look-ups could create several pools.
    """

    def __init__(self, request: PreparedRequest, settings: Settings) -> None:
        super().__init__(max_retries=0, pool_maxsize=settings.max_concurrency, pool_block=True)
        certificates = _certificates(settings.ca_bundle)
        proxies = {"all": settings.proxy} if settings.proxy else {}
        self._pool: Any = super().get_connection_with_tls_context(request, certificates, proxies)
        self._pool.ConnectionCls = _CONNECTION_CLASSES[self._pool.scheme]
        # for an http URL, requests would not even verify the certificate of a proxy
        super().cert_verify(self._pool, "https:", certificates, None)
        self._url = super().request_url(request, proxies)

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> Any:
        return self._pool

    def cert_verify(self, *_args: Any) -> None:
        """Do nothing: the pool has its certificates."""

    def request_url(self, *_args: Any) -> str:
        return self._url

    def close(self) -> None:
        super().close()
        self._pool.close()  # urllib3 2 leaves that to the garbage collector


def _certificates(ca_bundle: str | None) -> str:
    try:
        if ca_bundle:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_bundle)
    except OSError:
        raise EXTRAS["ca_bundle"].error(ca_bundle, "it must contain PEM certificates") from None
    return ca_bundle or DEFAULT_CA_BUNDLE_PATH


def _innermost(error: BaseException) -> str:
    """Return the innermost cause of an error, with the operating system's message if there is one."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    text = error.strerror if isinstance(error, OSError) else None
    return type(error).__name__ + (f" ({text})" if text else "")
