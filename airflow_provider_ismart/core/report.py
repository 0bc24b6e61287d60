"""The report of a send: counts by outcome, never a full number."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.return_codes import return_code

#: How many reasons to show; readers skip longer lists.
MAX_REASONS_SHOWN = 10


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as ``1 row`` or ``2,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def in_one_line(reasons: dict[str, int]) -> str:
    """Return reasons with their counts, for a log or an error."""
    shown = [f"{count:,} x {reason}" for reason, count in reasons.items()]
    return "; ".join(shown[:MAX_REASONS_SHOWN]) + ("; …" if len(shown) > MAX_REASONS_SHOWN else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A text that would be sent, with one of its numbers, masked."""

    msisdn: str
    text: str
    lang: int
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of a send: counts, never a full number, and texts only in the ``samples`` of a dry run.

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
        return f"{counted(self.total, 'row')}: {counts or 'none'}"

    @property
    def total(self) -> int:
        """The number of input rows."""
        return sum(self.outcomes.values())

    def as_json(self) -> dict[str, object]:
        """Return the report as plain JSON values, for XCom."""
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
