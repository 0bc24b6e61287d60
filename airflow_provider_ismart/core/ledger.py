"""Record each call before and after it is made, so that a later try knows what was submitted.

Stored ledgers survive a crash. :class:`MemoryLedger` does not; it serves a single try.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate

if TYPE_CHECKING:
    from airflow_provider_ismart.core.settlement import Settlement, Settlements


class State(Enum):
    """The state of one message to one number in a ledger."""

    #: Its call is in flight or about to start.
    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNCERTAIN = "uncertain"
    #: A person found out that the uncertain message was accepted.
    CONFIRMED = "confirmed"
    #: A person found out that the uncertain message was not sent.
    RULED_OUT = "ruled_out"

    __hash__ = object.__hash__  # as of Outcome


STATE_OF_FATE = {
    Fate.ACCEPTED: State.ACCEPTED,
    Fate.REFUSED: State.REFUSED,
    Fate.NOT_SENT: State.NOT_SENT,
    Fate.UNCERTAIN: State.UNCERTAIN,
}

#: The allowed transitions; ``None`` means that nothing is on record. An intent cannot follow an intent, so two
#: senders cannot both submit. An outcome can be recorded again, because a write that failed may have been applied.
TRANSITIONS: Mapping[State | None, frozenset[State]] = {
    None: frozenset({State.SUBMITTING}),
    State.SUBMITTING: frozenset(STATE_OF_FATE.values()),
    State.ACCEPTED: frozenset({State.ACCEPTED}),
    State.REFUSED: frozenset({State.REFUSED, State.SUBMITTING}),
    State.NOT_SENT: frozenset({State.NOT_SENT, State.SUBMITTING}),
    State.UNCERTAIN: frozenset({State.UNCERTAIN, State.SUBMITTING, State.CONFIRMED, State.RULED_OUT}),
    State.CONFIRMED: frozenset(),
    State.RULED_OUT: frozenset({State.SUBMITTING, State.CONFIRMED}),
}

#: The states in which the gateway has, or may have, accepted the message.
MAYBE_SENT = frozenset({State.SUBMITTING, State.ACCEPTED, State.UNCERTAIN, State.CONFIRMED})

#: The states that record a person's finding.
SETTLED = frozenset({State.CONFIRMED, State.RULED_OUT})

#: If a repeated call ends in one of these states, the uncertain first call stays uncertain.
_PROVE_NOTHING = frozenset({State.REFUSED, State.NOT_SENT})


class Entry(NamedTuple):
    """The record of one message to one number: the text's digest, the copy number and the state.

    ``copy`` is 0, unless the send keeps duplicates: a second message with the same text is copy 1. ``by`` names
    the sender if it was not this task, such as ``"mapped index 3"``. An entry with ``same_text_only`` does not
    affect other texts to the number.
    """

    digest: str
    copy: int
    state: State
    by: str = ""
    same_text_only: bool = False


def with_entry(entries: tuple[Entry, ...], entry: Entry) -> tuple[Entry, ...]:
    """Add a number's next entry to its entries, or replace the entry of the same message.

    A settled message keeps its sender, even if another task settled it.
    """
    of_message = [other for other in entries if (other.digest, other.copy) == (entry.digest, entry.copy)]
    if of_message and entry.state in SETTLED:
        entry = entry._replace(by=of_message[-1].by, same_text_only=of_message[-1].same_text_only)
    if entry.state in _PROVE_NOTHING and any(other.state is State.UNCERTAIN for other in of_message):
        return entries
    return (*(other for other in entries if other not in of_message), entry)


class LedgerConflictError(Exception):
    """A message is not in the expected state, because another sender is active."""


class Ledger(Protocol):
    """Record intents and outcomes."""

    def claim(self) -> bool:
        """Become the only sender, and return whether anything is on record.

        Messages that an earlier try left in flight become UNCERTAIN. An earlier try that is still alive can no
        longer record anything, and therefore stops sending.
        """

    def settle(self, settlements: Settlements) -> Settlement:
        """Record a person's findings about this task's uncertain messages, in one write.

        Call it after :meth:`claim`.

        :raises InputError: a message to settle is not uncertain; nothing is recorded.
        """

    def accepted_by(self, batch: Batch) -> str | None:
        """Return the sender of an accepted call with exactly this text and these numbers.

        ``""`` means an earlier try of this task, ``None`` that there is no such call.
        """

    def recorded(self, msisdns: Collection[str], *, refresh: bool = False) -> Mapping[str, Sequence[Entry]]:
        """Return the entries of the numbers that have any.

        They can date from when this sender claimed the ledger; with ``refresh``, they are current. Calls that
        :meth:`accepted_by` has found can be missing, because the caller knows them already.
        """

    def write(self, settled: Sequence[tuple[Batch, CallOutcome]], intents: Sequence[Batch]) -> Sequence[Batch]:
        """Record outcomes and intents in one write; return the intents whose calls may start.

        Numbers for which another task has recorded its own intent are removed from them. If this raises, no call
        may start. The outcomes can be recorded again, because the write may have been applied.

        :raises LedgerConflictError: a transition is not in :data:`TRANSITIONS`.
        """


class MemoryLedger:
    """Keep a ledger in memory, until the process ends."""

    def __init__(self) -> None:
        #: The state of each number, by message and copy.
        self._states: dict[tuple[str, int], dict[str, State]] = defaultdict(dict)

    def claim(self) -> bool:
        """Mark calls in flight as UNCERTAIN, and return whether anything is on record."""
        for states in self._states.values():
            for msisdn, state in states.items():
                if state is State.SUBMITTING:
                    states[msisdn] = State.UNCERTAIN
        return any(self._states.values())

    def settle(self, settlements: Settlements) -> Settlement:
        """Record a person's findings about uncertain messages. Only their latest state is kept.

        :raises InputError: a message to settle is not uncertain; nothing is recorded.
        """
        settlement = settlements.decide(self.recorded(settlements.by_number))
        for entry, msisdns in settlement.groups:
            self._move((entry.digest, entry.copy), msisdns, entry.state)
        return settlement

    def accepted_by(self, batch: Batch) -> str | None:
        """Return ``""`` if exactly this call is on record as accepted, else ``None``."""
        states = self._states[_key(batch)]
        return "" if all(states.get(msisdn) is State.ACCEPTED for msisdn in batch.msisdns) else None

    def recorded(
        self,
        msisdns: Collection[str],
        *,
        refresh: bool = False,  # noqa: ARG002  # this ledger is always current
    ) -> Mapping[str, Sequence[Entry]]:
        """Return the entries of the numbers that have any."""
        recorded: dict[str, list[Entry]] = defaultdict(list)
        wanted = set(msisdns)
        for (digest, copy), states in self._states.items():
            for msisdn in states.keys() & wanted:
                recorded[msisdn].append(Entry(digest=digest, copy=copy, state=states[msisdn]))
        return recorded

    def write(self, settled: Sequence[tuple[Batch, CallOutcome]], intents: Sequence[Batch]) -> Sequence[Batch]:
        """Record outcomes and intents; return the intents.

        :raises LedgerConflictError: a transition is not in :data:`TRANSITIONS`.
        """
        for batch, outcome in settled:
            self._move(_key(batch), batch.msisdns, STATE_OF_FATE[outcome.fate])
        for batch in intents:
            self._move(_key(batch), batch.msisdns, State.SUBMITTING)
        return intents

    def _move(self, key: tuple[str, int], msisdns: Sequence[str], to: State) -> None:
        states = self._states[key]
        found = list(map(states.get, msisdns))
        usual = None if to is State.SUBMITTING else State.SUBMITTING
        if found.count(usual) < len(found):  # rarely, because hashing an enum for each look-up is slow
            for state in found:
                if to not in TRANSITIONS[state]:
                    raise LedgerConflictError(f"{to.value} cannot follow {state.value if state else 'nothing'}")
        states.update(dict.fromkeys(msisdns, to))


def _key(batch: Batch) -> tuple[str, int]:
    return batch.message.digest, batch.copy
