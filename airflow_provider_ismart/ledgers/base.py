"""Provide the base class of stored ledgers, and the interface to open a ledger for a send.

A new ledger is one module and one line in ``ledgers/select.py``. The module contains an :data:`Opener` and a
subclass of :class:`StoredLedger`, which reads and writes the storage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.ledger import Entry, Ledger, State
from airflow_provider_ismart.core.outcomes import CallOutcome
from airflow_provider_ismart.ledgers.records import Call, Records

if TYPE_CHECKING:
    from airflow_provider_ismart.core.plan import Plan
    from airflow_provider_ismart.core.settlement import Settlement, Settlements
    from airflow_provider_ismart.ledgers.current_try import CurrentTry
    from airflow_provider_ismart.ledgers.state_store import TaskStateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRequest:
    """What is needed to open a ledger for a send. ``store`` is Airflow's task state store, from 3.3 on."""

    this_try: CurrentTry
    plan: Plan
    store: TaskStateStore | None
    ledger_conn_id: str | None
    idempotency_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLedger:
    """The ledger of a send, and a function to call immediately before the first call."""

    ledger: Ledger
    before_first_call: Callable[[], None]


#: A function that opens one kind of ledger for a send, or returns ``None`` if the send cannot use it.
Opener = Callable[[LedgerRequest], AbstractContextManager[OpenLedger] | None]

TransactionT = TypeVar("TransactionT")


class StoredLedger(ABC, Generic[TransactionT]):
    """A ledger in a storage that numbers its calls.

    This class tracks the numbers of calls, and intents that may be on record although their write failed. A
    subclass reads and writes the storage, in transactions of its own type.
    """

    _records: Records

    def __init__(self) -> None:
        self._is_claimed = False
        #: The numbers of calls whose outcomes are not on record yet.
        self._numbers: dict[Batch, int] = {}
        #: The numbers of intents whose write failed. They may be on record, but their calls never start.
        self._unconfirmed: list[int] = []

    def claim(self) -> bool:
        """Become the only sender, load the records, and return whether there are any.

        Calls that an earlier try left in flight become UNCERTAIN.
        """
        if not self._is_claimed:  # otherwise, this is another send of the same try
            self._records = self._claim()
            self._is_claimed = True
        return bool(self._records)

    def settle(self, settlements: Settlements) -> Settlement:
        """Record a person's findings about this task's uncertain messages, in one write.

        :raises InputError: a message to settle is not uncertain; nothing is recorded.
        :raises LedgerConflictError: another try of the task has claimed the ledger.
        :raises Exception: the storage cannot be written.
        """
        with self._transaction() as transaction:
            settlement = settlements.decide(self._load(transaction).history(settlements.by_number))
            calls = [self._records.settled_call(group) for group in settlement.groups]
            if calls:
                self._record_calls(transaction, calls)
        for call in calls:
            self._records.add(call)
        return settlement

    def accepted_by(self, batch: Batch) -> str | None:
        """Return the sender of exactly this call if it was accepted; ``""`` means an earlier try of this task."""
        return self._records.accepted_by(batch)

    def recorded(self, msisdns: Collection[str], *, refresh: bool = False) -> Mapping[str, Sequence[Entry]]:
        """Return the records as of this try's claim; with ``refresh``, the current ones."""
        return (self._load() if refresh else self._records).recorded(msisdns)

    def write(self, settled: Sequence[tuple[Batch, CallOutcome]], intents: Sequence[Batch]) -> Sequence[Batch]:
        """Record the outcomes of calls and the intents of the next ones; return those that may start.

        :raises LedgerConflictError: another try of the task has claimed the ledger.
        :raises Exception: the storage cannot be written.
        """
        with self._transaction() as transaction:
            if self._unconfirmed:
                self._withdraw(transaction, self._unconfirmed)
            # the outcome of a batch without a number is already on record
            ended = [(self._numbers[batch], outcome) for batch, outcome in settled if batch in self._numbers]
            self._record_outcomes(transaction, ended)
            granted = self._grant(transaction, intents)
            calls = [self._records.call(batch, State.SUBMITTING) for batch in granted]
            numbers = self._record_calls(transaction, calls) if calls else ()
            self._unconfirmed.extend(numbers)
        for batch, _ in settled:  # after the write, because a failed write is repeated
            self._numbers.pop(batch, None)
        self._numbers.update(zip(granted, numbers, strict=True))
        self._unconfirmed.clear()
        return granted

    @abstractmethod
    def _claim(self) -> Records:
        """Become the only sender, mark calls left in flight as UNCERTAIN, and return the records."""

    @abstractmethod
    def _load(self, transaction: TransactionT | None = None) -> Records:
        """Return the current records; within a write, pass its transaction."""

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[TransactionT]:
        """Begin a write, and commit it at the end.

        :raises LedgerConflictError: another try has become the sender.
        """

    @abstractmethod
    def _withdraw(self, transaction: TransactionT, numbers: Sequence[int]) -> None:
        """Record these calls as NOT_SENT, if they are on record as intents."""

    @abstractmethod
    def _record_outcomes(self, transaction: TransactionT, ended: Sequence[tuple[int, CallOutcome]]) -> None:
        """Record the outcomes of calls, even if they are already on record."""

    def _grant(self, transaction: TransactionT, intents: Sequence[Batch]) -> Sequence[Batch]:  # noqa: ARG002
        """Return the intents, without numbers for which another sender has recorded an intent."""
        return intents

    @abstractmethod
    def _record_calls(self, transaction: TransactionT, calls: Sequence[Call]) -> Sequence[int]:
        """Record calls in their states, and return their numbers."""
