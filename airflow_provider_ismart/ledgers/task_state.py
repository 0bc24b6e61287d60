"""The ledger in Airflow's task state store (Airflow 3.3 and later): nothing to set up.

The store belongs to one task of one run (and map index), outlives tries, killed workers and clearing, and goes
with the run. It cannot list its keys, so the ledger is a log on pages whose keys are numbered. A write puts down
one page as a whole, so that it is there or not. A task whose try is over can write no more, for the store's API
refuses it; that is what stops a zombie.
"""

from __future__ import annotations

import json
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Collection, Mapping, Sequence
from secrets import token_bytes
from typing import Any, Protocol

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.ledger import STATE_OF_FATE, Entry, State
from airflow_provider_ismart.core.outcomes import CallOutcome
from airflow_provider_ismart.ledgers.records import KEY_BYTES, Call, Records, shared_entry

PAGE_KEY = "ismart_ledger_{}"

#: In characters of JSON. Airflow warns over 65,535 bytes; a page is written anew with each write to it.
PAGE_SIZE = 32_000


class TaskStateStore(Protocol):
    """What this ledger uses of ``context["task_state_store"]``."""

    def get(self, key: str) -> Any:
        """Return the value, or ``None``."""

    def set(self, key: str, value: Any, *, retention: Any) -> None:
        """Put the value down for ``retention``."""


def is_empty(store: TaskStateStore) -> bool:
    """Whether no ledger has been begun in the store, or none is left."""
    return store.get(PAGE_KEY.format(0)) is None


def has_calls(store: TaskStateStore) -> bool:
    """Whether a ledger in the store has a call on record."""
    return bool((store.get(PAGE_KEY.format(0)) or {}).get("calls"))


class TaskStateLedger:
    """A ledger for all tries of one task instance.

    A page is ``{"calls": [[number, digest, copy, fingerprint, hashes], …], "ended": {state: [number, …]}}``;
    calls are numbered through all pages, and the first page holds the hashes' ``key`` too.
    """

    _records: Records

    def __init__(self, store: TaskStateStore) -> None:
        self._store = store
        self._is_claimed = False
        self._numbers: dict[Batch, int] = {}
        #: Intents whose write has failed: they may be on record, and their calls never go out.
        self._ungranted: list[int] = []

    def take_over(self) -> bool:
        """Read what earlier tries recorded; what they left in flight is UNCERTAIN from now on."""
        if self._is_claimed:
            return bool(self._records)
        pages = self._read_pages() or [{"key": token_bytes(KEY_BYTES).hex(), "calls": [], "ended": {}}]
        self._page_number = len(pages) - 1
        self._page = pages[-1]
        self._page_size = len(json.dumps(self._page))
        self._records = Records(bytes.fromhex(pages[0]["key"]))
        calls = [call for page in pages for call in page["calls"]]
        ended: dict[int, str] = {}
        for page in pages:
            for state, numbers in page["ended"].items():
                ended.update(dict.fromkeys(numbers, state))
        for number, digest, copy, fingerprint, hashes in calls:
            entry = shared_entry(digest, copy, ended.get(number, State.UNCERTAIN.value))
            self._records.add(Call(entry, a2b_base64(fingerprint), a2b_base64(hashes)))
        self._next_number = len(calls)
        for number in range(len(calls)):
            if number not in ended:
                self._put_down_end(number, State.UNCERTAIN)
        self._save()  # now, so that a task that may not write does not send
        self._is_claimed = True
        return bool(self._records)

    def accepted_by(self, batch: Batch) -> str | None:
        """Return ``""`` if this very call is on record as accepted, else ``None``."""
        return self._records.accepted_by(batch)

    def _read_pages(self) -> list[dict[str, Any]]:
        pages: list[dict[str, Any]] = []
        while (page := self._store.get(PAGE_KEY.format(len(pages)))) is not None:
            pages.append(page)
        return pages

    def recorded(
        self,
        msisdns: Collection[str],
        *,
        anew: bool = False,  # noqa: ARG002  # nobody else writes here
    ) -> Mapping[str, Sequence[Entry]]:
        """Return what was on record for those of the numbers that had anything on record."""
        return self._records.recorded(msisdns)

    def write(self, settled: Sequence[tuple[Batch, CallOutcome]], intents: Sequence[Batch]) -> Sequence[Batch]:
        """Record how calls ended and which are about to go out; return the intents.

        :raises AirflowRuntimeError: the store refuses; this try is over.
        """
        while self._ungranted:
            self._put_down_end(self._ungranted[-1], State.NOT_SENT)
            self._ungranted.pop()
        for batch, outcome in settled:
            if batch in self._numbers:  # or the page has it from a write that failed
                self._put_down_end(self._numbers[batch], STATE_OF_FATE[outcome.fate])
                del self._numbers[batch]
        for batch in intents:
            call = self._records.call(batch, State.SUBMITTING)
            packed = [b64encode(part).decode() for part in (call.fingerprint, call.hashes)]
            self._make_room(sum(map(len, packed)) + 44)
            self._page["calls"].append([self._next_number, call.entry.digest, call.entry.copy, *packed])
            self._numbers[batch] = self._next_number
            self._ungranted.append(self._next_number)
            self._next_number += 1
        self._save()
        self._ungranted.clear()
        return intents

    def _put_down_end(self, number: int, state: State) -> None:
        self._make_room(12)
        self._page["ended"].setdefault(state.value, []).append(number)

    def _make_room(self, characters: int) -> None:
        """Go on to the next page where this one has no room for as many more."""
        if self._page_size + characters > PAGE_SIZE:
            self._save()
            self._page_number += 1
            self._page, self._page_size = {"calls": [], "ended": {}}, 0
        self._page_size += characters

    def _save(self) -> None:
        from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # noqa: PLC0415  # not before Airflow 3.3

        self._store.set(PAGE_KEY.format(self._page_number), self._page, retention=NEVER_EXPIRE)
