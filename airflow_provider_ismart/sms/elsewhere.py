"""Rows that another task is handing over: what became of them, only its ledger entries can tell."""

from __future__ import annotations

from airflow_provider_ismart.sms.ledger import Ledger, State
from airflow_provider_ismart.sms.report import Outcome, RowOutcomes

#: What a row is put down as when the other task's call is on record in a state; ``None`` is "nobody was told".
_BECAME = {
    State.SUBMITTING: (Outcome.UNCERTAIN, "another task was handing it over and has not said how that ended"),
    State.UNCERTAIN: (Outcome.UNCERTAIN, "another task did not learn whether it was accepted"),
    State.ACCEPTED: (Outcome.ALREADY_SENT, "accepted in another task"),
    None: (Outcome.NOT_ATTEMPTED, "another task tried to hand it over, in vain"),
}


class Elsewhere:
    """The rows that other tasks, which share the ledger, were handing over when this one came to them.

    Nobody knows of a call in flight whether its sender is alive, so its rows are uncertain until the ledger says
    how it ended.
    """

    def __init__(self, outcomes: RowOutcomes, ledger: Ledger) -> None:
        self._outcomes = outcomes
        self._ledger = ledger
        self._msisdns: dict[int, str] = {}

    def __contains__(self, row: int) -> bool:
        return row in self._msisdns

    def add(self, row: int, msisdn: str) -> None:
        """Put the row down as another task's."""
        self._msisdns[row] = msisdn
        outcome, reason = _BECAME[State.SUBMITTING]
        self._outcomes.set([row], outcome, reason=reason)

    def ask_again(self) -> bool:
        """Put down what has become of the rows; return whether any is still being handed over."""
        if not self._msisdns:
            return False
        recorded = self._ledger.recorded(set(self._msisdns.values()), anew=True)
        for row, msisdn in list(self._msisdns.items()):
            states = {entry.state for entry in recorded.get(msisdn, ())}
            state = next((state for state in _BECAME if state in states), None)  # the least certain
            outcome, reason = _BECAME[state]
            self._outcomes.set([row], outcome, reason=reason)
            if state is not State.SUBMITTING:
                del self._msisdns[row]
        return bool(self._msisdns)
