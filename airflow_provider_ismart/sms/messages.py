"""Templates, languages and schedules: what a text has to be before it can be said to anybody."""

from __future__ import annotations

import string
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from enum import Enum
from hashlib import sha256
from itertools import repeat
from operator import eq
from typing import Any, NamedTuple

from airflow_provider_ismart.sms.columns import shown
from airflow_provider_ismart.sms.errors import InputError
from airflow_provider_ismart.sms.msisdn import is_missing
from airflow_provider_ismart.sms.text import (
    MAX_PARTS,
    Lang,
    first_not_gsm7,
    is_blank,
    is_encodable,
    language,
    parts,
)

#: The gateway document: ``MM/DD/YYYY hh:mm:ss``; on a 24-hour clock, for it has no room for AM and PM.
PUSH_AT_FORMAT = "%m/%d/%Y %H:%M:%S"

#: 72 bits: two of a million texts have the same with a probability of one in ten billion.
DIGEST_BYTES = 9


#: Spares most cells the look whether they are missing: of these, NaN alone is, and does not equal itself.
_SELDOM_MISSING = frozenset({str, int, float, bool, date, datetime})


class LangChoice(Enum):
    """What ``lang`` may be: left to the text, or forced."""

    AUTO = "auto"
    ENGLISH = "english"
    ARABIC = "arabic"

    @classmethod
    def of(cls, lang: object) -> LangChoice:
        """Read the choice from its name or from the gateway's own number.

        :raises InputError: it is neither.
        """
        try:
            return cls(lang.lower() if isinstance(lang, str) else Lang(lang).name.lower())  # type: ignore[arg-type]
        except (ValueError, TypeError):
            if isinstance(lang, str) and lang.strip() in {"0", "64"}:  # Jinja makes text of a number
                return cls(Lang(int(lang)).name.lower())
            raise InputError(f"lang is {lang!r}; it can be 'auto', 'english', 'arabic', 0 or 64") from None


class Size(NamedTuple):
    """The language that a text goes out in, and how many parts it takes for each number."""

    lang: Lang
    parts: int


#: All that there can be, so that a million texts share these few.
SIZES: Mapping[tuple[int, int], Size] = {
    (lang, count): Size(lang, count) for lang in Lang for count in range(1, MAX_PARTS + 1)
}
ONE_ENGLISH_PART = SIZES[Lang.ENGLISH, 1]


class Message(NamedTuple):
    """A text as it goes out: its language and how many parts it takes for each number."""

    text: str
    lang: Lang
    parts: int

    @property
    def digest(self) -> str:
        """What a ledger remembers of the text, as 12 characters: enough to know it again, not to read it."""
        return urlsafe_b64encode(sha256(self.text.encode()).digest()[:DIGEST_BYTES]).decode()


class InvalidTextError(ValueError):
    """A row's text cannot be sent; the message says why, without the text."""


def size(text: str, choice: LangChoice, max_parts: int) -> Size:
    """Return what the text takes.

    :raises InvalidTextError: it is blank, cannot be encoded, takes more than ``max_parts`` parts, or is forced
        into English with a character that would arrive as ``?``.
    """
    if is_blank(text):
        raise InvalidTextError("the text is blank")
    if not is_encodable(text):
        raise InvalidTextError("the text holds half a character (a lone surrogate)")
    if choice is LangChoice.ENGLISH and (foreign := first_not_gsm7(text)):
        raise InvalidTextError(f"lang is english, but the text holds U+{ord(foreign):04X}, which needs lang 64")
    lang = language(text) if choice is LangChoice.AUTO else Lang[choice.name]
    count = parts(text, lang)
    if count > max_parts:
        raise InvalidTextError(f"the text takes {count} parts, {max_parts} are allowed")
    return SIZES[lang, count]


def compose(text: str, choice: LangChoice, max_parts: int) -> Message:
    """Return the text as a message.

    :raises InvalidTextError: it cannot be sent; see :func:`size`.
    """
    lang, count = size(text, choice, max_parts)
    return Message(text=text, lang=lang, parts=count)


class Template:
    """A text with ``{column}`` and ``{column:spec}`` placeholders; ``{{`` and ``}}`` stand for braces.

    A placeholder is a column's name and a format spec alone: attributes, indexing and conversions would
    reach into whatever a cell holds.

    :raises InputError: the template cannot be read, or asks for more than that.
    """

    def __init__(self, source: str) -> None:
        fields = _parsed(source)
        for _, name, spec, conversion in fields:
            if name is not None:
                _check_placeholder(name, spec or "", conversion)
        #: The columns that the placeholders name, each once.
        self.columns = tuple(dict.fromkeys(name for _, name, _, _ in fields if name is not None))
        #: What stays when every placeholder is empty.
        self.literal = "".join(literal for literal, _, _, _ in fields)
        #: What stands before each placeholder, the index of its column, and its format spec.
        self._fields = [
            (literal, None if name is None else self.columns.index(name), spec or "")
            for literal, name, spec, _ in fields
        ]

    def fill(self, cells: Sequence[Any]) -> str:
        """Return the text for one row; ``cells`` are the values of :attr:`columns`, in that order.

        :raises InvalidTextError: a cell is missing, or does not take its format spec.
        """
        return self.fill_all([[cell] for cell in cells])[0] if self.columns else self.literal

    def fill_all(self, columns: Sequence[Sequence[Any]]) -> list[str]:
        """Return the texts for several rows, which costs less than one by one; it is all or none.

        :raises InvalidTextError: a cell of any row is missing, or does not take its format spec.
        """
        if missing := [name for name, cells in zip(self.columns, columns, strict=True) if _any_missing(cells)]:
            raise InvalidTextError(f"no value for {_listed(missing)}")
        pieces: list[Iterable[str]] = []
        for literal, column, spec in self._fields:
            pieces.append(repeat(literal))
            if column is not None:
                pieces.append(map(format, columns[column], repeat(spec)))
        try:
            return list(map("".join, zip(*pieces, strict=False)))
        except Exception:  # noqa: BLE001  # a cell's own formatting can raise anything, with the cell in its text
            raise InvalidTextError(f"a value of {_listed(self.columns)} does not take its format") from None


def _any_missing(cells: Sequence[Any]) -> bool:
    is_nothing_missing = _SELDOM_MISSING.issuperset(map(type, cells)) and all(map(eq, cells, cells))
    return not is_nothing_missing and any(map(is_missing, cells))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)


def _parsed(source: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(string.Formatter().parse(source))
    except ValueError as error:
        raise InputError(f"message is not a template: {error}. Write a brace itself as {{{{ or }}}}.") from None


def _check_placeholder(name: str, spec: str, conversion: str | None) -> None:
    if not name.strip():
        raise InputError("message has a placeholder {} without a name; write the column's name in it")
    if "." in name or "[" in name or conversion or "{" in spec:
        raise InputError(
            f"message has the placeholder {shown(name)}: a column's name and a format spec can stand there, "
            "no attribute, index, conversion or nested placeholder"
        )


def read_push_at(push_at: datetime | str | None, timezone: tzinfo) -> datetime | None:
    """Return the time of delivery in ``timezone``; ``None`` means immediately.

    A naive time, or text without an offset, is read in ``timezone``.

    :raises InputError: the time cannot be read.
    """
    if push_at is None:
        return None
    if isinstance(push_at, str):
        try:
            push_at = datetime.fromisoformat(push_at.strip())
        except ValueError:
            raise InputError(f"push_at is {push_at!r}; write it as ISO 8601, such as 2030-01-31T14:30") from None
    if is_missing(push_at):
        raise InputError("push_at is NaT; leave it out to send immediately")
    if not isinstance(push_at, datetime):
        raise InputError(f"push_at is a {type(push_at).__name__}; it can be a datetime or ISO 8601 text")
    try:
        return (push_at if push_at.tzinfo else push_at.replace(tzinfo=timezone)).astimezone(timezone)
    except OverflowError:
        raise InputError(f"push_at is {push_at.isoformat()}, which the calendar cannot hold") from None
