"""What calls cost, at one credit per part, and which messages make up most of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nlargest
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from airflow_provider_ismart.core.batching import Batch

#: How many messages an error names.
MAX_SHARES = 3


class Share(NamedTuple):
    """What one text costs: its parts, and how many recipients get it."""

    credits: int
    parts: int
    recipients: int

    def __str__(self) -> str:
        """Show neither the text nor a number."""
        return f"{_count(self.parts, 'part')} to {_count(self.recipients, 'recipient')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The credits and recipients of some calls, and the texts that cost most."""

    credits: int
    recipients: int
    largest: tuple[Share, ...]

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> Cost:
        """Add up calls, in which those with one text follow each other."""
        total = recipients = 0

        def shares() -> Iterator[Share]:
            nonlocal total, recipients
            for message, same in groupby(batches, attrgetter("message")):
                rows = sum(len(batch.rows) for batch in same)
                total += message.parts * rows
                recipients += rows
                yield Share(message.parts * rows, message.parts, rows)

        largest = tuple(nlargest(MAX_SHARES, shares()))
        return cls(credits=total, recipients=recipients, largest=largest)

    def above(self, max_credits: int) -> str:
        """Say that this is more than ``max_credits``, and what makes it so."""
        return (
            f"max_credits is {max_credits:,}, and the messages to send cost {_count(self.credits, 'credit')} for "
            f"{_count(self.recipients, 'recipient')}. The largest: {'; '.join(map(str, self.largest))}"
        )


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
