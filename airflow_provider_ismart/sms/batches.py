"""Rows that are to be told the same -> the fewest calls.

Source: the gateway document, "The call": ``MobileNo`` takes at most 50 numbers, joined by commas.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from airflow_provider_ismart.sms.messages import Message
from airflow_provider_ismart.sms.msisdn import MSISDN_DIGITS
from airflow_provider_ismart.sms.plan import Group

MAX_BATCH_SIZE = 50

_UNRESERVED = (string.ascii_letters + string.digits + "-._~").encode()  # RFC 3986, section 2.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The numbers of one call and what they are to be told.

    ``rows`` are the positions of ``msisdns`` in the input, ``copy`` is their group's. ``oversize`` says that the
    call is longer than the query limit even with its one number.
    """

    message: Message
    copy: int = 0
    rows: tuple[int, ...]
    msisdns: tuple[str, ...]
    oversize: bool = False

    @property
    def numbers(self) -> Iterator[tuple[int, str]]:
        """The rows, each with its number."""
        return zip(self.rows, self.msisdns, strict=True)

    def halves(self) -> tuple[Batch, Batch]:
        """Split a batch of several numbers in two, to find the guilty ones."""
        middle = len(self.rows) // 2
        return self._slice(slice(None, middle)), self._slice(slice(middle, None))

    def _slice(self, part: slice) -> Batch:
        return replace(self, rows=self.rows[part], msisdns=self.msisdns[part])


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """How much fits into one call.

    ``batch_size`` is in numbers; ``max_query_length`` and ``overhead``, the length of the query string without
    text and numbers, are in characters.
    """

    batch_size: int
    max_query_length: int
    overhead: int

    def numbers_for(self, message: Message) -> int:
        """Return how many numbers fit beside the text; none where even one would be too long."""
        room = self.max_query_length - self.overhead - encoded_length(message.text)
        return max(0, min(self.batch_size, (room + 1) // (MSISDN_DIGITS + 1)))  # n numbers have n - 1 commas


def encoded_length(text: str) -> int:
    """Return the length of the text when percent-encoded as UTF-8."""
    raw = text.encode()
    return len(raw) + 2 * len(raw.translate(None, _UNRESERVED))


def batches(
    groups: Iterable[Group], limits: CallLimits, is_left: Callable[[int], bool] | None = None
) -> Iterator[Batch]:
    """Yield the calls in the order of the groups: for each, ceil(rows / numbers that fit).

    ``is_left`` says of a row whether it is still to be sent; it is asked when its turn has come.
    """
    for group in groups:
        fit = limits.numbers_for(group.message)
        numbers = iter(group.numbers)
        if is_left:
            numbers = (told for told in numbers if is_left(told[0]))
        while taken := tuple(islice(numbers, fit or 1)):
            rows, msisdns = zip(*taken, strict=True)
            yield Batch(message=group.message, copy=group.copy, rows=rows, msisdns=msisdns, oversize=not fit)
