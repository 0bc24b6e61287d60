"""Find the calls of a plan that remain, from the ledger's records of earlier sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby

from airflow_provider_ismart.core.attempt import Attempt, MessageKey
from airflow_provider_ismart.core.batching import Batch, CallLimits, batches
from airflow_provider_ismart.core.ledger import MAYBE_SENT, Entry, Ledger, State
from airflow_provider_ismart.core.other_tasks import SETTLED_AS_ACCEPTED, Pending, RowsOfOtherTasks
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.plan import Group, Plan

#: How many numbers to look up per chunk. A ledger may read all of its calls for each look-up.
LOOKUP_SIZE = 250_000

_BY_THIS_TRY = {
    State.ACCEPTED: (Outcome.ALREADY_SENT, "accepted earlier in this try"),
    State.UNCERTAIN: (Outcome.UNCERTAIN, "this try sent it earlier and got no clear answer"),
}


def unsent(
    plan: Plan,
    ledger: Ledger,
    limits: CallLimits,
    other_tasks: RowsOfOtherTasks,
    *,
    attempt: Attempt | None = None,
    resend_uncertain: bool = False,
) -> Callable[[], Iterator[Batch]]:
    """Record in the plan which rows were submitted earlier, and return a function that yields the remaining calls.

    A number gets at most as many messages as one try has rows for it. So a recorded message replaces one of the
    number's rows, even if the text has changed since and is no longer in the plan.

    :param attempt: the messages of this try's earlier sends, if it sends several times.
    :param resend_uncertain: whether uncertain messages are sent again, so that everyone gets them at least once.
    """
    lookup = _Lookup(plan, ledger, other_tasks, attempt, resend_uncertain=resend_uncertain)
    if attempt:
        _recognise_repeats(plan, attempt)
    for batch in batches(plan.groups, limits):
        by = ledger.accepted_by(batch)  # one look-up for all numbers of a call
        if by is None:
            lookup.add(batch)
        else:
            outcome, reason = _submitted(State.ACCEPTED, by)
            plan.outcomes.set(batch.rows, outcome, reason=reason)
    lookup.run()
    replaced = lookup.match_other_texts()

    is_open = plan.outcomes.having(
        {Outcome.NOT_ATTEMPTED, Outcome.UNCERTAIN} if resend_uncertain else {Outcome.NOT_ATTEMPTED}
    )

    def is_left(row: int) -> bool:
        return is_open(row) and row not in replaced and row not in other_tasks

    return lambda: batches(lookup.groups, limits, is_left)


def _recognise_repeats(plan: Plan, attempt: Attempt) -> None:
    for group in plan.groups:
        key = (group.message.digest, group.copy)
        for row, msisdn in group.numbers:
            if state := attempt.state(msisdn, key):
                outcome, reason = _BY_THIS_TRY[state]
                plan.outcomes.set([row], outcome, reason=reason)


def _submitted(state: State, by: str) -> tuple[Outcome, str]:
    """Return the outcome and reason of a row whose message is on record."""
    if state is State.CONFIRMED:
        return Outcome.ALREADY_SENT, SETTLED_AS_ACCEPTED
    if state is State.ACCEPTED:
        return Outcome.ALREADY_SENT, f"accepted by {by}" if by else "accepted in an earlier try"
    return Outcome.UNCERTAIN, f"{by or 'an earlier try'} got no clear answer for it"


class _Lookup:
    """Look up numbers whose call is not on record as a whole."""

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        other_tasks: RowsOfOtherTasks,
        attempt: Attempt | None,
        *,
        resend_uncertain: bool,
    ) -> None:
        self._resend_uncertain = resend_uncertain
        self._plan = plan
        self._ledger = ledger
        self._other_tasks = other_tasks
        self._attempt = attempt
        self._calls: list[Batch] = []
        self._size = 0
        self._are_all_calls_here = True
        #: Recorded messages with other texts, by number, if a row of the number is not on record.
        self._others: dict[str, dict[MessageKey, Entry]] = {}
        self._rows_with_others: list[tuple[int, str]] = []

    def add(self, batch: Batch) -> None:
        if self._size > LOOKUP_SIZE:
            self.run()
            self._calls, self._size, self._are_all_calls_here = [], 0, False
        self._calls.append(batch)
        self._size += len(batch.rows)

    @property
    def groups(self) -> Iterator[Group]:
        """The groups of the rows that were added, or of the whole plan if there were too many for one look-up."""
        if not self._are_all_calls_here:
            yield from self._plan.groups
            return
        for (message, copy), same in groupby(self._calls, lambda batch: (batch.message, batch.copy)):
            calls = list(same)
            rows = chain.from_iterable(batch.rows for batch in calls)
            msisdns = chain.from_iterable(batch.msisdns for batch in calls)
            yield Group(message, copy, rows, msisdns)

    def run(self) -> None:
        """Record the outcomes of the added rows that are on record."""
        recorded = self._ledger.recorded({msisdn for batch in self._calls for msisdn in batch.msisdns})
        if not recorded:
            return
        is_open = self._plan.outcomes.having({Outcome.NOT_ATTEMPTED})
        for batch in self._calls:
            key = (batch.message.digest, batch.copy)
            for row, msisdn in batch.numbers:
                if msisdn not in recorded or not is_open(row):
                    continue
                entries = _submitted_entries(recorded[msisdn])
                if entry := entries.get(key):
                    self._record(row, msisdn, entry)
                    # sent again, unless another text was accepted instead
                    if not (self._resend_uncertain and entry.state is State.UNCERTAIN):
                        continue
                if others := self._unmatched_texts(msisdn, entries):
                    self._others[msisdn] = others
                    self._rows_with_others.append((row, msisdn))

    def _unmatched_texts(self, msisdn: str, entries: dict[MessageKey, Entry]) -> dict[MessageKey, Entry]:
        others = {key: entry for key, entry in entries.items() if not entry.same_text_only}
        return self._attempt.unmatched(msisdn, others) if self._attempt else others

    def match_other_texts(self) -> set[int]:
        """Match rows with recorded messages whose texts are no longer in the plan; return the matched rows."""
        if self._resend_uncertain:
            for entries in self._others.values():
                for key in [key for key, entry in entries.items() if entry.state is State.UNCERTAIN]:
                    del entries[key]
        if self._others:
            for group in self._plan.groups:
                key = (group.message.digest, group.copy)
                for _, msisdn in group.numbers:
                    if msisdn in self._others:
                        self._others[msisdn].pop(key, None)
        replaced = set()
        for row, msisdn in self._rows_with_others:
            if others := self._others[msisdn]:
                _, entry = others.popitem()
                self._record(row, msisdn, entry, ", with another text")
                replaced.add(row)
        return replaced

    def _record(self, row: int, msisdn: str, entry: Entry, how: str = "") -> None:
        if self._attempt:
            self._attempt.match(msisdn, (entry.digest, entry.copy))
        if entry.state is State.SUBMITTING:
            self._other_tasks.add(row, Pending(msisdn, entry.digest, entry.copy), how)
        else:
            outcome, reason = _submitted(entry.state, entry.by)
            self._plan.outcomes.set([row], outcome, reason=reason + how)


def _submitted_entries(entries: Iterable[Entry]) -> dict[MessageKey, Entry]:
    return {(entry.digest, entry.copy): entry for entry in entries if entry.state in MAYBE_SENT}
