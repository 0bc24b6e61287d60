"""Keep the sandbox's state, which the threads of the server and of the test share under one lock."""

import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from .account import Account
from .faults import Fault, HttpStatus
from .gateway import Credentials, Submission, Verdict, judge, parse_query
from .journal import Batch, JournalFile, Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call, accepted or not. It does not include the password."""

    number: int
    #: ISO date-time, UTC.
    at: str
    #: The client's port. Calls with the same port used the same connection.
    client_port: int
    #: The number of mobile numbers in the call.
    numbers: int
    #: Bytes of the raw query string.
    query_length: int
    #: The gateway's return code; ``None`` if it did not process the call.
    code: int | None
    #: The return code that the client got; ``None`` if a fault replaced it.
    answered: int | None
    #: The fault that the call got.
    fault: str | None
    #: The number of messages accepted.
    accepted: int


@dataclass(frozen=True, kw_only=True)
class QueryTooLong(HttpStatus):
    """The web server (IIS) rejects a long query string, before the application sees the call."""

    kind: ClassVar[str] = "query_too_long"
    status: int = 404
    body: str = (
        "<!DOCTYPE html><html><head><title>404 - File or directory not found.</title></head><body>"
        "<h1>Server Error</h1><h2>404 - File or directory not found.</h2></body></html>"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """How to answer a call: its code or a fault, after `latency` seconds."""

    code: int | None
    fault: Fault | None
    latency: float


class State:
    """The account, the queued faults, and all calls and messages."""

    def __init__(self, *, user: str, password: str, journal: Path | None = None) -> None:
        self._credentials = Credentials(user=user, password=password)
        self._file = JournalFile(journal) if journal else None
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Restore the initial state. The journal file keeps its content."""
        with self._lock:
            self._account = Account()
            self._faults: deque[Fault | None] = deque()
            self._calls: list[Call] = []
            self._batches: list[Batch] = []
            self._accepted = 0
            self._run = os.urandom(4).hex()

    @property
    def account(self) -> Account:
        """The current account."""
        return self._account

    @property
    def calls(self) -> list[Call]:
        """All calls since the last reset."""
        with self._lock:
            return list(self._calls)

    @property
    def messages(self) -> list[Message]:
        """All accepted messages since the last reset."""
        with self._lock:
            batches = list(self._batches)
        return [message for batch in batches for message in batch.messages()]

    @property
    def counts(self) -> tuple[str, int, int, int]:
        """The run, and its numbers of calls, messages and queued faults."""
        with self._lock:
            return self._run, len(self._calls), self._accepted, len(self._faults)

    def batches_from(self, first: int) -> tuple[str, list[Batch]]:
        """Return the run, and its accepted calls from a position on."""
        with self._lock:
            return self._run, self._batches[first:]

    @property
    def faults(self) -> list[Fault | None]:
        """The queued faults."""
        with self._lock:
            return list(self._faults)

    def configure(self, settings: Mapping[str, Any]) -> Account:
        """Change settings of the account. Raises `account.InvalidSettingError`."""
        with self._lock:
            self._account = self._account.changed(settings)
            return self._account

    def fail(self, faults: Sequence[Fault | None]) -> None:
        """Queue faults for the next calls, one each."""
        with self._lock:
            self._faults.extend(faults)

    def clear_faults(self) -> None:
        """Remove all queued faults."""
        with self._lock:
            self._faults.clear()

    def take(self, method: str, query: bytes, client_port: int) -> Reply:
        """Process and record a call under the lock, so that every answer is recorded before it is sent."""
        parameters = parse_query(query) if method == "GET" else None
        now = datetime.now(UTC)
        with self._lock:
            number = len(self._calls) + 1
            fault = self._next_fault(len(query))
            verdict = self._judge(parameters, now) if fault is None or fault.accept else None
            accepted = verdict.accepted if verdict else None
            if accepted:
                self._record(number, accepted)
            if verdict:
                self._account = verdict.account
            code = int(verdict.code) if verdict else None
            call = Call(
                number=number,
                at=now.isoformat(),
                client_port=client_port,
                numbers=_count_numbers(parameters),
                query_length=len(query),
                code=code,
                answered=fault.answered(code) if fault else code,
                fault=fault.kind if fault else None,
                accepted=len(accepted.numbers) if accepted else 0,
            )
            self._calls.append(call)
            return Reply(code=call.code, fault=fault, latency=self._account.latency)

    def _next_fault(self, query_length: int) -> Fault | None:
        limit = self._account.max_query_length
        if limit is not None and query_length > limit:
            return QueryTooLong()
        if not self._faults:
            return None
        fault = self._faults.popleft()
        if fault and fault.times > 1:
            self._faults.appendleft(replace(fault, times=fault.times - 1))
        return fault

    def _judge(self, parameters: Mapping[str, str] | None, now: datetime) -> Verdict:
        return judge(parameters, credentials=self._credentials, account=self._account, now=now)

    def _record(self, number: int, accepted: Submission) -> None:
        batch = Batch.of(accepted, run=self._run, call=number)
        if self._file:
            self._file.append(batch.json_lines())
        self._batches.append(batch)
        self._accepted += len(accepted.numbers)


def _count_numbers(parameters: Mapping[str, str] | None) -> int:
    mobile_no = (parameters or {}).get("MobileNo")
    return mobile_no.count(",") + 1 if mobile_no else 0
