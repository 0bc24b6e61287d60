"""Recipients and a message -> what is to be said to whom, and which rows cannot be told anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from airflow_provider_ismart.sms.errors import InputError
from airflow_provider_ismart.sms.messages import InvalidTextError, LangChoice, Message, Template, compose
from airflow_provider_ismart.sms.msisdn import InvalidNumberError, canonical_msisdn, is_missing
from airflow_provider_ismart.sms.recipients import Columns, read_recipients, shown
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows that are to be told the same, no number twice; ``copy`` counts from 0 where duplicates are kept."""

    message: Message
    copy: int
    rows: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which rows are to be told what.

    ``written`` and ``msisdns`` hold a row's number as it came and in canonical form ("" where it has none),
    ``texts`` its message (``None`` where it has none), all by row. ``groups`` are the rows that are to be
    sent, in the order of the input.
    """

    written: Sequence[Any]
    msisdns: list[str]
    texts: list[Message | None]
    groups: list[Group]
    outcomes: RowOutcomes

    @property
    def parts(self) -> int:
        """The parts of everything that is to be sent."""
        return sum(group.message.parts * len(group.rows) for group in self.groups)

    def parts_of(self, outcome: Outcome) -> int:
        """Return the parts of the rows that ended as ``outcome``."""
        return sum(message.parts for row in self.outcomes.rows(outcome) if (message := self.texts[row]))


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
    columns = read_recipients(recipients, recipient_column)
    written = _column(columns, recipient_column, "recipient_column is") if columns else ()
    outcomes = RowOutcomes(len(written))
    texts = _texts(content, columns, outcomes) if columns else []
    msisdns = _canonical(written, country_code, outcomes)
    groups = _group(msisdns, texts, outcomes, deduplicate=deduplicate)
    return Plan(written=written, msisdns=msisdns, texts=texts, groups=groups, outcomes=outcomes)


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


def _texts(content: Content, columns: Columns, outcomes: RowOutcomes) -> list[Message | None]:
    """Return each row's message, or ``None`` where ``outcomes`` now says why it has none."""
    if content.message_column is not None:
        own = _column(columns, content.message_column, "message_column is")
        return _compose_each(content, _own_text, own, outcomes)
    template = Template(content.message or "")
    if template.literal.strip() or not template.columns:
        try:
            message = compose(template.literal, content.lang, content.max_parts)
        except InvalidTextError as why:  # no cell can mend what is wrong with the template itself
            raise InputError(f"message: {why}") from None
        if not template.columns:
            return [message] * len(outcomes)
    cells = [_column(columns, name, "message has a placeholder for") for name in template.columns]
    return _compose_each(content, template.fill, zip(*cells, strict=True), outcomes)


def _compose_each(
    content: Content, text_of: Callable[[Any], str], rows: Iterable[Any], outcomes: RowOutcomes
) -> list[Message | None]:
    """Make each row's own text a message; rows with the same text share one."""
    known: dict[str, Message] = {}
    messages: list[Message | None] = []
    for row, cells in enumerate(rows):
        try:
            text = text_of(cells)
            message = known.get(text)
            if message is None:
                message = known[text] = compose(text, content.lang, content.max_parts)
        except InvalidTextError as why:
            outcomes.set([row], Outcome.INVALID, reason=f"message: {why}")
            message = None
        messages.append(message)
    return messages


def _own_text(cell: Any) -> str:
    if is_missing(cell):
        raise InvalidTextError("empty")
    if not isinstance(cell, str):
        raise InvalidTextError(f"a {type(cell).__name__}, not text")
    return cell


def _group(
    msisdns: list[str], texts: list[Message | None], outcomes: RowOutcomes, *, deduplicate: bool
) -> list[Group]:
    """Return the rows to send by message, in the order of the input, duplicates put down as such.

    Where duplicates are kept, a number's second row of a message starts a group of its own: what the gateway
    makes of one number twice in a call is not documented.
    """
    by_message: dict[int, list[int]] = {}
    for row, (msisdn, message) in enumerate(zip(msisdns, texts, strict=True)):
        if msisdn and message is not None:
            by_message.setdefault(id(message), []).append(row)
    groups = []
    for rows in by_message.values():
        message = cast("Message", texts[rows[0]])
        for copy, copies in enumerate(_copies(rows, msisdns)):
            if copy and deduplicate:
                outcomes.set(copies, Outcome.DUPLICATE)
            else:
                groups.append(Group(message=message, copy=copy, rows=copies))
    return groups


def _copies(rows: list[int], msisdns: list[str]) -> list[list[int]]:
    """Split the rows into those with a number's first message, those with its second, and so on."""
    if len(rows) == 1:
        return [rows]
    copies: list[list[int]] = []
    seen: dict[str, int] = {}
    for row in rows:
        copy = seen[msisdns[row]] = seen.get(msisdns[row], -1) + 1
        if copy == len(copies):
            copies.append([])
        copies[copy].append(row)
    return copies
