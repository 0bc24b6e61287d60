"""Recipients and a message -> what is to be said to whom, and which rows cannot be told anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

from airflow_provider_ismart.sms.errors import InputError
from airflow_provider_ismart.sms.messages import InvalidTextError, LangChoice, Message, Size, Template, size
from airflow_provider_ismart.sms.msisdn import InvalidNumberError, canonical_msisdn, is_missing
from airflow_provider_ismart.sms.recipients import Columns, as_written, read_recipients, shown, shown_all
from airflow_provider_ismart.sms.report import Outcome, RowOutcomes
from airflow_provider_ismart.sms.text import MAX_PARTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is to be said: one template for all rows, or a column that holds each row's own text."""

    message: str | None = None
    message_column: str | None = None
    lang: LangChoice = LangChoice.AUTO
    max_parts: int = MAX_PARTS

    def __post_init__(self) -> None:
        """Check that there is exactly one source of text and a sensible limit.

        :raises InputError: there is none or two, or ``max_parts`` is not 1 to 5.
        """
        if (self.message is None) == (self.message_column is None):
            raise InputError("give either message or message_column")
        if self.message is not None and not isinstance(self.message, str):
            raise InputError(f"message is a {type(self.message).__name__}; it has to be text")
        if type(self.max_parts) is not int or not 1 <= self.max_parts <= MAX_PARTS:
            raise InputError(f"max_parts is {self.max_parts!r}; it can be 1 to {MAX_PARTS}")

    @property
    def columns(self) -> Sequence[str]:
        """The columns that the texts are made of.

        :raises InputError: the message is no template.
        """
        return [self.message_column] if self.message_column is not None else Template(self.message or "").columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows that are to be told the same, each with its number, no number twice.

    ``copy`` counts from 0 where duplicates are kept. ``numbers`` can be gone through once, before the next group.
    """

    message: Message
    copy: int
    numbers: Iterable[tuple[int, str]]


class ReadRow(NamedTuple):
    """A row as it came in, as text, and what was made of it: a number (or "") and a text's size (or ``None``)."""

    written: str
    msisdn: str
    size: Size | None


class Plan(Protocol):
    """Which rows are to be told what, and what became of each."""

    @property
    def outcomes(self) -> RowOutcomes:
        """What became of each row so far."""

    @property
    def groups(self) -> Iterator[Group]:
        """The rows that are to be sent, by message, in the order of the input."""

    @property
    def parts(self) -> int:
        """The parts of everything that is to be sent."""

    def count_calls(self, numbers_for: Callable[[Message], int]) -> int:
        """Return how many calls all groups take; ``numbers_for`` says how many numbers fit into one (0 is 1)."""

    def read_rows(self) -> Iterator[ReadRow]:
        """Yield every row of the input, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How rows are read: what they are to be told, where their number stands, and in which country it is local."""

    content: Content
    recipient_column: str = "msisdn"
    country_code: str = "968"

    def read(self, columns: Columns, outcomes: RowOutcomes) -> Rows:
        """Make every row's number canonical and its text a message; add to ``outcomes`` which cannot be sent.

        :raises InputError: a column is missing, or the message cannot be sent to anybody.
        """
        if not columns:
            return Rows(written=(), msisdns=[], texts=[], sizes=[])
        written = _column(columns, self.recipient_column, "recipient_column is")
        first = len(outcomes)
        outcomes.extend(len(written))

        def invalid(row: int, why: str) -> None:
            outcomes.set([first + row], Outcome.INVALID, reason=why)

        msisdns = _canonical(written, self.country_code, invalid)
        texts, sizes = _texts(self.content, columns, msisdns, invalid)
        return Rows(written=written, msisdns=msisdns, texts=texts, sizes=sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows that were read, in columns: a million make no object each but their texts.

    ``written`` and ``msisdns`` hold a row's number as it came and in canonical form ("" where it has none),
    ``texts`` its text and ``sizes`` what that takes (``None`` where it has none).
    """

    written: Sequence[Any]
    msisdns: list[str]
    texts: Sequence[str | None]
    sizes: Sequence[Size | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alike:
    """A group by its rows."""

    message: Message
    copy: int
    rows: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """A plan of rows that are in memory.

    ``alike`` are those that are to be sent: a row whose text nobody else gets, or rows with the same text.
    """

    rows: Rows
    alike: Sequence[int | _Alike]
    outcomes: RowOutcomes

    @property
    def groups(self) -> Iterator[Group]:
        """The rows that are to be sent, by message, in the order of the input."""
        rows, msisdns = self.rows, self.rows.msisdns
        for alike in self.alike:
            if isinstance(alike, int):
                yield Group(message=_message(rows, alike), copy=0, numbers=((alike, msisdns[alike]),))
            else:
                numbers = zip(alike.rows, map(msisdns.__getitem__, alike.rows), strict=True)
                yield Group(message=alike.message, copy=alike.copy, numbers=numbers)

    @property
    def parts(self) -> int:
        """The parts of everything that is to be sent."""
        return sum(
            cast("Size", self.rows.sizes[alike]).parts
            if isinstance(alike, int)
            else alike.message.parts * len(alike.rows)
            for alike in self.alike
        )

    def count_calls(self, numbers_for: Callable[[Message], int]) -> int:
        """Return how many calls all groups take; ``numbers_for`` says how many numbers fit into one (0 is 1)."""
        return sum(
            1 if isinstance(alike, int) else -(-len(alike.rows) // (numbers_for(alike.message) or 1))
            for alike in self.alike
        )

    def read_rows(self) -> Iterator[ReadRow]:
        """Yield every row of the input, in order."""
        return map(ReadRow, map(as_written, self.rows.written), self.rows.msisdns, self.rows.sizes)


def plan(recipients: Any, reading: Reading, *, deduplicate: bool = True) -> MemoryPlan:
    """Read the recipients, and sort out the rows that cannot be sent.

    Rows with the same number and the same text fold into the first of them, unless ``deduplicate`` is off.

    :raises InputError: the recipients or the message cannot be sent to anybody as they are.
    """
    outcomes = RowOutcomes()
    rows = reading.read(read_recipients(recipients, reading.recipient_column), outcomes)
    return MemoryPlan(rows=rows, alike=_alike(rows, outcomes, deduplicate=deduplicate), outcomes=outcomes)


def _column(columns: Columns, name: str, asked_by: str) -> Sequence[Any]:
    try:
        return columns[name]
    except KeyError:
        raise InputError(
            f"{asked_by} {shown(name)}, but the recipients have no such column; they have {shown_all(columns)}"
        ) from None


#: Takes a row, from 0 in its table, that cannot be sent, and why.
_Invalid = Callable[[int, str], None]


def _canonical(written: Sequence[Any], country_code: str, invalid: _Invalid) -> list[str]:
    msisdns = []
    for row, cell in enumerate(written):
        try:
            msisdns.append(canonical_msisdn(cell, country_code))
        except InvalidNumberError as why:
            msisdns.append("")
            invalid(row, f"number: {why}")
    return msisdns


_Texts = tuple[list[str | None], list[Size | None]]


def _texts(content: Content, columns: Columns, msisdns: list[str], invalid: _Invalid) -> _Texts:
    """Return each row's text and size, or ``None`` where ``invalid`` has been told why it has none."""
    if content.message_column is not None:
        own = _column(columns, content.message_column, "message_column is")
        return _text_of_each(content, _own_text, own, msisdns, invalid)
    template = Template(content.message or "")
    if template.literal.strip() or not template.columns:
        try:
            of_literal = size(template.literal, content.lang, content.max_parts)
        except InvalidTextError as why:  # no cell can mend what is wrong with the template itself
            raise InputError(f"message: {why}") from None
        if not template.columns:
            return [template.literal] * len(msisdns), [of_literal] * len(msisdns)
    cells = [_column(columns, name, "message has a placeholder for") for name in template.columns]
    return _text_of_each(content, template.fill, zip(*cells, strict=True), msisdns, invalid)


def _text_of_each(
    content: Content,
    text_of: Callable[[Any], str],
    rows: Iterable[Any],
    msisdns: list[str],
    invalid: _Invalid,
) -> _Texts:
    lang, max_parts = content.lang, content.max_parts
    texts: list[str | None] = []
    sizes: list[Size | None] = []
    for row, cells in enumerate(rows):
        try:
            text = text_of(cells)
            sizes.append(size(text, lang, max_parts))
            texts.append(text)
        except InvalidTextError as why:
            sizes.append(None)
            texts.append(None)
            if msisdns[row]:  # what is wrong with its number is said already
                invalid(row, f"message: {why}")
    return texts, sizes


def _own_text(cell: Any) -> str:
    if is_missing(cell):
        raise InvalidTextError("empty")
    if not isinstance(cell, str):
        raise InvalidTextError(f"a {type(cell).__name__}, not text")
    return cell


def _message(rows: Rows, row: int) -> Message:
    lang, parts = cast("Size", rows.sizes[row])
    return Message(text=cast("str", rows.texts[row]), lang=lang, parts=parts)


def _alike(rows: Rows, outcomes: RowOutcomes, *, deduplicate: bool) -> list[int | _Alike]:
    """Return the rows to send by text, in the order of the input, duplicates put down as such.

    Where duplicates are kept, a number's second row of a text starts a group of its own: what the gateway
    makes of one number twice in a call is not documented.
    """
    alike: list[int | _Alike] = []
    for same in _rows_by_text(rows).values():
        if isinstance(same, int):
            alike.append(same)
            continue
        message = _message(rows, same[0])
        for copy, copies in enumerate(_copies(same, rows.msisdns)):
            if copy and deduplicate:
                outcomes.set(copies, Outcome.DUPLICATE)
            else:
                alike.append(_Alike(message=message, copy=copy, rows=copies))
    return alike


def _rows_by_text(rows: Rows) -> dict[str, int | list[int]]:
    """Return the rows with a number by their text: one row as itself, for most texts have one or very many."""
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


def _copies(rows: list[int], msisdns: list[str]) -> list[list[int]]:
    """Split the rows into those with a number's first message, those with its second, and so on."""
    if len({msisdns[row] for row in rows}) == len(rows):
        return [rows]
    copies: list[list[int]] = []
    seen: dict[str, int] = {}
    for row in rows:
        copy = seen[msisdns[row]] = seen.get(msisdns[row], -1) + 1
        if copy == len(copies):
            copies.append([])
        copies[copy].append(row)
    return copies
