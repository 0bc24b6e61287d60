"""Report a send: counts by outcome, never a full number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from airflow_provider_ismart.core.languages import LanguageCounts
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.return_codes import return_code
from airflow_provider_ismart.core.simplification import Saving

#: How many reasons a log line or error lists.
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
    """A text that would be sent, and the masked number of one recipient.

    ``language`` is the key of its template, if there is a template per language.
    """

    msisdn: str
    text: str
    lang: int
    parts: int
    language: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the sample as plain JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of a send: counts, never a full number, and texts only in the ``samples`` of a dry run.

    ``calls`` counts the calls made, repeats included; ``planned_calls`` counts the planned batches. ``parts`` is
    the number of parts of accepted rows, which is the estimated cost in credits. ``planned_parts`` is the number
    of parts of all rows to send, and ``saving`` is how many of them ``simplify_text`` would save. With a template
    per language, ``languages`` has the counts by language, and ``planned_languages`` the planned counts.
    ``restricted`` is a sentence about a connection with allowed numbers. Times are ISO 8601 with an offset,
    durations are seconds.

    ``scheduled`` counts the accepted rows that quiet hours delayed or, in a dry run, the rows that they would
    delay now. ``scheduled_for`` is the latest delivery time of these rows. ``settled`` counts the uncertain
    messages of earlier tries that this try settled.
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
    languages: Mapping[str, LanguageCounts] = field(default_factory=dict)
    planned_languages: Mapping[str, LanguageCounts] = field(default_factory=dict)
    saving: Saving | None = None
    restricted: str | None = None
    max_credits: int | None = None
    scheduled: int = 0
    scheduled_for: datetime | None = None
    settled: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        by_language = "; ".join(
            f"{name}: {outcomes}" for name, of in self.languages.items() if (outcomes := _by_outcome(of.rows))
        )
        counts = _by_outcome(self.outcomes)
        until = self.scheduled_for
        scheduled = f", {self.scheduled:,} scheduled for {until.isoformat()}" if until else ""
        rows = (
            counted(self.total, "row")
            + (f": {counts}" if counts else "")
            + (f" ({by_language})" if by_language else "")
            + scheduled
        )
        return f"{self.restricted}. {rows}" if self.restricted else rows

    @property
    def total(self) -> int:
        """The number of input rows."""
        return sum(self.outcomes.values())

    def as_json(self) -> dict[str, object]:
        """Return the report as plain JSON values, for XCom."""
        return {
            "restricted": self.restricted,
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
            "simplify_text_saves": self.saving.as_json() if self.saving else None,
            "max_credits": self.max_credits,
            "push_at": self.push_at,
            "scheduled": self.scheduled,
            "scheduled_for": self.scheduled_for.isoformat() if self.scheduled_for else None,
            "settled": dict(self.settled),
            "stopped_by": self.stopped_by,
            "dry_run": self.dry_run,
            "started_at": self.started_at,
            "seconds": round(self.seconds, 3),
            **({"languages": self._languages_as_json()} if self.languages else {}),
            **(self._preview() if self.dry_run else {}),
        }

    def _preview(self) -> dict[str, object]:
        return {
            "exceeds_max_credits": self.max_credits is not None and self.planned_parts > self.max_credits,
            "samples": [sample.as_json() for sample in self.samples],
        }

    def _languages_as_json(self) -> dict[str, object]:
        return {
            name: {
                "rows": sum(counts.rows.values()),
                "outcomes": {outcome.value: count for outcome, count in counts.rows.items()},
                "parts": counts.parts[Outcome.ACCEPTED],
                "planned_parts": self.planned_languages[name].parts[Outcome.NOT_ATTEMPTED],
            }
            for name, counts in self.languages.items()
        }


def _by_outcome(outcomes: Mapping[Outcome, int]) -> str:
    return ", ".join(f"{count:,} {outcome.value}" for outcome, count in outcomes.items() if count)
