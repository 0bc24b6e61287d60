"""Connections that know whether a request went out over them, and add its query themselves.

The exceptions of HTTP clients tell too little: ``ProxyError`` and ``SSLError`` were seen after a request had
arrived. A connection that notes when it writes was never wrong.

They also tell too much, as do log records: the whole URL. So urllib3 is not shown the query, with the password in
it. It would go through it twice as well, character by character, which took a third of a call's CPU time.
"""

from __future__ import annotations

import ssl
from threading import local
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import certifi
from urllib3 import PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import make_headers, parse_url

from airflow_provider_ismart.gateway.settings import EXTRAS

if TYPE_CHECKING:
    from airflow_provider_ismart.gateway.settings import Settings

_wire = local()


def begin_call(query: str) -> None:
    """Have the next request of this thread get ``query``, which is all in ASCII and quoted, and be watched."""
    _wire.query = query
    _wire.request_went_out = False


def request_went_out() -> bool:
    """Whether any byte of this thread's request may have been written since :func:`begin_call`."""
    return bool(_wire.request_went_out)


class _AddsQueries:
    """A connection that adds the query and notes when a request goes out; a proxy's CONNECT is none."""

    _connects_to_proxy = False

    def _tunnel(self) -> None:
        self._connects_to_proxy = True
        try:
            super()._tunnel()  # type: ignore[misc]
        finally:
            self._connects_to_proxy = False

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        super().putrequest(method, f"{url}?{_wire.query}", *args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[attr-defined]
            self.connect()  # type: ignore[attr-defined]
        if not self._connects_to_proxy:
            _wire.request_went_out = True
        super().send(data)  # type: ignore[misc]


class _WireHTTPConnection(_AddsQueries, HTTPConnection):
    pass


class _WireHTTPSConnection(_AddsQueries, HTTPSConnection):
    pass


class _WireHTTPConnectionPool(HTTPConnectionPool):
    ConnectionCls = _WireHTTPConnection


class _WireHTTPSConnectionPool(HTTPSConnectionPool):
    ConnectionCls = _WireHTTPSConnection


_POOLS = {"http": _WireHTTPConnectionPool, "https": _WireHTTPSConnectionPool}


def connection_pool(settings: Settings) -> HTTPConnectionPool:
    """Return a pool of up to ``max_concurrency`` connections to the gateway that note when a request goes out.

    Nothing of the environment counts: proxy and certificates are those of the settings.

    :raises InputError: the certificates of ``ca_bundle`` cannot be read.
    """
    tls = _tls_context(settings.ca_bundle) if "https:" in f"{settings.url} {settings.proxy}".lower() else None
    options: dict[str, Any] = {"maxsize": settings.max_concurrency, "block": True, "ssl_context": tls}
    if settings.proxy:
        auth = parse_url(settings.proxy).auth
        headers = make_headers(proxy_basic_auth=unquote(auth)) if auth else None
        options |= {"proxy_url": settings.proxy, "proxy_headers": headers, "proxy_ssl_context": tls}
    manager = ProxyManager(**options) if settings.proxy else PoolManager(**options)
    manager.pool_classes_by_scheme = _POOLS
    return manager.connection_from_url(settings.url)


def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return one context for all connections, as reading the certificates takes 20 to 50 ms."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # urllib3's own would log keys where SSLKEYLOGFILE says
    try:
        context.load_verify_locations(ca_bundle or certifi.where())
    except OSError:
        raise EXTRAS["ca_bundle"].error(ca_bundle, "it holds no certificates that can be read") from None
    return context
