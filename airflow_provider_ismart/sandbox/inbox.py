"""Provide the inbox page and its data: conversations by phone, explained calls, and signals of changes."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .faults import KINDS
from .gateway import Code
from .journal import Batch
from .meanings import explain
from .segmentation import Lang, segments
from .state import Call, QueryTooLong, State

#: The seconds between two checks for changes. One signal covers all changes in between.
SIGNAL_SECONDS: Final = 0.2
PAGE_SIZE: Final = 50
_MANY_DIGITS: Final = 10
_FAULTS: Final = {kind: fault.__doc__ for kind, fault in {**KINDS, QueryTooLong.kind: QueryTooLong}.items()}
_FILES: Final = {
    "/": ("index.html", "text/html"),
    "/_sandbox/inbox.css": ("inbox.css", "text/css"),
    "/_sandbox/inbox.js": ("inbox.js", "text/javascript"),
}


def inbox_routes(state: State) -> list[Route]:
    """Return the routes of the page and of its data."""
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
    """Index the messages by phone on demand, so that calls to the gateway's path stay fast."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._run = ""
        self._forget()

    def _forget(self) -> None:
        self._batches: list[Batch] = []
        #: The texts of the batches, case-folded for searching.
        self._folded: list[str] = []
        self._counts: Counter[str] = Counter()
        #: The position of each number's last batch. The number with the newest message is last.
        self._last: dict[str, int] = {}

    def _catch_up(self) -> None:
        run, news = self._state.batches_from(len(self._batches))
        if run != self._run:
            self._forget()
            self._run, news = self._state.batches_from(0)
        self._counts.update(msisdn for batch in news for msisdn in batch.msisdns)
        for position, batch in enumerate(news, start=len(self._batches)):
            for msisdn in batch.msisdns:
                self._last.pop(msisdn, None)
                self._last[msisdn] = position
        self._batches.extend(news)
        self._folded.extend(batch.delivery.text.casefold() for batch in news)

    async def phones(self, request: Request) -> Response:
        """Return the matching phones, the one with the newest message first."""
        self._catch_up()
        wanted = self._matching_phones(request)
        phones = [msisdn for msisdn in reversed(self._last) if wanted is None or msisdn in wanted]
        page = [
            {
                "msisdn": msisdn,
                "count": self._counts[msisdn],
                "last": self._batches[self._last[msisdn]].delivery.as_json(),
            }
            for msisdn in phones[: _limit(request)]
        ]
        return JSONResponse({"total": len(phones), "phones": page})

    def _matching_phones(self, request: Request) -> set[str] | None:
        """Return the numbers that have a matching message; ``None`` means all numbers."""
        search, call = _filter(request)
        if not search and call is None:
            return None
        found: set[str] = set()
        for batch, text in zip(self._batches, self._folded, strict=True):
            if call not in {None, str(batch.delivery.call)}:
                continue
            if search in text:
                found.update(batch.msisdns)
            elif search in batch.mobile_no:
                found.update(msisdn for msisdn in batch.msisdns if search in msisdn)
        return found

    async def conversation(self, request: Request) -> Response:
        """Return the newest matching messages to a phone, in the order of their arrival."""
        self._catch_up()
        msisdn = request.query_params.get("msisdn", "")
        search, call = _filter(request)
        found = [
            batch
            for batch, text in zip(self._batches, self._folded, strict=True)
            if msisdn in batch.mobile_no
            and call in {None, str(batch.delivery.call)}
            and (search in text or search in msisdn)
            for _ in range(batch.msisdns.count(msisdn))
        ]
        return JSONResponse({"total": len(found), "messages": [*map(_bubble, found[-_limit(request) :])]})

    async def calls(self, request: Request) -> Response:
        """Return the newest calls, the last one first."""
        wanted = [
            call
            for call in reversed(self._state.calls)
            if "trouble" not in request.query_params or call.answered != Code.PUSHED
        ]
        return JSONResponse(
            {"total": len(wanted), "calls": [_explained(call) for call in wanted[: _limit(request)]]}
        )

    async def kinds_of_fault(self, _: Request) -> Response:
        """Return the kinds of faults, and their fields."""
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
        """Return server-sent events: one immediately, and one whenever something has changed."""
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


def _bubble(batch: Batch) -> Mapping[str, Any]:
    delivery = batch.delivery
    return delivery.as_json() | {"segments": segments(delivery.text, Lang(delivery.lang))}


def _filter(request: Request) -> tuple[str, str | None]:
    return request.query_params.get("q", "").casefold(), request.query_params.get("call")


def _limit(request: Request) -> int:
    limit = request.query_params.get("limit", "")
    return int(limit) if limit.isdecimal() and len(limit) < _MANY_DIGITS else PAGE_SIZE


def _explained(call: Call) -> Mapping[str, Any]:
    by_rules = call.answered == call.code
    return asdict(call) | {
        "meaning": None if call.answered is None else explain(call.answered, by_rules=by_rules),
        "fault_meaning": call.fault and _FAULTS[call.fault],
    }
