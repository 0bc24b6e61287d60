"""What became of every row, and the counts of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TypeVar

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


_OUTCOMES = tuple(Outcome)
_INDEX = {outcome: index for index, outcome in enumerate(_OUTCOMES)}


_Value = TypeVar("_Value")


class RowOutcomes:
    """One outcome a row, a byte each; return codes and reasons only where there is something to say."""

    def __init__(self, total: int) -> None:
        self._outcomes = bytearray(total)  # all NOT_ATTEMPTED, the first of the enum
        self._codes: dict[int, int] = {}
        self._reasons: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._outcomes)

    def __getitem__(self, row: int) -> Outcome:
        return _OUTCOMES[self._outcomes[row]]

    def set(self, rows: Iterable[int], outcome: Outcome, *, code: int | None = None, reason: str = "") -> None:
        """Put down what became of ``rows``, in place of what was put down before."""
        index = _INDEX[outcome]
        for row in rows:
            self._outcomes[row] = index
            _put(self._codes, row, code)
            _put(self._reasons, row, reason)

    def code(self, row: int) -> int | None:
        """Return the gateway's last return code to the row, if it gave one."""
        return ACCEPTED_CODE if self[row] is Outcome.ACCEPTED else self._codes.get(row)

    def reason(self, row: int) -> str:
        """Return why, in words, where the outcome alone does not say it."""
        return self._reasons.get(row, "")

    def rows(self, outcome: Outcome) -> Iterator[int]:
        """Yield the rows with this outcome, in order."""
        index = _INDEX[outcome]
        return (row for row, found in enumerate(self._outcomes) if found == index)

    def counts(self) -> dict[Outcome, int]:
        """Return how many rows ended as what; every outcome is there, and they add up to the input."""
        return {outcome: self._outcomes.count(index) for index, outcome in enumerate(_OUTCOMES)}

    def codes(self) -> dict[int, int]:
        """Return how many rows got which return code."""
        accepted = self._outcomes.count(_INDEX[Outcome.ACCEPTED])
        return dict(sorted((Counter(self._codes.values()) + Counter({ACCEPTED_CODE: accepted})).items()))

    def reasons(self, outcome: Outcome | None = None) -> dict[str, int]:
        """Return how many rows, all or those with ``outcome``, have which reason, the most frequent first."""
        rows = self._reasons if outcome is None else filter(self._reasons.__contains__, self.rows(outcome))
        return dict(Counter(self._reasons[row] for row in rows).most_common())


def _put(values: dict[int, _Value], row: int, value: _Value | None) -> None:
    if value:
        values[row] = value
    elif values:
        values.pop(row, None)


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
