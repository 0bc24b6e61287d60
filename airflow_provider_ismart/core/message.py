"""A text as sent: its language and its number of parts."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.segmentation import (
    MAX_PARTS,
    Lang,
    first_not_gsm7,
    is_blank,
    is_encodable,
    language,
    parts,
)

#: 72 bits: two of a million texts have the same with a probability of one in ten billion.
DIGEST_BYTES = 9


class LangChoice(Enum):
    """The values of ``lang``: chosen by the text, or forced."""

    AUTO = "auto"
    ENGLISH = "english"
    ARABIC = "arabic"

    @classmethod
    def of(cls, lang: object) -> LangChoice:
        """Return the choice for its name or the gateway's number.

        :raises InputError: it is neither.
        """
        try:
            return cls(lang.lower() if isinstance(lang, str) else Lang(lang).name.lower())  # type: ignore[arg-type]
        except (ValueError, TypeError):
            if isinstance(lang, str) and lang.strip() in {"0", "64"}:  # Jinja renders a number as text
                return cls(Lang(int(lang)).name.lower())
            raise InputError(f"lang is {lang!r}; it must be 'auto', 'english', 'arabic', 0 or 64") from None


class Size(NamedTuple):
    """The language and the number of parts of a text."""

    lang: Lang
    parts: int


#: All possible sizes, shared by all texts to save memory.
SIZES: Mapping[tuple[int, int], Size] = {
    (lang, count): Size(lang, count) for lang in Lang for count in range(1, MAX_PARTS + 1)
}
ONE_ENGLISH_PART = SIZES[Lang.ENGLISH, 1]


class Message(NamedTuple):
    """A text as sent, with its language and number of parts."""

    text: str
    lang: Lang
    parts: int

    @property
    def digest(self) -> str:
        """The 12 characters that a ledger stores in place of the text, which they identify but do not reveal."""
        return urlsafe_b64encode(sha256(self.text.encode()).digest()[:DIGEST_BYTES]).decode()


class InvalidTextError(ValueError):
    """A row's text cannot be sent; the message says why, without the text."""


def size(text: str, choice: LangChoice, max_parts: int) -> Size:
    """Return the language and the number of parts of a text.

    :raises InvalidTextError: it is blank, cannot be encoded, takes more than ``max_parts`` parts, or is forced
        into English with a character that would arrive as ``?``.
    """
    if is_blank(text):
        raise InvalidTextError("the text is blank")
    if not is_encodable(text):
        raise InvalidTextError("the text has half a character (a lone surrogate)")
    if choice is LangChoice.ENGLISH and (foreign := first_not_gsm7(text)):
        raise InvalidTextError(f"lang is english, but the text has U+{ord(foreign):04X}, which needs lang 64")
    lang = language(text) if choice is LangChoice.AUTO else Lang[choice.name]
    count = parts(text, lang)
    if count > max_parts:
        raise InvalidTextError(f"the text takes {count} parts; max_parts is {max_parts}")
    return SIZES[lang, count]


def compose(text: str, choice: LangChoice, max_parts: int) -> Message:
    """Return the text as a message.

    :raises InvalidTextError: it cannot be sent; see :func:`size`.
    """
    lang, count = size(text, choice, max_parts)
    return Message(text=text, lang=lang, parts=count)
