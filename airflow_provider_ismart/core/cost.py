"""Compute the cost of calls, at one credit per part, and find the most expensive messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nlargest
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.report import counted

#: How many messages an error lists.
MAX_SHARES = 3


class Share(NamedTuple):
    """The cost of one text, with its parts and recipients."""

    credits: int
    parts: int
    recipients: int

    def __str__(self) -> str:
        """Return a description without the text or a number."""
        return f"{counted(self.parts, 'part')} to {counted(self.recipients, 'recipient')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of some calls, their recipients, and the most expensive texts."""

    credits: int
    recipients: int
    largest: tuple[Share, ...]

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> Cost:
        """Add up the cost of calls. Calls with the same text must be adjacent."""
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
        """Return the error message for a cost above ``max_credits``, with the most expensive messages."""
        return (
            f"max_credits is {max_credits:,}, but the messages to send cost {counted(self.credits, 'credit')} for "
            f"{counted(self.recipients, 'recipient')}. The most expensive: {'; '.join(map(str, self.largest))}"
        )
