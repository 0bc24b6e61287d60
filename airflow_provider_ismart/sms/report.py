"""What became of every row, and the counts of it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from itertools import repeat
from typing import NamedTuple

from airflow_provider_ismart.sms.return_codes import ACCEPTED_CODE, return_code

#: More would not be read.
MAX_REASONS_SHOWN = 10


class Outcome(Enum):
    """What became of a row; each ends as exactly one of these."""

    NOT_ATTEMPTED = "not_attempted"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    ALREADY_SENT = "already_sent"

    __hash__ = object.__hash__  # a member is one object; an enum's own hash is a call of Python's for each look-up


class Verdict(NamedTuple):
    """An outcome, with the gateway's return code and the reason in words, where there are any."""

    outcome: Outcome
    code: int | None
    reason: str


_AT_FIRST = Verdict(Outcome.NOT_ATTEMPTED, None, "")


class RowOutcomes:
    """What became of each row, in four bytes a row: the number of its verdict, of which there are few."""

    def __init__(self, total: int = 0) -> None:
        self._verdicts = [_AT_FIRST]
        self._numbers = {_AT_FIRST: 0}
        self._of_row = array("I")
        self.extend(total)

    def __len__(self) -> int:
        return len(self._of_row)

    def __getitem__(self, row: int) -> Outcome:
        return self._verdicts[self._of_row[row]].outcome

    def extend(self, count: int) -> None:
        """Add rows, which begin as not attempted."""
        self._of_row.extend(repeat(0, count))

    def set(self, rows: Iterable[int], outcome: Outcome, *, code: int | None = None, reason: str = "") -> None:
        """Record the outcome of ``rows``, in place of an earlier one.

        A signal's exception can come between any two rows, so the same outcome can be recorded again.
        """
        verdict = Verdict(outcome, ACCEPTED_CODE if outcome is Outcome.ACCEPTED else code, reason)
        number = self._numbers.get(verdict)
        if number is None:
            self._verdicts.append(verdict)
            number = self._numbers[verdict] = len(self._verdicts) - 1
        of_row = self._of_row
        if isinstance(rows, range) and rows.step == 1:
            of_row[rows.start : rows.stop] = array("I", [number]) * len(rows)
            return
        for row in rows:
            of_row[row] = number

    @property
    def verdicts(self) -> Sequence[Verdict]:
        """The verdicts that there are, by number."""
        return self._verdicts

    def numbers(self, start: int, stop: int) -> array[int]:
        """Return the numbers of these rows' verdicts."""
        return self._of_row[start:stop]

    def code(self, row: int) -> int | None:
        """Return the gateway's last return code to the row, if it gave one."""
        return self._verdicts[self._of_row[row]].code

    def reason(self, row: int) -> str:
        """Return why, in words, where the outcome alone does not say it."""
        return self._verdicts[self._of_row[row]].reason

    def rows(self, outcome: Outcome) -> Iterator[int]:
        """Yield the rows with this outcome, in order."""
        return filter(self.having({outcome}), range(len(self)))

    def having(self, outcomes: Collection[Outcome]) -> Callable[[int], bool]:
        """Return what tells of a row whether it has one of the outcomes, as they are now."""
        numbers = {number for verdict, number in self._numbers.items() if verdict.outcome in outcomes}
        of_row = self._of_row
        return lambda row: of_row[row] in numbers

    def counts(self) -> dict[Outcome, int]:
        """Return how many rows ended as what; every outcome is there, and they add up to the input."""
        counts = dict.fromkeys(Outcome, 0)
        for verdict, count in self._counted():
            counts[verdict.outcome] += count
        return counts

    def codes(self) -> dict[int, int]:
        """Return how many rows got which return code."""
        counts: Counter[int] = Counter()
        for verdict, count in self._counted():
            if verdict.code is not None:
                counts[verdict.code] += count
        return dict(sorted(counts.items()))

    def reasons(self, outcome: Outcome | None = None) -> dict[str, int]:
        """Return how many rows, all or those with ``outcome``, have which reason, the most frequent first."""
        counts: Counter[str] = Counter()
        for verdict, count in self._counted():
            if verdict.reason and outcome in {None, verdict.outcome}:
                counts[verdict.reason] += count
        return dict(counts.most_common())

    def _counted(self) -> Iterator[tuple[Verdict, int]]:
        return ((self._verdicts[number], count) for number, count in sorted(Counter(self._of_row).items()))


def in_one_line(reasons: dict[str, int]) -> str:
    """Return reasons with their counts, for a log or an error."""
    shown = [f"{count:,} x {reason}" for reason, count in reasons.items()]
    return "; ".join(shown[:MAX_REASONS_SHOWN]) + ("; …" if len(shown) > MAX_REASONS_SHOWN else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One of the texts that would be sent, with one of its numbers, masked."""

    msisdn: str
    text: str
    lang: int
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a send came to: counts, never a full number; and a text only in a preview's ``samples``.

    ``calls`` counts calls that were made, repeated ones included, and ``planned_calls`` the batches that the
    rows make. ``parts`` is what the accepted rows came to, which is the credit they are estimated to have
    cost; ``planned_parts`` is the same for every row that is to be sent. Times are ISO 8601 with an offset,
    durations seconds.
    """

    outcomes: dict[Outcome, int]
    codes: dict[int, int]
    reasons: dict[str, int]
    calls: int
    planned_calls: int
    parts: int
    planned_parts: int
    push_at: str | None
    stopped_by: str | None
    dry_run: bool
    started_at: str
    seconds: float
    samples: tuple[Sample, ...] = ()

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {outcome.value}" for outcome, count in self.outcomes.items() if count)
        return f"{self.total:,} rows: {counts or 'none'}"

    @property
    def total(self) -> int:
        """How many rows came in."""
        return sum(self.outcomes.values())

    def as_json(self) -> dict[str, object]:
        """Return the report as plain JSON values, as it goes into XCom."""
        return {
            "rows": self.total,
            "outcomes": {outcome.value: count for outcome, count in self.outcomes.items()},
            "return_codes": {
                str(code): {"rows": count, "description": return_code(code).description}
                for code, count in self.codes.items()
            },
            "reasons": self.reasons,
            "calls": self.calls,
            "planned_calls": self.planned_calls,
            "parts": self.parts,
            "planned_parts": self.planned_parts,
            "credits_estimated": self.planned_parts if self.dry_run else self.parts,
            "push_at": self.push_at,
            "stopped_by": self.stopped_by,
            "dry_run": self.dry_run,
            "started_at": self.started_at,
            "seconds": round(self.seconds, 3),
        } | ({"samples": [asdict(sample) for sample in self.samples]} if self.dry_run else {})
