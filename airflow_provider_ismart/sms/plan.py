"""Recipients and a message -> what is to be said to whom, and which rows cannot be told anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from airflow_provider_ismart.sms.errors import InputError
from airflow_provider_ismart.sms.messages import InvalidTextError, LangChoice, Message, Size, Template, size
from airflow_provider_ismart.sms.msisdn import InvalidNumberError, canonical_msisdn, is_missing
from airflow_provider_ismart.sms.recipients import ChunkedRecipients, Columns, read_recipients, shown
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
    """Rows that are to be told the same, no number twice; ``copy`` counts from 0 where duplicates are kept."""

    message: Message
    copy: int
    rows: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which rows are to be told what, in columns: a million rows make no object each but their texts.

    ``written`` and ``msisdns`` hold a row's number as it came and in canonical form ("" where it has none),
    ``texts`` its text and ``sizes`` what that takes (``None`` where it has none), all by row. ``alike`` are the
    rows that are to be sent, in the order of the input: a row whose text nobody else gets, or a group.
    """

    written: Sequence[Any]
    msisdns: list[str]
    texts: Sequence[str | None]
    sizes: Sequence[Size | None]
    alike: Sequence[int | Group]
    outcomes: RowOutcomes

    @property
    def groups(self) -> Iterator[Group]:
        """The rows that are to be sent, by message."""
        for alike in self.alike:
            if isinstance(alike, Group):
                yield alike
            else:
                yield Group(message=_message(self.texts, self.sizes, alike), copy=0, rows=(alike,))

    @property
    def rows(self) -> Iterator[int]:
        """The rows that are to be sent."""
        for alike in self.alike:
            if isinstance(alike, Group):
                yield from alike.rows
            else:
                yield alike

    @property
    def parts(self) -> int:
        """The parts of everything that is to be sent."""
        return sum(
            alike.message.parts * len(alike.rows)
            if isinstance(alike, Group)
            else cast("Size", self.sizes[alike]).parts
            for alike in self.alike
        )

    def parts_of(self, outcome: Outcome) -> int:
        """Return the parts of the rows that ended as ``outcome``."""
        return sum(size.parts for row in self.outcomes.rows(outcome) if (size := self.sizes[row]))


def plan(
    recipients: Any,
    content: Content,
    *,
    recipient_column: str = "msisdn",
    country_code: str = "968",
    deduplicate: bool = True,
) -> Plan:
    """Make every row's number canonical and its text a message; sort out the rows that cannot be sent.

    Rows with the same number and the same text fold into the first of them, unless ``deduplicate`` is off.

    :raises InputError: the recipients or the message cannot be sent to anybody as they are.
    """
    if isinstance(recipients, ChunkedRecipients):
        recipients = list(recipients.read(recipient_column, content.columns))
    columns = read_recipients(recipients, recipient_column)
    written = _column(columns, recipient_column, "recipient_column is") if columns else ()
    outcomes = RowOutcomes(len(written))
    msisdns = _canonical(written, country_code, outcomes)
    texts, sizes = _texts(content, columns, msisdns, outcomes) if columns else ([], [])
    alike = _alike(msisdns, texts, sizes, outcomes, deduplicate=deduplicate)
    return Plan(written=written, msisdns=msisdns, texts=texts, sizes=sizes, alike=alike, outcomes=outcomes)


def _column(columns: Columns, name: str, asked_by: str) -> Sequence[Any]:
    try:
        return columns[name]
    except KeyError:
        known = ", ".join(map(shown, columns))
        raise InputError(
            f"{asked_by} {shown(name)}, but the recipients have no such column; they have {known}"
        ) from None


def _canonical(written: Sequence[Any], country_code: str, outcomes: RowOutcomes) -> list[str]:
    msisdns = []
    for row, cell in enumerate(written):
        try:
            msisdns.append(canonical_msisdn(cell, country_code))
        except InvalidNumberError as why:
            msisdns.append("")
            outcomes.set([row], Outcome.INVALID, reason=f"number: {why}")
    return msisdns


_Texts = tuple[list[str | None], list[Size | None]]


def _texts(content: Content, columns: Columns, msisdns: list[str], outcomes: RowOutcomes) -> _Texts:
    """Return each row's text and size, or ``None`` where ``outcomes`` now says why it has none."""
    if content.message_column is not None:
        own = _column(columns, content.message_column, "message_column is")
        return _text_of_each(content, _own_text, own, msisdns, outcomes)
    template = Template(content.message or "")
    if template.literal.strip() or not template.columns:
        try:
            of_literal = size(template.literal, content.lang, content.max_parts)
        except InvalidTextError as why:  # no cell can mend what is wrong with the template itself
            raise InputError(f"message: {why}") from None
        if not template.columns:
            return [template.literal] * len(outcomes), [of_literal] * len(outcomes)
    cells = [_column(columns, name, "message has a placeholder for") for name in template.columns]
    return _text_of_each(content, template.fill, zip(*cells, strict=True), msisdns, outcomes)


def _text_of_each(
    content: Content,
    text_of: Callable[[Any], str],
    rows: Iterable[Any],
    msisdns: list[str],
    outcomes: RowOutcomes,
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
                outcomes.set([row], Outcome.INVALID, reason=f"message: {why}")
    return texts, sizes


def _own_text(cell: Any) -> str:
    if is_missing(cell):
        raise InvalidTextError("empty")
    if not isinstance(cell, str):
        raise InvalidTextError(f"a {type(cell).__name__}, not text")
    return cell


def _message(texts: Sequence[str | None], sizes: Sequence[Size | None], row: int) -> Message:
    lang, parts = cast("Size", sizes[row])
    return Message(text=cast("str", texts[row]), lang=lang, parts=parts)


def _alike(
    msisdns: list[str],
    texts: list[str | None],
    sizes: list[Size | None],
    outcomes: RowOutcomes,
    *,
    deduplicate: bool,
) -> list[int | Group]:
    """Return the rows to send by text, in the order of the input, duplicates put down as such.

    Where duplicates are kept, a number's second row of a text starts a group of its own: what the gateway
    makes of one number twice in a call is not documented.
    """
    alike: list[int | Group] = []
    for rows in _rows_by_text(msisdns, texts).values():
        if isinstance(rows, int):
            alike.append(rows)
            continue
        message = _message(texts, sizes, rows[0])
        for copy, copies in enumerate(_copies(rows, msisdns)):
            if copy and deduplicate:
                outcomes.set(copies, Outcome.DUPLICATE)
            else:
                alike.append(Group(message=message, copy=copy, rows=copies))
    return alike


def _rows_by_text(msisdns: list[str], texts: list[str | None]) -> dict[str, int | list[int]]:
    """Return the rows with a number by their text: one row as itself, for most texts have one or very many."""
    by_text: dict[str, int | list[int]] = {}
    for row, (msisdn, text) in enumerate(zip(msisdns, texts, strict=True)):
        if not msisdn or text is None:
            continue
        rows = by_text.setdefault(text, row)
        if isinstance(rows, list):
            rows.append(row)
        elif rows != row:
            by_text[text] = [rows, row]
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
