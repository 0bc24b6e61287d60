"""Represent the outcomes of calls and of rows."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from enum import Enum
from itertools import repeat
from typing import NamedTuple

from airflow_provider_ismart.core.return_codes import ACCEPTED_CODE


class Fate(Enum):
    """The outcome of a call. It tells whether repeating the call could send a message twice."""

    #: Code 1. Never repeated.
    ACCEPTED = "accepted"
    #: Any other code except 11. Nobody got the message; whether to repeat the call depends on the code.
    REFUSED = "refused"
    #: The call provably did not reach the application. Safe to repeat.
    NOT_SENT = "not_sent"
    #: The call may have been accepted. Repeating it could send every message twice.
    UNCERTAIN = "uncertain"


class CallOutcome(NamedTuple):
    """The fate of a call, and the evidence for it.

    ``code`` is the return code, ``http_status`` the status of an answer without a return code, and ``detail`` a
    description without secrets. ``attempts`` is 0 if the call never started. ``retry_after`` is the server's
    Retry-After in seconds, and ``seconds`` the duration of the last attempt. ``scheduled_for`` is the delivery
    time, if the last attempt was made in quiet hours. ``is_paused`` means that another attempt was due but did not
    start, because the client was paused; the batch is to be submitted again.
    """

    fate: Fate
    code: int | None = None
    http_status: int | None = None
    detail: str = ""
    attempts: int = 1
    retry_after: float | None = None
    seconds: float | None = None
    scheduled_for: datetime | None = None
    is_paused: bool = False


class Outcome(Enum):
    """The outcome of a row. Each row ends with exactly one outcome."""

    NOT_ATTEMPTED = "not_attempted"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    INVALID = "invalid"
    EXCLUDED = "excluded"
    DUPLICATE = "duplicate"
    ALREADY_SENT = "already_sent"

    __hash__ = object.__hash__  # members are unique objects, and the hash of Enum is a slow Python call


class Verdict(NamedTuple):
    """An outcome with its return code and its reason, if any."""

    outcome: Outcome
    code: int | None
    reason: str


_NOT_ATTEMPTED = Verdict(Outcome.NOT_ATTEMPTED, None, "")


class RowOutcomes:
    """Store the outcome of each row in four bytes, as the number of a verdict, because there are few verdicts."""

    def __init__(self, total: int = 0) -> None:
        self._verdicts = [_NOT_ATTEMPTED]
        self._numbers = {_NOT_ATTEMPTED: 0}
        #: How many rows have each verdict, by its number.
        self._counts = [0]
        self._of_row = array("I")
        self.extend(total)

    def __len__(self) -> int:
        return len(self._of_row)

    def __getitem__(self, row: int) -> Outcome:
        return self._verdicts[self._of_row[row]].outcome

    def extend(self, count: int) -> None:
        """Add rows with the outcome ``NOT_ATTEMPTED``."""
        self._of_row.extend(repeat(0, count))
        self._counts[0] += count

    def set(self, rows: Iterable[int], outcome: Outcome, *, code: int | None = None, reason: str = "") -> None:
        """Record the outcome of ``rows``, and replace earlier outcomes."""
        verdict = Verdict(outcome, ACCEPTED_CODE if outcome is Outcome.ACCEPTED else code, reason)
        number = self._numbers.get(verdict)
        if number is None:
            self._verdicts.append(verdict)
            self._counts.append(0)
            number = self._numbers[verdict] = len(self._verdicts) - 1
        of_row, counts = self._of_row, self._counts
        if isinstance(rows, range) and rows.step == 1:
            for replaced, count in Counter(of_row[rows.start : rows.stop]).items():
                counts[replaced] -= count
            of_row[rows.start : rows.stop] = array("I", [number]) * len(rows)
            counts[number] += len(rows)
            return
        for row in rows:
            counts[of_row[row]] -= 1
            of_row[row] = number
            counts[number] += 1

    @property
    def verdicts(self) -> Sequence[Verdict]:
        """All verdicts, by number."""
        return self._verdicts

    def numbers(self, start: int, stop: int) -> array[int]:
        """Return the numbers of these rows' verdicts."""
        return self._of_row[start:stop]

    def code(self, row: int) -> int | None:
        """Return the last return code of the row, if any."""
        return self._verdicts[self._of_row[row]].code

    def reason(self, row: int) -> str:
        """Return the reason for the row's outcome; empty if the outcome explains itself."""
        return self._verdicts[self._of_row[row]].reason

    def rows(self, outcome: Outcome) -> Iterator[int]:
        """Yield the rows with this outcome, in order."""
        return filter(self.having({outcome}), range(len(self)))

    def having(self, outcomes: Collection[Outcome]) -> Callable[[int], bool]:
        """Return a function that returns whether a row currently has one of the outcomes."""
        numbers = {number for verdict, number in self._numbers.items() if verdict.outcome in outcomes}
        of_row = self._of_row
        return lambda row: of_row[row] in numbers

    def counts(self) -> dict[Outcome, int]:
        """Count the rows by outcome. Every outcome is a key, and the counts add up to the input."""
        counts = dict.fromkeys(Outcome, 0)
        for verdict, count in self._counted():
            counts[verdict.outcome] += count
        return counts

    def codes(self) -> dict[int, int]:
        """Count the rows by return code."""
        counts: Counter[int] = Counter()
        for verdict, count in self._counted():
            if verdict.code is not None:
                counts[verdict.code] += count
        return dict(sorted(counts.items()))

    def reasons(self, outcome: Outcome | None = None) -> dict[str, int]:
        """Count the rows that were not accepted by reason, the most frequent first.

        :param outcome: count only the rows with this outcome.
        """
        counts: Counter[str] = Counter()
        for verdict, count in self._counted():
            if verdict.outcome is Outcome.ACCEPTED:
                continue  # an accepted row's reason is only a delivery time
            if verdict.reason and outcome in {None, verdict.outcome}:
                counts[verdict.reason] += count
        return dict(counts.most_common())

    def _counted(self) -> Iterator[tuple[Verdict, int]]:
        return ((verdict, count) for verdict, count in zip(self._verdicts, self._counts, strict=True) if count)
