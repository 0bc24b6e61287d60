"""Read recipients into rows, each with its number and text or the reason why it is invalid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from airflow_provider_ismart.core.columns import Columns, shown, shown_all
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.message import ONE_ENGLISH_PART, InvalidTextError, LangChoice, Size, size
from airflow_provider_ismart.core.msisdn import InvalidNumberError, canonical_msisdn, canonical_texts, is_missing
from airflow_provider_ismart.core.numbering import OMAN, NumberingPlan
from airflow_provider_ismart.core.outcomes import Outcome, RowOutcomes
from airflow_provider_ismart.core.segmentation import MAX_PARTS, are_one_english_part, is_blank
from airflow_provider_ismart.core.template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The source of the texts: one template for all rows, or a column with the text of each row."""

    message: str | None = None
    message_column: str | None = None
    lang: LangChoice = LangChoice.AUTO
    max_parts: int = MAX_PARTS

    def __post_init__(self) -> None:
        """Check that there is exactly one source of text and a sensible limit.

        :raises InputError: there are none or two sources, a type is wrong, or ``max_parts`` is not 1 to 5.
        """
        if (self.message is None) == (self.message_column is None):
            raise InputError("give either message or message_column")
        if self.message is not None and not isinstance(self.message, str):
            raise InputError(f"message is a {type(self.message).__name__}; it has to be text")
        if self.message_column is not None:
            object.__setattr__(self, "message_column", _column_name("message_column", self.message_column))
        if type(self.max_parts) is not int or not 1 <= self.max_parts <= MAX_PARTS:
            raise InputError(f"max_parts is {self.max_parts!r}; it can be 1 to {MAX_PARTS}")

    @property
    def columns(self) -> Sequence[str]:
        """The columns that the texts use.

        :raises InputError: the message is no template.
        """
        if self.message_column is not None:
            return [self.message_column]
        return Template(self.message or "").columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read rows: the message, the column of the numbers, and the country of local numbers."""

    content: Content
    recipient_column: str = "msisdn"
    numbering: NumberingPlan = OMAN

    def __post_init__(self) -> None:
        """Convert the column's name to text, like all column names.

        :raises InputError: it is neither text nor an integer.
        """
        object.__setattr__(self, "recipient_column", _column_name("recipient_column", self.recipient_column))

    def read(self, columns: Columns, outcomes: RowOutcomes) -> Rows:
        """Normalise each row's number and compose its text; record invalid rows in ``outcomes``.

        :raises InputError: a column is missing, or the message cannot be sent to anybody.
        """
        if not columns:
            return Rows(written=(), msisdns=[], texts=[], sizes=[])
        written = _column(columns, self.recipient_column, "recipient_column is")
        first = len(outcomes)
        outcomes.extend(len(written))

        def invalid(row: int, why: str) -> None:
            outcomes.set([first + row], Outcome.INVALID, reason=why)

        msisdns = _canonical(written, self.numbering, invalid)
        texts, sizes = _texts(self.content, columns, msisdns, invalid)
        return Rows(written=written, msisdns=msisdns, texts=texts, sizes=sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows in columns. A row has no object of its own except its text, to save memory.

    ``written`` and ``msisdns`` hold a row's number as it came and in canonical form ("" where it has none),
    ``texts`` its text and ``sizes`` what that takes (``None`` where it has none).
    """

    written: Sequence[Any]
    msisdns: list[str]
    texts: Sequence[str | None]
    sizes: Sequence[Size | None]


def _column_name(option: str, name: object) -> str:
    """Return a column's name as text; columns of a table without a header have integers as names."""
    if isinstance(name, str) or (isinstance(name, Integral) and not isinstance(name, bool)):
        return str(name)
    raise InputError(f"{option} is a {type(name).__name__}; it can be text, or an integer")


def _column(columns: Columns, name: str, asked_by: str) -> Sequence[Any]:
    try:
        return columns[name]
    except KeyError:
        raise InputError(
            f"{asked_by} {shown(name)}, but the recipients have no such column; they have {shown_all(columns)}"
        ) from None


#: Few enough that one unusual number slows down only few others.
_LOOKED_AT_ONCE = 100

#: Called with the position of an invalid row in its table, and the reason.
_Invalid = Callable[[int, str], None]


def _canonical(written: Sequence[Any], numbering: NumberingPlan, invalid: _Invalid) -> list[str]:
    msisdns: list[str] = []
    for start in range(0, len(written), _LOOKED_AT_ONCE):
        cells = written[start : start + _LOOKED_AT_ONCE]
        if texts := canonical_texts(cells, numbering):
            msisdns += texts
            continue
        for row, cell in enumerate(cells, start):
            try:
                msisdns.append(canonical_msisdn(cell, numbering))
            except InvalidNumberError as why:
                msisdns.append("")
                invalid(row, f"number: {why}")
    return msisdns


_Texts = tuple[list[str | None], list[Size | None]]


def _texts(content: Content, columns: Columns, msisdns: list[str], invalid: _Invalid) -> _Texts:
    """Return each row's text and size, or ``None`` if it is invalid; pass the reason to ``invalid``."""

    def invalid_text(row: int, why: str) -> None:
        if msisdns[row]:  # already recorded as invalid for its number
            invalid(row, f"message: {why}")

    if content.message_column is not None:
        texts = _own_texts(_column(columns, content.message_column, "message_column is"), invalid_text)
        return texts, _sizes(content, texts, invalid_text)
    template = Template(content.message or "")
    if not is_blank(template.literal) or not template.columns:
        try:
            of_literal = size(template.literal, content.lang, content.max_parts)
        except InvalidTextError as why:  # the template itself is wrong, whatever the cells
            raise InputError(f"message: {why}") from None
        if not template.columns:
            return [template.literal] * len(msisdns), [of_literal] * len(msisdns)
    cells = [_column(columns, name, "message has a placeholder for") for name in template.columns]
    texts = _filled(template, cells, invalid_text)
    return texts, _sizes(content, texts, invalid_text)


def _own_texts(column: Sequence[Any], invalid: _Invalid) -> list[str | None]:
    texts: list[str | None] = []
    for row, cell in enumerate(column):
        if isinstance(cell, str):
            texts.append(cell)
        else:
            texts.append(None)
            invalid(row, "empty" if is_missing(cell) else f"a {type(cell).__name__}, not text")
    return texts


def _filled(template: Template, columns: Sequence[Sequence[Any]], invalid: _Invalid) -> list[str | None]:
    texts: list[str | None] = []
    for start in range(0, len(columns[0]), _LOOKED_AT_ONCE):
        some = [cells[start : start + _LOOKED_AT_ONCE] for cells in columns]
        try:
            texts += template.fill_all(some)
        except InvalidTextError:
            for row, cells in enumerate(zip(*some, strict=True), start):
                try:
                    texts.append(template.fill(cells))
                except InvalidTextError as why:
                    texts.append(None)
                    invalid(row, str(why))
    return texts


def _sizes(content: Content, texts: list[str | None], invalid: _Invalid) -> list[Size | None]:
    """Return the sizes of the texts; remove texts that cannot be sent."""
    lang, max_parts = content.lang, content.max_parts
    sizes: list[Size | None] = []
    for start in range(0, len(texts), _LOOKED_AT_ONCE):
        some = texts[start : start + _LOOKED_AT_ONCE]
        if lang is not LangChoice.ARABIC and are_one_english_part(some):
            sizes += [ONE_ENGLISH_PART] * len(some)
            continue
        for row, text in enumerate(some, start):
            try:
                sizes.append(None if text is None else size(text, lang, max_parts))
            except InvalidTextError as why:
                sizes.append(None)
                texts[row] = None
                invalid(row, str(why))
    return sizes
