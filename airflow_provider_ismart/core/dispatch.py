"""Decide which call is next, how its outcome affects the others, and when to stop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum

from airflow_provider_ismart.core.attempt import Attempt
from airflow_provider_ismart.core.batching import Batch, CallLimits, batches
from airflow_provider_ismart.core.cost import Cost
from airflow_provider_ismart.core.ledger import Ledger
from airflow_provider_ismart.core.other_tasks import Pending, RowsOfOtherTasks
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate, Outcome
from airflow_provider_ismart.core.plan import Plan
from airflow_provider_ismart.core.resume import unsent
from airflow_provider_ismart.core.return_codes import Kind, return_code
from airflow_provider_ismart.core.settlement import NO_SETTLEMENTS, NOTHING_SETTLED, Settlements

#: Stop after this many uncertain calls in a row, because the next ones would probably be uncertain too.
MAX_UNCERTAIN_IN_A_ROW = 3

#: Stop after this many calls refused for their numbers, if none was accepted: the numbers are not the cause.
MAX_REFUSED_BEFORE_ACCEPTED = 50

#: The HTTP statuses with which IIS rejects a call for its length (the gateway runs ASP.NET on IIS).
_TOO_LONG_STATUSES = frozenset({400, 404, 414})


class OnRefused(Enum):
    """What to do with a batch that is refused for one of its numbers."""

    #: Split it until the refused numbers are alone, so that the others get their message.
    ISOLATE = "isolate"
    #: Skip all of its numbers.
    SKIP = "skip"
    #: Stop the send.
    FAIL = "fail"


class Submission:
    """Decide which calls are made, in which order, and when to stop.

    Calls are made one at a time until one is accepted, and again after an uncertain call.
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        limits: CallLimits,
        *,
        on_refused: OnRefused = OnRefused.ISOLATE,
        resend_uncertain: bool = False,
        attempt: Attempt | None = None,
        before_first_call: Callable[[], None] = lambda: None,
        settlements: Settlements = NO_SETTLEMENTS,
    ) -> None:
        #: Rows that other tasks are sending.
        self.other_tasks = RowsOfOtherTasks(plan.outcomes, ledger)
        has_records = ledger.claim()
        #: The uncertain messages of earlier tries that this try settles.
        self.settlement = ledger.settle(settlements) if settlements.by_number else NOTHING_SETTLED
        self._unsent: Callable[[], Iterator[Batch]] = (
            unsent(plan, ledger, limits, self.other_tasks, attempt=attempt, resend_uncertain=resend_uncertain)
            if has_records or attempt
            else lambda: batches(plan.groups, limits)
        )
        self._waiting = self._unsent()
        self.outcomes = plan.outcomes
        self._ledger = ledger
        self._before_first_call: Callable[[], None] | None = before_first_call
        #: Calls made, repeated ones included.
        self.calls = 0
        #: The parts of all accepted messages.
        self.parts = 0
        #: How many accepted rows are scheduled because of quiet hours, and their latest delivery time.
        self.scheduled = 0
        self.scheduled_for: datetime | None = None
        #: The outcome that stopped the send, if any; the gravest if there are several.
        self.stopped_by: CallOutcome | None = None
        #: The codes that refused rows for a reason other than their number.
        self.refused_texts: set[int] = set()
        self._on_refused = on_refused
        self._first: deque[Batch] = deque()
        #: Texts that cannot be sent, with the outcome of all their rows.
        self._unsendable_texts: dict[str, tuple[Outcome, str]] = {}
        #: Whether the server rejected a text for its length.
        self.had_too_long_text = False
        #: Whether concurrent calls are safe: a call was accepted, and no uncertain one followed.
        self.is_proven = False
        self._accepted_rows = 0
        self._refused_calls = 0
        self._uncertain_in_a_row = 0

    @property
    def reached_anybody(self) -> bool:
        """Whether a message was accepted, in this try or an earlier one."""
        counts = self.outcomes.counts()
        return bool(counts[Outcome.ACCEPTED] or counts[Outcome.ALREADY_SENT])

    def planned_cost(self) -> Cost:
        """Return the cost of this try's calls, before the first one."""
        return Cost.of(self._unsent())

    def take(self, in_flight: int, window: int) -> list[Batch]:
        """Return the batches to submit next.

        :param in_flight: how many calls have not ended.
        :param window: how many calls may be in flight.
        """
        taken: list[Batch] = []
        room = (window if self.is_proven else 1) - in_flight
        while len(taken) < room and not self.stopped_by and (batch := self._next()):
            taken.append(batch)
        return taken

    def _next(self) -> Batch | None:
        while batch := self._first.popleft() if self._first else next(self._waiting, None):
            unsendable = self._unsendable_texts.get(batch.message.text)
            if unsendable is None:
                return batch
            outcome, reason = unsendable
            self._record(batch, outcome, reason=reason)
        return None

    def record(self, settled: Mapping[Batch, CallOutcome], intents: Sequence[Batch]) -> Sequence[Batch]:
        """Record outcomes and intents in the ledger; return the intents whose calls may start."""
        if intents and self._before_first_call:
            self._before_first_call()
            self._before_first_call = None
        granted = self._ledger.write(list(settled.items()), intents)
        if list(granted) != list(intents):
            self._leave_to_others(intents, granted)
        return granted

    def _leave_to_others(self, intents: Sequence[Batch], granted: Sequence[Batch]) -> None:
        mine = {row for batch in granted for row in batch.rows}
        for batch in intents:
            for row, msisdn in batch.numbers:
                if row not in mine:
                    self.other_tasks.add(row, Pending(msisdn, batch.message.digest, batch.copy))

    def requeue(self, unsent: Sequence[Batch]) -> None:
        """Put batches whose calls did not start back at the front of the queue."""
        self._first.extendleft(reversed(unsent))

    def is_terminal(self, batch: Batch, outcome: CallOutcome) -> bool:
        """Return whether this outcome stops the send, regardless of the other calls in flight."""
        if outcome.is_paused:
            return False
        match outcome.fate:
            case Fate.ACCEPTED | Fate.UNCERTAIN:
                return False
            case Fate.NOT_SENT:
                return not _is_too_long(batch, outcome) or self._has_only_refused()
        return self._refusal_is_terminal(batch, return_code(outcome.code or 0).kind)

    def _refusal_is_terminal(self, batch: Batch, kind: Kind) -> bool:
        if self._on_refused is OnRefused.FAIL or kind in {Kind.LOGIN, Kind.ACCOUNT, Kind.CREDIT}:
            return True
        if self._accepted_rows:
            return False
        if kind is Kind.RECIPIENT:
            final = len(batch.rows) == 1 or self._on_refused is OnRefused.SKIP
            return final and self._has_only_refused()
        return kind is not Kind.MESSAGE  # any other cause also applies to the next call

    def _has_only_refused(self) -> bool:
        return not self._accepted_rows and self._refused_calls + 1 >= MAX_REFUSED_BEFORE_ACCEPTED

    def settle(self, batch: Batch, outcome: CallOutcome) -> None:
        """Record the outcome of a call and its effect on the rest."""
        self.calls += outcome.attempts
        if outcome.is_paused:
            return
        if self.is_terminal(batch, outcome):
            self._stop(outcome)
        match outcome.fate:
            case Fate.ACCEPTED:
                self.is_proven = True
                self._uncertain_in_a_row = 0
                self._settle_accepted(batch, outcome.scheduled_for)
            case Fate.UNCERTAIN:
                self.is_proven = False
                self._uncertain_in_a_row += 1
                if self._uncertain_in_a_row >= MAX_UNCERTAIN_IN_A_ROW:
                    self._stop(outcome)
                self.outcomes.set(batch.rows, Outcome.UNCERTAIN, code=outcome.code, reason=outcome.detail)
            case Fate.NOT_SENT if _is_too_long(batch, outcome):
                reason = f"message: the text does not fit into a call ({outcome.detail}); shorten it"
                self._unsendable_texts[batch.message.text] = (Outcome.INVALID, reason)
                self.had_too_long_text = True
                self._refused_calls += 1
                self._record(batch, Outcome.INVALID, reason=reason)
            case Fate.NOT_SENT:
                self._record(batch, Outcome.NOT_ATTEMPTED, reason=outcome.detail)
            case Fate.REFUSED:
                self._settle_refused(batch, outcome.code or 0)

    def _settle_accepted(self, batch: Batch, scheduled_for: datetime | None) -> None:
        self._accepted_rows += len(batch.rows)
        self.parts += batch.message.parts * len(batch.rows)
        if scheduled_for:
            self.scheduled += len(batch.rows)
            self.scheduled_for = max(self.scheduled_for or scheduled_for, scheduled_for)
        reason = f"scheduled for {scheduled_for.isoformat()}" if scheduled_for else ""
        self.outcomes.set(batch.rows, Outcome.ACCEPTED, reason=reason)

    def _stop(self, outcome: CallOutcome) -> None:
        """Keep the gravest outcome that stops the send, regardless of the order in which calls end."""
        if self.stopped_by is None or _gravity(outcome) < _gravity(self.stopped_by):
            self.stopped_by = outcome

    def _settle_refused(self, batch: Batch, code: int) -> None:
        kind = return_code(code).kind
        is_splittable = len(batch.rows) > 1 and self._on_refused is OnRefused.ISOLATE and not self.stopped_by
        if kind is Kind.RECIPIENT and is_splittable:
            self._first.extendleft(reversed(batch.halves()))
            return
        if kind is Kind.MESSAGE:
            reason = f"the gateway refused this text with code {code}"
            self._unsendable_texts[batch.message.text] = (Outcome.NOT_ATTEMPTED, reason)
        if kind is not Kind.RECIPIENT:
            self.refused_texts.add(code)
        self._refused_calls += 1
        self._record(batch, Outcome.REFUSED, code=code, reason=return_code(code).description)

    def _record(self, batch: Batch, outcome: Outcome, *, code: int | None = None, reason: str) -> None:
        """Record that a call reached nobody. Rows that an earlier call may have reached stay uncertain."""
        rows = [row for row in batch.rows if self.outcomes[row] is not Outcome.UNCERTAIN]
        self.outcomes.set(rows, outcome, code=code, reason=reason)


#: Outcomes in the order of gravity. The gravest one decides the error of a send.
_GRAVEST_FIRST = (Kind.LOGIN, Kind.ACCOUNT, Kind.CREDIT, Fate.UNCERTAIN, Fate.REFUSED, Fate.NOT_SENT)


def _gravity(outcome: CallOutcome) -> tuple[int, int]:
    """Return a key that sorts outcomes by gravity, then by return code."""
    kind = return_code(outcome.code).kind if outcome.fate is Fate.REFUSED and outcome.code else None
    rank = kind if kind in _GRAVEST_FIRST else outcome.fate
    return _GRAVEST_FIRST.index(rank), outcome.code or 0


def _is_too_long(batch: Batch, outcome: CallOutcome) -> bool:
    return batch.oversize and outcome.http_status in _TOO_LONG_STATUSES
