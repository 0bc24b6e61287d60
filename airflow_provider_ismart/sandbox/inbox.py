"""What the inbox page shows: conversations by phone, calls with their meaning, and a signal when there is more."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, fields
from itertools import compress
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .faults import KINDS
from .journal import Batch
from .meanings import explain
from .segmentation import Lang, segments
from .state import Call, QueryTooLong, State

#: Seconds between two looks for changes: one signal then covers all that came meanwhile.
SIGNAL_SECONDS: Final = 0.2
PAGE_SIZE: Final = 50
_FAULTS: Final = {kind: fault.__doc__ for kind, fault in {**KINDS, QueryTooLong.kind: QueryTooLong}.items()}
_FILES: Final = {
    "/": ("index.html", "text/html"),
    "/_sandbox/inbox.css": ("inbox.css", "text/css"),
    "/_sandbox/inbox.js": ("inbox.js", "text/javascript"),
}


def inbox_routes(state: State) -> list[Route]:
    """Build the routes of the page, and of what it asks for."""
    inbox = _Inbox(state)
    return [
        *(Route(path, _file(name, kind)) for path, (name, kind) in _FILES.items()),
        Route("/_sandbox/inbox/phones", inbox.phones),
        Route("/_sandbox/inbox/conversation", inbox.conversation),
        Route("/_sandbox/inbox/calls", inbox.calls),
        Route("/_sandbox/inbox/faults", inbox.kinds_of_fault),
        Route("/_sandbox/inbox/signals", inbox.signals),
    ]


def _file(name: str, kind: str) -> Callable[[Request], Any]:
    content = (Path(__file__).parent / "page" / name).read_bytes()

    async def send(_: Request) -> Response:
        return Response(content, media_type=kind)

    return send


class _Inbox:
    """Indexes the messages by phone as they are asked for: the gateway's path does none of this."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._run = ""
        self._forget()

    def _forget(self) -> None:
        self._batches: list[Batch] = []
        self._folded: list[str] = []
        #: By number, the positions in the batches; the number with the newest message comes last.
        self._phones: dict[str, list[int]] = {}

    def _catch_up(self) -> None:
        run, news = self._state.batches_from(len(self._batches))
        if run != self._run:
            self._forget()
            self._run = run
            _, news = self._state.batches_from(0)
        for position, batch in enumerate(news, start=len(self._batches)):
            for msisdn in batch.msisdns:
                found = self._phones.pop(msisdn, [])
                found.append(position)
                self._phones[msisdn] = found
        self._batches.extend(news)
        self._folded.extend(batch.delivery.text.casefold() for batch in news)

    async def phones(self, request: Request) -> Response:
        """Answer with the phones that match, the one with the newest message first."""
        self._catch_up()
        matching = self._matching(request)
        phones = [msisdn for msisdn in reversed(self._phones) if any(matching(msisdn))]
        page = [
            {
                "msisdn": msisdn,
                "count": len(self._phones[msisdn]),
                "last": self._batches[self._phones[msisdn][-1]].delivery.as_json(),
            }
            for msisdn in phones[: _limit(request)]
        ]
        return JSONResponse({"total": len(phones), "phones": page})

    async def conversation(self, request: Request) -> Response:
        """Answer with the newest messages to a phone that match, in the order of their arrival."""
        self._catch_up()
        msisdn = request.query_params.get("msisdn", "")
        matches = self._matching(request)(msisdn)
        found = [*compress(self._phones.get(msisdn, []), matches)]
        return JSONResponse({"total": len(found), "messages": [*map(self._bubble, found[-_limit(request) :])]})

    async def calls(self, request: Request) -> Response:
        """Answer with the newest calls, the last one first."""
        wanted = [
            call
            for call in reversed(self._state.calls)
            if "trouble" not in request.query_params or call.fault or not call.accepted
        ]
        return JSONResponse(
            {"total": len(wanted), "calls": [_explained(call) for call in wanted[: _limit(request)]]}
        )

    async def kinds_of_fault(self, _: Request) -> Response:
        """Answer with the faults that can be added, and their fields."""
        return JSONResponse(
            [
                {
                    "fault": kind,
                    "about": _FAULTS[kind],
                    "fields": {
                        field.name: None if field.default is MISSING else field.default for field in fields(fault)
                    },
                }
                for kind, fault in KINDS.items()
            ]
        )

    async def signals(self, request: Request) -> Response:
        """Answer with server-sent events: one now, and one whenever something has changed."""
        return StreamingResponse(self._signals(request), media_type="text/event-stream")

    async def _signals(self, request: Request) -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        before = None
        while not await request.is_disconnected():
            now = (*self._state.counts, self._state.account)
            if now != before:
                run, calls, messages, faults, account = before = now
                signal = {
                    "run": run,
                    "calls": calls,
                    "messages": messages,
                    "faults": faults,
                    "credit": account.credit,
                }
                yield f"data: {json.dumps(signal)}\n\n"
            await asyncio.sleep(SIGNAL_SECONDS)

    def _matching(self, request: Request) -> Callable[[str], Iterator[bool]]:
        """Read a filter: say of a number's messages, in their order, which of them match it."""
        search, call = request.query_params.get("q", "").casefold(), request.query_params.get("call")
        of_call = [call in {None, str(batch.delivery.call)} for batch in self._batches]
        with_text = [ok and search in text for ok, text in zip(of_call, self._folded, strict=True)]

        def matching(msisdn: str) -> Iterator[bool]:
            matches = of_call if search in msisdn else with_text
            return (matches[position] for position in self._phones.get(msisdn, []))

        return matching

    def _bubble(self, position: int) -> Mapping[str, Any]:
        delivery = self._batches[position].delivery
        return delivery.as_json() | {"segments": segments(delivery.text, Lang(delivery.lang))}


def _limit(request: Request) -> int:
    limit = request.query_params.get("limit", "")
    return int(limit) if limit.isdecimal() else PAGE_SIZE


def _explained(call: Call) -> Mapping[str, Any]:
    return asdict(call) | {
        "meaning": None if call.code is None else explain(call.code),
        "fault_meaning": call.fault and _FAULTS[call.fault],
    }
