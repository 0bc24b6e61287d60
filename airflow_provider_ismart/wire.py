"""Whether a request went out over the wire, and log records that do not show it.

``requests`` tells too little: ``ProxyError`` and ``SSLError`` were seen after a request had arrived. A connection
that notes when it writes was never wrong.
"""

from __future__ import annotations

import logging
import re
from threading import local
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_QUERY = re.compile(r"\?UserId=[^\s'\"]*")

_wire = local()


def watch_wire() -> None:
    """Begin to watch this thread's next call."""
    _wire.request_went_out = False


def request_went_out() -> bool:
    """Whether any byte of this thread's request may have been written since :func:`watch_wire`."""
    return bool(_wire.request_went_out)


class _NotesRequests:
    """A connection that notes when a request goes out; a proxy's CONNECT, which shows nothing, does not count."""

    _connects_to_proxy = False

    def _tunnel(self) -> None:
        self._connects_to_proxy = True
        try:
            super()._tunnel()  # type: ignore[misc]
        finally:
            self._connects_to_proxy = False

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[attr-defined]
            self.connect()  # type: ignore[attr-defined]
        if not self._connects_to_proxy:
            _wire.request_went_out = True
        super().send(data)  # type: ignore[misc]


class _WireHTTPConnection(_NotesRequests, HTTPConnection):
    pass


class _WireHTTPSConnection(_NotesRequests, HTTPSConnection):
    pass


class _WireHTTPConnectionPool(HTTPConnectionPool):
    ConnectionCls = _WireHTTPConnection


class _WireHTTPSConnectionPool(HTTPSConnectionPool):
    ConnectionCls = _WireHTTPSConnection


_POOLS = {"http": _WireHTTPConnectionPool, "https": _WireHTTPSConnectionPool}


class WireAdapter(HTTPAdapter):
    """Transport that never sends a request twice and notes when one goes out. One connection, for one thread."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool manager, with connections that note."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make a proxy's pool manager, with connections that note."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _HideQueries(logging.Filter):
    """Cuts the query, with the password in it, off what urllib3 logs of a call to the gateway."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "UserId=" in message:
            record.msg, record.args = _QUERY.sub("?…", message), ()
        return True


_HIDE_QUERIES = _HideQueries()


def hide_queries_in_logs() -> None:
    """Keep urllib3 from logging the queries of calls to the gateway, at any level."""
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_HIDE_QUERIES)
