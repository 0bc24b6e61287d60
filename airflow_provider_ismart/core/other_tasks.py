"""Track rows that another task is sending, whose outcomes only the ledger knows."""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_ismart.core.ledger import Ledger, State
from airflow_provider_ismart.core.outcomes import Outcome, RowOutcomes

#: The reason of a row that a person settled as accepted.
SETTLED_AS_ACCEPTED = "settled as accepted"

#: The outcome of a row, by the state of the other task's message; ``None`` means that it is not on record.
_OUTCOMES = {
    State.SUBMITTING: (Outcome.UNCERTAIN, "another task was sending this message and recorded no outcome"),
    State.UNCERTAIN: (Outcome.UNCERTAIN, "another task got no clear answer for it"),
    State.ACCEPTED: (Outcome.ALREADY_SENT, "accepted by another task"),
    State.REFUSED: (Outcome.NOT_ATTEMPTED, "another task tried to send it and failed"),
    State.NOT_SENT: (Outcome.NOT_ATTEMPTED, "another task tried to send it and failed"),
    State.CONFIRMED: (Outcome.ALREADY_SENT, SETTLED_AS_ACCEPTED),
    State.RULED_OUT: (Outcome.NOT_ATTEMPTED, "settled as not sent by another task"),
    None: (Outcome.NOT_ATTEMPTED, "another task was sending a different text to this number"),
}


class Pending(NamedTuple):
    """Identify a message whose intent another task has recorded, by number, text and copy."""

    msisdn: str
    digest: str
    copy: int


class RowsOfOtherTasks:
    """Track the rows that other tasks with the same ledger are sending.

    A task cannot know whether the sender of a call in flight is alive, so the rows are uncertain until the ledger
    has the outcome.
    """

    def __init__(self, outcomes: RowOutcomes, ledger: Ledger) -> None:
        self._outcomes = outcomes
        self._ledger = ledger
        self._pending: dict[int, tuple[Pending, str]] = {}

    def __contains__(self, row: int) -> bool:
        return row in self._pending

    def add(self, row: int, pending: Pending, how: str = "") -> None:
        """Record that another task is sending the row; ``how`` is added to its reason."""
        self._pending[row] = pending, how
        outcome, reason = _OUTCOMES[State.SUBMITTING]
        self._outcomes.set([row], outcome, reason=f"{reason}{how}")

    def poll(self) -> bool:
        """Read the outcomes of the rows from the ledger; return whether any row is still being sent."""
        if not self._pending:
            return False
        recorded = self._ledger.recorded({pending.msisdn for pending, _ in self._pending.values()}, refresh=True)
        for row, (pending, how) in list(self._pending.items()):
            states = {
                Pending(pending.msisdn, entry.digest, entry.copy): entry.state
                for entry in recorded.get(pending.msisdn, ())
            }
            state = states.get(pending)
            outcome, reason = _OUTCOMES[state]
            self._outcomes.set([row], outcome, reason=f"{reason}{how if state else ''}")
            if state is not State.SUBMITTING:
                del self._pending[row]
        return bool(self._pending)
