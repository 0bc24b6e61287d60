"""Read recipients into rows, each with a number and a text, or with the reason why it is invalid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from airflow_provider_ismart.core.chunked import map_rows
from airflow_provider_ismart.core.columns import Columns, shown, shown_all
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.exclusion import NOBODY_EXCLUDED, Exclusion
from airflow_provider_ismart.core.languages import choose_languages, read_templates
from airflow_provider_ismart.core.message import ONE_ENGLISH_PART, InvalidTextError, LangChoice, Size, size
from airflow_provider_ismart.core.msisdn import canonical_column, is_missing
from airflow_provider_ismart.core.numbering import OMAN, NumberingPlan
from airflow_provider_ismart.core.outcomes import Outcome, RowOutcomes
from airflow_provider_ismart.core.segmentation import MAX_PARTS, are_one_english_part, is_blank
from airflow_provider_ismart.core.simplification import simplified
from airflow_provider_ismart.core.template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The source of the texts: a template, a template per language, or a column with the text of each row.

    With a template per language, ``language_column`` is the column with each row's language.
    """

    message: str | Mapping[str, str] | None = None
    message_column: str | None = None
    language_column: str | None = None
    lang: LangChoice = LangChoice.AUTO
    max_parts: int = MAX_PARTS
    simplify_text: bool = False

    def __post_init__(self) -> None:
        """Check that there is exactly one source of text and a valid limit.

        :raises InputError: there is no source or two, a type is wrong, or ``max_parts`` is not 1 to 5.
        """
        if (self.message is None) == (self.message_column is None):
            raise InputError("set either message or message_column")
        if self.message is not None and not isinstance(self.message, str | Mapping):
            raise InputError(
                f"message is of type {type(self.message).__name__}; it must be text, or a dict of texts by "
                "language"
            )
        if self.message_column is not None:
            object.__setattr__(self, "message_column", _column_name("message_column", self.message_column))
        self._check_languages()
        if type(self.max_parts) is not int or not 1 <= self.max_parts <= MAX_PARTS:
            raise InputError(f"max_parts is {self.max_parts!r}; it must be 1 to {MAX_PARTS}")

    def _check_languages(self) -> None:
        if isinstance(self.message, Mapping):
            read_templates(self.message)
            if self.language_column is None:
                raise InputError("message is a dict; name the column with each row's language in language_column")
            object.__setattr__(self, "language_column", _column_name("language_column", self.language_column))
        elif self.language_column is not None:
            raise InputError("language_column is set, so message must be a dict of templates by language")

    @property
    def template(self) -> Template:
        """The template that all rows share.

        :raises InputError: it is not a valid template.
        """
        return Template(self.message if isinstance(self.message, str) else "")

    @property
    def templates(self) -> Mapping[str, Template]:
        """The templates by language; empty if all rows share one template or have their own texts."""
        return read_templates(self.message) if isinstance(self.message, Mapping) else {}

    @property
    def simplifies(self) -> bool:
        """Whether to simplify texts. With ``lang="arabic"``, this would save nothing."""
        return self.simplify_text and self.lang is not LangChoice.ARABIC

    @property
    def columns(self) -> Sequence[str]:
        """The columns that the texts use.

        :raises InputError: the message is not a valid template.
        """
        if self.message_column is not None:
            return [self.message_column]
        if self.language_column is not None:
            named = (name for template in self.templates.values() for name in template.columns)
            return list(dict.fromkeys([self.language_column, *named]))
        return self.template.columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read rows: their texts, the column and notations of their numbers, and the excluded numbers."""

    content: Content
    recipient_column: str = "msisdn"
    numbering: NumberingPlan = OMAN
    exclusion: Exclusion = NOBODY_EXCLUDED

    def __post_init__(self) -> None:
        """Convert the column's name to text, like all column names.

        :raises InputError: it is neither text nor an integer.
        """
        object.__setattr__(self, "recipient_column", _column_name("recipient_column", self.recipient_column))

    def read(self, columns: Columns, outcomes: RowOutcomes) -> Rows:
        """Normalise each row's number and compose its text; record invalid and excluded rows in ``outcomes``.

        :raises InputError: a column is missing, or the message is invalid for every row.
        """
        if not columns:
            return Rows(written=(), msisdns=[], texts=[], sizes=[])
        written = _column(columns, self.recipient_column, "recipient_column is")
        first = len(outcomes)
        outcomes.extend(len(written))

        def invalid(row: int, why: str) -> None:
            outcomes.set([first + row], Outcome.INVALID, reason=why)

        msisdns = canonical_column(written, self.numbering, lambda row, why: invalid(row, f"number: {why}"))

        def invalid_text(row: int, why: str) -> None:
            if msisdns[row]:  # otherwise the row is already invalid because of its number
                invalid(row, why)

        languages = _languages(self.content, columns, invalid_text)
        texts, sizes = _texts(self.content, columns, languages, len(msisdns), invalid_text)
        if self.exclusion:
            self.exclusion.apply(msisdns, texts, sizes, outcomes, first)
        return Rows(written=written, msisdns=msisdns, texts=texts, sizes=sizes, languages=languages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows in columns. To save memory, a row has no object of its own except its text.

    ``written`` has each row's number as in the input, and ``msisdns`` in canonical form ("" if it is invalid).
    ``texts`` and ``sizes`` are ``None`` for a row that is not sent. ``languages`` has the key of each row's
    template (``None`` if no template fits), and is empty if there is no template per language.
    """

    written: Sequence[Any]
    msisdns: list[str]
    texts: Sequence[str | None]
    sizes: Sequence[Size | None]
    languages: Sequence[str | None] = ()


def _column_name(option: str, name: object) -> str:
    """Return a column's name as text. It can be an integer, as in tables without a header."""
    if isinstance(name, str) or (isinstance(name, Integral) and not isinstance(name, bool)):
        return str(name)
    raise InputError(f"{option} is of type {type(name).__name__}; it must be text, or an integer")


def _column(columns: Columns, name: str, asked_by: str) -> Sequence[Any]:
    try:
        return columns[name]
    except KeyError:
        raise InputError(
            f"{asked_by} {shown(name)}, but the recipients do not have this column; they have {shown_all(columns)}"
        ) from None


#: A function that is called with the position of an invalid row in its table, and the reason.
_Invalid = Callable[[int, str], None]

_Texts = tuple[list[str | None], list[Size | None]]


def _languages(content: Content, columns: Columns, invalid: _Invalid) -> Sequence[str | None]:
    if content.language_column is None:
        return ()
    cells = _column(columns, content.language_column, "language_column is")
    return choose_languages(cells, content.templates, invalid)


def _texts(
    content: Content, columns: Columns, languages: Sequence[str | None], count: int, invalid: _Invalid
) -> _Texts:
    """Return each row's text and size, ``None`` if it is invalid; then pass the reason to ``invalid``."""

    def invalid_text(row: int, why: str) -> None:
        invalid(row, f"message: {why}")

    if content.message_column is not None:
        texts = _own_texts(_column(columns, content.message_column, "message_column is"), invalid_text)
        return texts, _sizes(content, texts, invalid_text)
    if content.language_column is not None:
        return _texts_by_language(content, columns, languages, invalid_text)
    template = content.template
    return _of_template(content, template, _cells(template, columns), count, invalid_text)


def _texts_by_language(
    content: Content, columns: Columns, languages: Sequence[str | None], invalid: _Invalid
) -> _Texts:
    texts: list[str | None] = [None] * len(languages)
    sizes: list[Size | None] = [None] * len(languages)
    for language, template in content.templates.items():
        rows = [row for row, of_row in enumerate(languages) if of_row == language]

        def invalid_row(at: int, why: str, rows: Sequence[int] = rows) -> None:
            invalid(rows[at], why)

        cells = [[column[row] for row in rows] for column in _cells(template, columns)]
        found = _of_template(content, template, cells, len(rows), invalid_row)
        for row, text, size_ in zip(rows, *found, strict=True):
            texts[row], sizes[row] = text, size_
    return texts, sizes


def _cells(template: Template, columns: Columns) -> list[Sequence[Any]]:
    return [_column(columns, name, f"{template.name} has a placeholder for") for name in template.columns]


def _of_template(
    content: Content, template: Template, cells: Sequence[Sequence[Any]], count: int, invalid: _Invalid
) -> _Texts:
    """Return the text and size of each of ``count`` rows that share a template."""
    literal = simplified(template.literal) if content.simplifies else template.literal
    if not is_blank(literal) or not template.columns:
        try:
            of_literal = size(literal, content.lang, content.max_parts)
        except InvalidTextError as why:  # the template itself is invalid, regardless of the cells
            raise InputError(f"{template.name}: {why}") from None
        if not template.columns:
            return [literal] * count, [of_literal] * count
    texts = _filled(template, cells, invalid)
    return texts, _sizes(content, texts, invalid)


def _own_texts(column: Sequence[Any], invalid: _Invalid) -> list[str | None]:
    texts: list[str | None] = []
    for row, cell in enumerate(column):
        if isinstance(cell, str):
            texts.append(cell)
        else:
            texts.append(None)
            invalid(row, "empty" if is_missing(cell) else f"of type {type(cell).__name__}, not text")
    return texts


def _filled(template: Template, columns: Sequence[Sequence[Any]], invalid: _Invalid) -> list[str | None]:
    def together(chunk: Sequence[Sequence[Any]]) -> list[str] | None:
        try:
            return template.fill_all(chunk)
        except InvalidTextError:
            return None

    def one(row: int, cells: Sequence[Any]) -> str | None:
        try:
            return template.fill(cells)
        except InvalidTextError as why:
            invalid(row, str(why))
            return None

    return map_rows(columns, together, one)


def _sizes(content: Content, texts: list[str | None], invalid: _Invalid) -> list[Size | None]:
    """Simplify the texts in place and return their sizes; remove texts that cannot be sent."""
    lang, max_parts = content.lang, content.max_parts

    def together(chunk: Sequence[Sequence[str | None]]) -> list[Size | None] | None:
        is_easy = lang is not LangChoice.ARABIC and are_one_english_part(chunk[0])
        return [ONE_ENGLISH_PART] * len(chunk[0]) if is_easy else None

    def one(row: int, cells: Sequence[str | None]) -> Size | None:
        text = cells[0]
        if text is None:
            return None
        if content.simplifies:
            text = texts[row] = simplified(text)
        try:
            return size(text, lang, max_parts)
        except InvalidTextError as why:
            texts[row] = None
            invalid(row, str(why))
            return None

    return map_rows([texts], together, one)
