"""What earlier tries handed over -> which calls of a plan are still to be made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby

from airflow_provider_ismart.sms.batches import Batch, CallLimits, batches
from airflow_provider_ismart.sms.elsewhere import Elsewhere, Pending
from airflow_provider_ismart.sms.ledger import HANDED_OVER, Entry, Ledger, State
from airflow_provider_ismart.sms.plan import Group, Plan
from airflow_provider_ismart.sms.report import Outcome

#: What a row is put down as whose message is on record in a state, and why.
_PUT_DOWN_AS = {
    State.ACCEPTED: (Outcome.ALREADY_SENT, "accepted in an earlier try"),
    State.UNCERTAIN: (Outcome.UNCERTAIN, "an earlier try did not learn whether it was accepted"),
}

#: How many numbers are looked up in one go; a ledger may read all of its calls for each.
LOOK_UP_SIZE = 250_000

#: A message's digest and which copy of it.
_Key = tuple[str, int]


def unsent(
    plan: Plan,
    ledger: Ledger,
    limits: CallLimits,
    elsewhere: Elsewhere,
    *,
    resend_uncertain: bool = False,
    replaces_texts: bool = True,
) -> Iterator[Batch]:
    """Put down what became of the rows that were handed over; return the calls for the others.

    A number is handed at most as many messages as the plan has rows for it: where ``replaces_texts``, a message
    on record whose text the plan does not have any more, for it was changed between two tries, stands for one
    of the number's rows. Where a ledger holds several sends that know nothing of each other it cannot. One that
    is uncertain does not either, where ``resend_uncertain`` asks for everybody to be told at least once.
    """
    unknown = _Unknown(plan, ledger, elsewhere)
    outcome, reason = _PUT_DOWN_AS[State.ACCEPTED]
    for batch in batches(plan.groups, limits):
        if ledger.has_accepted(batch):  # most that a try left behind: one look for all of its numbers
            plan.outcomes.set(batch.rows, outcome, reason=reason)
        else:
            unknown.add(batch)
    unknown.look_up()
    replaced = unknown.put_down_replaced(with_uncertain=not resend_uncertain) if replaces_texts else frozenset()

    is_open = plan.outcomes.having(
        {Outcome.NOT_ATTEMPTED, Outcome.UNCERTAIN} if resend_uncertain else {Outcome.NOT_ATTEMPTED}
    )

    def is_left(row: int) -> bool:
        return is_open(row) and row not in replaced and row not in elsewhere

    return batches(unknown.groups, limits, is_left)


class _Unknown:
    """The rows of a plan whose very call is not on record, so that each number has to be looked up."""

    def __init__(self, plan: Plan, ledger: Ledger, elsewhere: Elsewhere) -> None:
        self._plan = plan
        self._ledger = ledger
        self._elsewhere = elsewhere
        self._calls: list[Batch] = []
        self._size = 0
        self._are_all_calls_here = True
        #: By number, what else it was handed, where a row of its own is not on record.
        self._others: dict[str, dict[_Key, State]] = {}
        self._rows_with_others: list[tuple[int, str]] = []

    def add(self, batch: Batch) -> None:
        if self._size > LOOK_UP_SIZE:
            self.look_up()
            self._calls, self._size, self._are_all_calls_here = [], 0, False
        self._calls.append(batch)
        self._size += len(batch.rows)

    @property
    def groups(self) -> Iterator[Group]:
        """What holds all of these rows: they themselves where they are few, else the whole plan."""
        if not self._are_all_calls_here:
            yield from self._plan.groups
            return
        for (message, copy), same in groupby(self._calls, lambda batch: (batch.message, batch.copy)):
            calls = list(same)
            rows = chain.from_iterable(batch.rows for batch in calls)
            msisdns = chain.from_iterable(batch.msisdns for batch in calls)
            yield Group(message, copy, rows, msisdns)

    def look_up(self) -> None:
        """Put down what is on record of the rows that were added last."""
        recorded = self._ledger.recorded({msisdn for batch in self._calls for msisdn in batch.msisdns})
        if not recorded:
            return
        for batch in self._calls:
            key = (batch.message.digest, batch.copy)
            for row, msisdn in batch.numbers:
                states = _handed_over(recorded.get(msisdn, ()))
                if key in states:
                    self._put_down(row, Pending(msisdn, *key), states[key])
                elif states:
                    self._others[msisdn] = states
                    self._rows_with_others.append((row, msisdn))

    def put_down_replaced(self, *, with_uncertain: bool) -> set[int]:
        """Let what was handed over in texts that the plan does not have any more stand for rows; return those."""
        if not with_uncertain:
            for states in self._others.values():
                for key in [key for key, state in states.items() if state is State.UNCERTAIN]:
                    del states[key]
        if self._others:
            for group in self._plan.groups:
                key = (group.message.digest, group.copy)
                for _, msisdn in group.numbers:
                    if msisdn in self._others:
                        self._others[msisdn].pop(key, None)
        replaced = set()
        for row, msisdn in self._rows_with_others:
            if others := self._others[msisdn]:
                key, state = others.popitem()
                self._put_down(row, Pending(msisdn, *key), state, ", with another text")
                replaced.add(row)
        return replaced

    def _put_down(self, row: int, pending: Pending, state: State, how: str = "") -> None:
        if state is State.SUBMITTING:
            self._elsewhere.add(row, pending)
        else:
            outcome, reason = _PUT_DOWN_AS[state]
            self._plan.outcomes.set([row], outcome, reason=reason + how)


def _handed_over(entries: Iterable[Entry]) -> dict[_Key, State]:
    return {(entry.digest, entry.copy): entry.state for entry in entries if entry.state in HANDED_OVER}
