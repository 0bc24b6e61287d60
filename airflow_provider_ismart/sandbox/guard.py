"""Refuse requests of other websites to the page and the control API.

Any website can make a browser send requests to this machine. The browser adds ``Host``, ``Origin`` and
``Sec-Fetch-Site``, which a website cannot forge. The gateway's own path is open to all programs.
"""

import hmac
import ipaddress
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE: Final = "ismart_sandbox_token"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9.-]+))(?::[0-9]+)?")
_READING: Final = frozenset({"GET", "HEAD"})


class Guard:
    """Pass a request to the application, or refuse it with 401 or 403.

    Without a token, ``Host`` must be loopback, which stops DNS rebinding. With a token, the sandbox can have any
    name, because other websites do not know the token.
    """

    def __init__(self, app: ASGIApp, *, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        request = Request(scope)
        answer = self._refusal(request) or self._welcome(request)
        await (answer or self._app)(scope, receive, send_safely)

    def _refusal(self, request: Request) -> Response | None:
        if self._token is None and not _is_loopback(request.headers.getlist("host")):
            return _refuse("Host must be this machine: localhost, 127.0.0.1 or [::1]")
        if not _is_own(request):
            return _refuse("requests of other websites are refused: use the sandbox's own page")
        if self._token is not None and not self._has_token(request, self._token):
            return _refuse(
                "the token is missing: open the URL that the sandbox printed", status=HTTPStatus.UNAUTHORIZED
            )
        return None

    def _has_token(self, request: Request, token: str) -> bool:
        given = request.query_params.get("token") or request.cookies.get(COOKIE, "")
        return hmac.compare_digest(given.encode(), token.encode())

    def _welcome(self, request: Request) -> Response | None:
        """Move the token from the page's URL to a cookie, to keep it out of the browser's history."""
        if self._token is None or request.url.path != "/" or "token" not in request.query_params:
            return None
        answer = RedirectResponse("/", status_code=HTTPStatus.SEE_OTHER)
        answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
        return answer


def is_from_a_website(scope: Scope) -> bool:
    """Return whether a browser reports that a website caused the request. Programs report nothing.

    DNS rebinding makes it say "same-origin". The sandbox's own page makes no calls.
    """
    return any(name == b"sec-fetch-site" and value != b"none" for name, value in scope["headers"])


def _is_loopback(hosts: Sequence[str]) -> bool:
    found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if found is None:
        return False
    name = found["v6"] or found["name"]
    try:
        return name.lower() == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_own(request: Request) -> bool:
    """Return whether a request comes from the page itself or from a program, not from another website.

    Browsers send ``Origin`` with all requests that change something. Programs such as curl send neither header.
    """
    if request.method not in _READING and (origin := request.headers.get("origin")) is not None:
        host = request.headers.get("host")
        return origin in {f"http://{host}", f"https://{host}"}
    is_visit = request.method == "GET" and request.url.path == "/"  # a link from elsewhere is harmless
    return is_visit or request.headers.get("sec-fetch-site", "none") in {"same-origin", "none"}


def _refuse(why: str, *, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> Response:
    return JSONResponse({"error": why}, status_code=status)
