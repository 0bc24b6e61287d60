"""Keep a ledger in Airflow's task state store (Airflow 3.3 and later), which needs no setup.

The store belongs to one task (and map index) of one run. It survives tries, killed workers and clears, and is
deleted with the run. It cannot list its keys, so the ledger is a log on pages with numbered keys. Each page is
written atomically. The store's API rejects writes of a try that has ended, which stops zombies.
"""

from __future__ import annotations

import json
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from secrets import token_bytes
from typing import Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_ismart.coordination.task_identity import TaskIdentity
from airflow_provider_ismart.core.ledger import STATE_OF_FATE, State
from airflow_provider_ismart.core.outcomes import CallOutcome
from airflow_provider_ismart.ledgers.base import LedgerRequest, OpenLedger, StoredLedger
from airflow_provider_ismart.ledgers.current_try import CurrentTry, EarlierRecords
from airflow_provider_ismart.ledgers.index_plans import StoredIndexPlans, check_index, index_start_recorder
from airflow_provider_ismart.ledgers.records import KEY_BYTES, Call, Records, shared_entry
from airflow_provider_ismart.ledgers.refusals import records_elsewhere, unknown_tries
from airflow_provider_ismart.ledgers.state_store import TaskStateStore, store_forever

PAGE_KEY = "ismart_ledger_{}"
SQL_LEDGER_KEY = "ismart_sql_ledger"

#: The size of a full page, in characters of JSON. Airflow warns about values over 65,535 bytes.
PAGE_SIZE = 32_000

#: The most writes to a page. Each write stores the whole page, and 25 KB take 1.6 times as long as 3 KB, so a loop
#: of single sends should not fill its pages. A send of many calls fills a page in about six writes.
PAGE_WRITES = 64


def open_task_state(request: LedgerRequest) -> AbstractContextManager[OpenLedger] | None:
    """Open the ledger in the task state store, if Airflow has one.

    :raises ISmartUncertainFinalError: the store does not show what earlier tries or other mapped indexes sent.
    """
    task, store, this_try = request.this_try.task, request.store, request.this_try
    if task is None or store is None:
        return None
    this_try.has_lasting_ledger = True
    ledger = this_try.ledgers.get((None, None))
    if ledger is None:
        _check_emptied(store, this_try, task)
        ledger = this_try.ledgers[None, None] = TaskStateLedger(store)
    before_first_call = this_try.mark_first_call
    if task.is_mapped and request.plan.parts:
        plans = this_try.index_plans = this_try.index_plans or StoredIndexPlans(store)
        known = plans.plan(this_try.sends)
        planned = check_index(task, this_try.mapped_send_start(task), request.plan, known)
        if planned != known:
            plans.record(this_try.sends, planned)
        this_try.sends += 1
        before_first_call = index_start_recorder(this_try, task, request.plan, planned)
    return nullcontext(OpenLedger(ledger=ledger, before_first_call=before_first_call))


def _check_emptied(store: TaskStateStore, this_try: CurrentTry, task: TaskIdentity) -> None:
    if store.get(PAGE_KEY.format(0)) is not None:
        return
    if earlier_records(this_try, store).in_sql:
        raise records_elsewhere("Airflow's task state store")
    if _may_be_emptied() and task.try_number > 1:
        raise unknown_tries(task, "and Airflow has emptied its task state store meanwhile")


def _may_be_emptied() -> bool:
    """Return whether Airflow may have emptied a task's store: after a success or, from 3.4 on, after a clear."""
    from airflow import __version__  # noqa: PLC0415  # only known at run time

    major, minor = map(int, __version__.split(".")[:2])
    return (major, minor) >= (3, 4) or conf.getboolean("state_store", "clear_on_success", fallback=False)


def earlier_records(this_try: CurrentTry, store: TaskStateStore | None) -> EarlierRecords:
    """Return where earlier tries left records, according to the task state store."""
    if store is None:
        return EarlierRecords(in_sql=False, in_store=False)
    if this_try.earlier_records is None:  # read only once, because this try's own sends also leave records
        has_calls = bool((store.get(PAGE_KEY.format(0)) or {}).get("calls"))
        this_try.earlier_records = EarlierRecords(in_sql=store.get(SQL_LEDGER_KEY) is not None, in_store=has_calls)
    return this_try.earlier_records


def record_sql_ledger(store: TaskStateStore) -> None:
    """Record that this task has a SQL ledger, so that a retry notices if the database is gone."""
    store_forever(store, SQL_LEDGER_KEY, True)  # noqa: FBT003  # a JSON value


class TaskStateLedger(StoredLedger[None]):
    """Read and write the ledger of one task instance.

    A page is ``{"calls": [[number, digest, copy, fingerprint, hashes], …], "ended": {state: [number, …]}}``.
    Calls are numbered across all pages. The first page also holds the ``key`` of the hashes.
    """

    def __init__(self, store: TaskStateStore) -> None:
        super().__init__()
        self._store = store
        #: Full pages that must be stored before the current one, by page number.
        self._unsaved: dict[int, dict[str, Any]] = {}

    def _claim(self) -> Records:
        pages = self._read_pages() or [{"key": token_bytes(KEY_BYTES).hex(), "calls": [], "ended": {}}]
        self._unsaved.clear()
        self._page_number = len(pages) - 1
        self._page = pages[-1]
        self._page_size = len(json.dumps(self._page))
        self._page_writes = 0
        records, (numbers, ended) = _records(pages), _contents(pages)
        self._next_number = len(numbers)
        for number in numbers:
            if number not in ended:
                self._record_end(number, State.UNCERTAIN)
        self._save()  # even if nothing has changed, so that a task that cannot write does not send
        return records

    def _load(self, _: None = None) -> Records:
        return self._records  # there are no other writers

    def _read_pages(self) -> list[dict[str, Any]]:
        pages: list[dict[str, Any]] = []
        while (page := self._store.get(PAGE_KEY.format(len(pages)))) is not None:
            pages.append(page)
        return pages

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Change the pages, then store them.

        If storing fails, the changes stay on the pages, and the next write stores them.
        """
        if self._page_writes >= PAGE_WRITES:
            self._turn_page()
        yield
        self._save()

    def _withdraw(self, _: None, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._record_end(number, State.NOT_SENT)

    def _record_outcomes(self, _: None, ended: Sequence[tuple[int, CallOutcome]]) -> None:
        for number, outcome in ended:
            self._record_end(number, STATE_OF_FATE[outcome.fate])

    def _record_calls(self, _: None, calls: Sequence[Call]) -> Sequence[int]:
        numbers = range(self._next_number, self._next_number + len(calls))
        for number, call in zip(numbers, calls, strict=True):
            packed = [b64encode(part).decode() for part in (call.fingerprint, call.hashes)]
            self._make_room(sum(map(len, packed)) + 44)
            self._page["calls"].append([number, call.entry.digest, call.entry.copy, *packed])
            if call.entry.state is not State.SUBMITTING:
                self._record_end(number, call.entry.state)
        self._next_number = numbers.stop
        return numbers

    def _record_end(self, number: int, state: State) -> None:
        self._make_room(12)
        self._page["ended"].setdefault(state.value, []).append(number)

    def _make_room(self, characters: int) -> None:
        """Begin a new page if this one does not have room for this many characters."""
        if self._page_size + characters > PAGE_SIZE:
            self._unsaved[self._page_number] = self._page
            self._turn_page()
        self._page_size += characters

    def _turn_page(self) -> None:
        self._page_number += 1
        self._page, self._page_size, self._page_writes = {"calls": [], "ended": {}}, 0, 0

    def _save(self) -> None:
        """Store changed pages, in order."""
        while self._unsaved:
            number = next(iter(self._unsaved))
            store_forever(self._store, PAGE_KEY.format(number), self._unsaved[number])
            del self._unsaved[number]
        store_forever(self._store, PAGE_KEY.format(self._page_number), self._page)
        self._page_writes += 1


def _contents(pages: Sequence[dict[str, Any]]) -> tuple[range, dict[int, str]]:
    """Return the numbers of all calls, and the states of those that have ended."""
    ended: dict[int, str] = {}
    for page in pages:
        for state, numbers in page["ended"].items():
            ended.update(dict.fromkeys(numbers, state))
    return range(sum(len(page["calls"]) for page in pages)), ended


def _records(pages: Sequence[dict[str, Any]]) -> Records:
    records = Records(bytes.fromhex(pages[0]["key"]))
    _, ended = _contents(pages)
    for page in pages:
        for number, digest, copy, fingerprint, hashes in page["calls"]:
            entry = shared_entry(digest, copy, ended.get(number, State.UNCERTAIN.value))
            records.add(Call(entry, a2b_base64(fingerprint), a2b_base64(hashes)))
    return records
