"""Group rows with the same message into the fewest calls.

Source: the gateway document, "The call": ``MobileNo`` takes at most 50 numbers, joined by commas.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from airflow_provider_ismart.core.message import Message
from airflow_provider_ismart.core.numbering import MSISDN_DIGITS
from airflow_provider_ismart.core.plan import Group

MAX_BATCH_SIZE = 50

_UNRESERVED = (string.ascii_letters + string.digits + "-._~").encode()  # RFC 3986, section 2.3

#: Four bytes in UTF-8, each percent-encoded.
_LONGEST_CHARACTER = 12


class Batch(NamedTuple):
    """The numbers of one call and their message.

    ``rows`` are the positions of ``msisdns`` in the input, and ``copy`` is the copy number of their group. An
    ``oversize`` batch has one number and still exceeds the limit of the query string.
    """

    message: Message
    rows: tuple[int, ...] | range
    msisdns: tuple[str, ...]
    copy: int = 0
    oversize: bool = False

    def __repr__(self) -> str:
        """Show neither text nor numbers, because errors can contain this."""
        return f"<batch of {len(self.rows)}>"

    @property
    def numbers(self) -> Iterator[tuple[int, str]]:
        """The rows, each with its number."""
        return zip(self.rows, self.msisdns, strict=True)

    def halves(self) -> tuple[Batch, Batch]:
        """Split the batch in two, to find the refused numbers."""
        middle = len(self.rows) // 2
        return self._slice(slice(None, middle)), self._slice(slice(middle, None))

    def _slice(self, part: slice) -> Batch:
        return self._replace(rows=self.rows[part], msisdns=self.msisdns[part])


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """The limits of one call: ``batch_size`` in numbers, ``max_query_length`` in characters.

    ``overhead`` is the length of the query string without text and numbers.
    """

    batch_size: int
    max_query_length: int
    overhead: int

    def numbers_for(self, message: Message) -> int:
        """Return how many numbers fit into a call with this text; 0 if not even one fits."""
        room = self.max_query_length - self.overhead
        if len(message.text) * _LONGEST_CHARACTER + self.batch_size * (MSISDN_DIGITS + 1) <= room:
            return self.batch_size
        room -= encoded_length(message.text)
        return max(0, min(self.batch_size, (room + 1) // (MSISDN_DIGITS + 1)))  # n numbers have n - 1 commas


def encoded_length(text: str) -> int:
    """Return the length of the text when percent-encoded as UTF-8."""
    raw = text.encode()
    return len(raw) + 2 * len(raw.translate(None, _UNRESERVED))


def batches(
    groups: Iterable[Group], limits: CallLimits, is_left: Callable[[int], bool] | None = None
) -> Iterator[Batch]:
    """Split each group into as few calls as possible, in order.

    ``is_left`` returns whether a row is still to be sent. It is called when the row is reached.
    """
    for group in groups:
        message, copy, rows, msisdns = group
        fit = limits.numbers_for(message)
        size = fit or 1
        if not is_left and isinstance(rows, (tuple, range)) and isinstance(msisdns, (tuple, list)):
            if len(rows) <= size:  # fast, because a million rows with their own texts are a million groups
                yield Batch(message, rows, tuple(msisdns), copy, not fit)
                continue
            for start in range(0, len(rows), size):
                cut = slice(start, start + size)
                yield Batch(message, rows[cut], tuple(msisdns[cut]), copy, not fit)
            continue
        left = (number for number in group.numbers if not is_left or is_left(number[0]))
        while taken := list(islice(left, size)):
            cut_rows, cut_msisdns = zip(*taken, strict=True)
            yield Batch(message, cut_rows, cut_msisdns, copy, not fit)
