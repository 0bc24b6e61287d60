"""Provide the control API under ``/_sandbox/``: read messages and calls, change the account and the faults."""

import json
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .account import InvalidSettingError
from .faults import InvalidFaultError, from_json
from .inbox import inbox_routes
from .state import State


def control_api(state: State) -> Starlette:
    """Return the control API of a sandbox, and the inbox page that uses it."""
    api = _ControlApi(state)
    routes = {
        ("GET", "messages"): api.messages,
        ("GET", "calls"): api.calls,
        ("GET", "account"): api.account,
        ("PATCH", "account"): api.change_account,
        ("GET", "faults"): api.faults,
        ("POST", "faults"): api.add_faults,
        ("DELETE", "faults"): api.clear_faults,
        ("POST", "reset"): api.reset,
    }
    return Starlette(
        routes=[
            *(
                Route(f"/_sandbox/{name}", endpoint, methods=[method])
                for (method, name), endpoint in routes.items()
            ),
            *inbox_routes(state),
        ],
        exception_handlers=dict.fromkeys(
            (InvalidSettingError, InvalidFaultError, _InvalidBodyError), _bad_request
        ),
    )


class _InvalidBodyError(ValueError):
    """The body of a request to the control API is invalid."""


class _ControlApi:
    def __init__(self, state: State) -> None:
        self._state = state

    async def messages(self, request: Request) -> Response:
        wanted = request.query_params.get("msisdn")
        return JSONResponse(
            [message.as_json() for message in self._state.messages if wanted in {None, message.msisdn}]
        )

    async def calls(self, _: Request) -> Response:
        return JSONResponse([asdict(call) for call in self._state.calls])

    async def account(self, _: Request) -> Response:
        return JSONResponse(self._state.account.as_json())

    async def change_account(self, request: Request) -> Response:
        settings = await _json(request)
        if not isinstance(settings, dict):
            raise _InvalidBodyError("the body must be an object of settings")
        return JSONResponse(self._state.configure(settings).as_json())

    async def faults(self, _: Request) -> Response:
        return self._faults()

    async def add_faults(self, request: Request) -> Response:
        body = await _json(request)
        self._state.fail([from_json(item) for item in (body if isinstance(body, list) else [body])])
        return self._faults()

    async def clear_faults(self, _: Request) -> Response:
        self._state.clear_faults()
        return self._faults()

    async def reset(self, _: Request) -> Response:
        self._state.reset()
        return Response(status_code=204)

    def _faults(self) -> Response:
        return JSONResponse([fault and fault.as_json() for fault in self._state.faults])


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError) as exc:
        raise _InvalidBodyError(f"the body must be JSON: {exc}") from exc


async def _bad_request(_: Request, exc: Exception) -> Response:
    return JSONResponse({"error": str(exc)}, status_code=400)
