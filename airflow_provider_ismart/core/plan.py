"""Plan which number gets which message, and find duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from typing import Any, NamedTuple, Protocol, cast

from airflow_provider_ismart.core.languages import RowLanguages
from airflow_provider_ismart.core.message import ONE_ENGLISH_PART, Message, Size
from airflow_provider_ismart.core.msisdn import mask_in, mask_msisdn
from airflow_provider_ismart.core.outcomes import Outcome, RowOutcomes
from airflow_provider_ismart.core.recipients import all_as_written, read_recipients
from airflow_provider_ismart.core.report import Sample
from airflow_provider_ismart.core.segmentation import Lang
from airflow_provider_ismart.core.validation import Reading, Rows

#: How many texts a preview shows; with a template per language, how many of each language.
MAX_SAMPLES = 3


class Group(NamedTuple):
    """Rows that get the same message, each with a different number.

    If duplicates are kept, ``copy`` counts them from 0. If ``rows`` is a tuple or a range, rows and numbers can be
    sliced. Otherwise they can be iterated only once, together, and before the next group.
    """

    message: Message
    copy: int
    rows: Iterable[int]
    msisdns: Iterable[str]

    @property
    def numbers(self) -> Iterator[tuple[int, str]]:
        """The rows, each with its number."""
        return zip(self.rows, self.msisdns, strict=True)


class ReadRows(NamedTuple):
    """A chunk of input rows with their numbers and sizes, in columns.

    ``msisdns`` has "" for a row without a valid number, and ``sizes`` has ``None`` for a row without a valid text.
    """

    written: Sequence[str]
    msisdns: Sequence[str]
    sizes: Sequence[Size | None]


class Plan(Protocol):
    """Which rows get which message, and the outcome of each."""

    @property
    def outcomes(self) -> RowOutcomes:
        """The outcome of each row so far."""

    @property
    def languages(self) -> RowLanguages:
        """The language of each row, if there is a template per language."""

    @property
    def groups(self) -> Iterator[Group]:
        """The rows to send, by message, in the order of the input."""

    @property
    def parts(self) -> int:
        """The number of parts of all messages to send."""

    @property
    def long_arabic(self) -> Iterator[tuple[Message, int]]:
        """The messages of ``Lang.ARABIC`` with several parts, each with its number of rows."""

    def count_calls(self, numbers_for: Callable[[Message], int]) -> int:
        """Count the calls of all groups.

        :param numbers_for: returns how many numbers fit into a call with a message; 0 counts as 1.
        """

    def read_rows(self, chunk_size: int) -> Iterator[ReadRows]:
        """Yield all input rows in order, ``chunk_size`` rows at a time."""


#: Slicing a range is free, unlike a list of rows.
_RowNumbers = tuple[int, ...] | range


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alike:
    """Rows that get the same message."""

    message: Message
    copy: int
    rows: _RowNumbers


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """A plan whose rows are in memory.

    ``alike`` has the rows to send: a row number for a text that only one row has, else the rows with the same
    text.
    """

    rows: Rows
    alike: Sequence[int | _Alike]
    outcomes: RowOutcomes
    languages: RowLanguages

    @property
    def groups(self) -> Iterator[Group]:
        """The rows to send, by message, in the order of the input."""
        msisdns, texts, sizes = self.rows.msisdns, self.rows.texts, self.rows.sizes
        for alike in self.alike:
            if isinstance(alike, int):
                message = Message(texts[alike], *sizes[alike])  # type: ignore[arg-type, misc]  # rows to send have both
                yield Group(message, 0, (alike,), (msisdns[alike],))
            else:
                yield Group(alike.message, alike.copy, alike.rows, _of_rows(alike.rows, msisdns))

    @property
    def parts(self) -> int:
        """The number of parts of all messages to send."""
        return sum(
            cast("Size", self.rows.sizes[alike]).parts
            if isinstance(alike, int)
            else alike.message.parts * len(alike.rows)
            for alike in self.alike
        )

    @property
    def long_arabic(self) -> Iterator[tuple[Message, int]]:
        """The messages of ``Lang.ARABIC`` with several parts, each with its number of rows."""
        texts = cast("Sequence[str]", self.rows.texts)  # rows to send have a text and a size
        sizes = cast("Sequence[Size]", self.rows.sizes)
        for alike in self.alike:
            if not isinstance(alike, int):
                if alike.message.parts > 1 and alike.message.lang is Lang.ARABIC:
                    yield alike.message, len(alike.rows)
            elif (size := sizes[alike]) is not ONE_ENGLISH_PART and size.parts > 1 and size.lang is Lang.ARABIC:
                yield Message(texts[alike], *size), 1

    def count_calls(self, numbers_for: Callable[[Message], int]) -> int:
        """Count the calls of all groups; see :class:`Plan`."""
        return sum(
            1 if isinstance(alike, int) else -(-len(alike.rows) // (numbers_for(alike.message) or 1))
            for alike in self.alike
        )

    def read_rows(self, chunk_size: int) -> Iterator[ReadRows]:
        """Yield all input rows in order, ``chunk_size`` rows at a time."""
        for start in range(0, len(self.rows.msisdns), chunk_size):
            rows = slice(start, start + chunk_size)
            written = all_as_written(self.rows.written[rows])
            yield ReadRows(written, self.rows.msisdns[rows], self.rows.sizes[rows])


def plan(recipients: Any, reading: Reading, *, deduplicate: bool = True) -> MemoryPlan:
    """Plan a send, and record which rows are invalid or duplicates.

    If several rows have the same number and text, only the first one is sent, unless ``deduplicate`` is false.

    :raises InputError: the recipients or the message are invalid as a whole.
    """
    outcomes = RowOutcomes()
    rows = reading.read(read_recipients(recipients, reading.recipient_column), outcomes)
    languages = RowLanguages(reading.content.templates)
    languages.extend(rows.languages, rows.sizes)
    alike = _alike(rows, outcomes, deduplicate=deduplicate)
    return MemoryPlan(rows=rows, alike=alike, outcomes=outcomes, languages=languages)


def _alike(rows: Rows, outcomes: RowOutcomes, *, deduplicate: bool) -> list[int | _Alike]:
    """Return the rows to send by text, in the order of the input; record duplicates.

    If duplicates are kept, they go into further groups, because it is not documented how the gateway treats a
    number that is in a call twice.
    """
    alike: list[int | _Alike] = []
    for text, same in _rows_by_text(rows).items():
        if isinstance(same, int):
            alike.append(same)
            continue
        message = Message(text, *rows.sizes[same[0]])  # type: ignore[misc]  # rows to send have a size
        for copy, copies in enumerate(_copies(same, rows.msisdns)):
            if copy and deduplicate:
                outcomes.set(copies, Outcome.DUPLICATE)
            else:
                alike.append(_Alike(message=message, copy=copy, rows=copies))
    return alike


def _rows_by_text(rows: Rows) -> Mapping[str, int | list[int] | range]:
    """Return the rows that have a number, by text. A text's only row is not in a list, to save memory."""
    text = rows.texts[0] if rows.texts else None
    if text is not None and any(rows.msisdns) and rows.texts.count(text) == len(rows.texts):
        every = range(len(rows.texts))
        return {text: every if all(rows.msisdns) else list(compress(every, rows.msisdns))}
    by_text: dict[str, int | list[int]] = {}
    for row, (msisdn, text) in enumerate(zip(rows.msisdns, rows.texts, strict=True)):
        if not msisdn or text is None:
            continue
        same = by_text.setdefault(text, row)
        if isinstance(same, list):
            same.append(row)
        elif same != row:
            by_text[text] = [same, row]
    return by_text


def _of_rows(rows: Sequence[int], msisdns: list[str]) -> list[str]:
    """Return the numbers of the rows. Rows are in order, so as many rows as numbers are all rows."""
    return msisdns if len(rows) == len(msisdns) else [msisdns[row] for row in rows]


def _copies(rows: list[int] | range, msisdns: list[str]) -> Sequence[_RowNumbers]:
    """Split the rows by copy: the first row of each number, the second row of each, and so on."""
    if len(set(_of_rows(rows, msisdns))) == len(rows):
        return [rows if isinstance(rows, range) else tuple(rows)]
    copies: list[list[int]] = []
    seen: dict[str, int] = {}
    for row in rows:
        copy = seen[msisdns[row]] = seen.get(msisdns[row], -1) + 1
        if copy == len(copies):
            copies.append([])
        copies[copy].append(row)
    return [tuple(rows) for rows in copies]


def samples(plan: Plan) -> tuple[Sample, ...]:
    """Return the first texts to send, each with its first number, which is masked, also within the text.

    With a template per language, these are the first texts of each language.
    """
    counts = plan.languages.counts(plan.outcomes)
    left: dict[str | None, int] = {
        language: min(MAX_SAMPLES, of_language.rows[Outcome.NOT_ATTEMPTED])
        for language, of_language in counts.items()
    }
    left = left or {None: MAX_SAMPLES}
    found: dict[str | None, list[Sample]] = {language: [] for language in left}
    for group in plan.groups:
        row, msisdn = next(group.numbers)
        language = plan.languages[row]
        if not group.copy and left[language]:
            left[language] -= 1
            found[language].append(_sample(group.message, msisdn, language))
            if not any(left.values()):
                break
    return tuple(chain.from_iterable(found.values()))


def _sample(message: Message, msisdn: str, language: str | None) -> Sample:
    return Sample(
        msisdn=mask_msisdn(msisdn),
        text=mask_in(message.text, msisdn),
        lang=int(message.lang),
        parts=message.parts,
        language=language,
    )
