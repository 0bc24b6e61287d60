"""What was submitted, recorded before and after each call, so that a later try knows.

A ledger that is to survive a crash outlives the process that sends. :class:`MemoryLedger` does not; it serves a
single try.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate


class State(Enum):
    """What a ledger knows of one message to one number."""

    #: Its call is about to go out, or in flight.
    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNCERTAIN = "uncertain"

    __hash__ = object.__hash__  # as of Outcome


STATE_OF_FATE = {
    Fate.ACCEPTED: State.ACCEPTED,
    Fate.REFUSED: State.REFUSED,
    Fate.NOT_SENT: State.NOT_SENT,
    Fate.UNCERTAIN: State.UNCERTAIN,
}

#: What may follow what; ``None`` is "nothing on record". One intent never follows another: two senders cannot
#: both go ahead. How a call ended may be recorded again, because a write that raised can have been applied.
TRANSITIONS: Mapping[State | None, frozenset[State]] = {
    None: frozenset({State.SUBMITTING}),
    State.SUBMITTING: frozenset(STATE_OF_FATE.values()),
    State.ACCEPTED: frozenset({State.ACCEPTED}),
    State.REFUSED: frozenset({State.REFUSED, State.SUBMITTING}),
    State.NOT_SENT: frozenset({State.NOT_SENT, State.SUBMITTING}),
    State.UNCERTAIN: frozenset({State.UNCERTAIN, State.SUBMITTING}),
}

#: States in which the message has reached the gateway, or may have.
HANDED_OVER = frozenset({State.SUBMITTING, State.ACCEPTED, State.UNCERTAIN})


class Entry(NamedTuple):
    """One message to one number: the text's digest, which copy of it, and its state.

    ``copy`` is 0 but where a send keeps duplicates: there the second message of the same text is copy 1. ``by``
    names the sender where that was not this task, such as ``"mapped index 3"``. An entry with ``same_text_only``
    says nothing about other texts to the number.
    """

    digest: str
    copy: int
    state: State
    by: str = ""
    same_text_only: bool = False


class LedgerConflictError(Exception):
    """A transition does not start from the state that it expects: somebody else sends the same."""


class Ledger(Protocol):
    """Where intents and outcomes are recorded."""

    def take_over(self) -> bool:
        """Become the one who sends, and return whether anything is on record.

        What an earlier try left in mid-call is UNCERTAIN from now on. One that turns out to be alive can put
        nothing down any more, and so sends nothing more.
        """

    def accepted_by(self, batch: Batch) -> str | None:
        """Name who made this very call, the same text to the same numbers, if it is on record as accepted.

        ``""`` is an earlier try of this task, ``None`` is nobody.
        """

    def recorded(self, msisdns: Collection[str], *, anew: bool = False) -> Mapping[str, Sequence[Entry]]:
        """Return what is on record for those of the numbers that have anything on record.

        It may be as it was when this sender took over, unless ``anew`` asks for what others have done since. What
        :meth:`accepted_by` found may be missing from it, because whoever has asked that knows.
        """

    def write(self, settled: Sequence[tuple[Batch, CallOutcome]], intents: Sequence[Batch]) -> Sequence[Batch]:
        """Record how calls ended and which are about to go out, in one write; return those that may.

        They are the intents, without the numbers for which another task has recorded its own intent meanwhile.
        If this raises, none of them may go out, and what is settled may be recorded again: it can have been
        written all the same.

        :raises LedgerConflictError: a transition is not one of :data:`TRANSITIONS`.
        """


class MemoryLedger:
    """A ledger that lasts as long as its process."""

    def __init__(self) -> None:
        #: By message and copy, the state of each number.
        self._states: dict[tuple[str, int], dict[str, State]] = defaultdict(dict)

    def take_over(self) -> bool:
        """Count what is in mid-call as UNCERTAIN, and return whether anything is on record."""
        for states in self._states.values():
            for msisdn, state in states.items():
                if state is State.SUBMITTING:
                    states[msisdn] = State.UNCERTAIN
        return any(self._states.values())

    def accepted_by(self, batch: Batch) -> str | None:
        """Return ``""`` if this very call is on record as accepted, else ``None``."""
        return "" if all(found is State.ACCEPTED for found in self._found(batch)) else None

    def recorded(
        self,
        msisdns: Collection[str],
        *,
        anew: bool = False,  # noqa: ARG002  # it always is
    ) -> Mapping[str, Sequence[Entry]]:
        """Return what is on record for those of the numbers that have anything on record."""
        recorded: dict[str, list[Entry]] = defaultdict(list)
        wanted = set(msisdns)
        for (digest, copy), states in self._states.items():
            for msisdn in states.keys() & wanted:
                recorded[msisdn].append(Entry(digest=digest, copy=copy, state=states[msisdn]))
        return recorded

    def write(self, settled: Sequence[tuple[Batch, CallOutcome]], intents: Sequence[Batch]) -> Sequence[Batch]:
        """Record how calls ended and which are about to go out, in one write; return the intents.

        :raises LedgerConflictError: a transition is not one of :data:`TRANSITIONS`.
        """
        for batch, outcome in settled:
            self._move(batch, STATE_OF_FATE[outcome.fate])
        for batch in intents:
            self._move(batch, State.SUBMITTING)
        return intents

    def _found(self, batch: Batch) -> list[State | None]:
        return list(map(self._states[batch.message.digest, batch.copy].get, batch.msisdns))

    def _move(self, batch: Batch, to: State) -> None:
        found = self._found(batch)
        usual = None if to is State.SUBMITTING else State.SUBMITTING
        if found.count(usual) < len(found):  # an enum's hash, which a look-up takes, is slow
            for state in found:
                if to not in TRANSITIONS[state]:
                    raise LedgerConflictError(f"{to.value} cannot follow {state.value if state else 'nothing'}")
        self._states[batch.message.digest, batch.copy].update(dict.fromkeys(batch.msisdns, to))
