"""Determine the language of a text and its number of parts."""

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

#: 72 bits: the probability that two of a million texts have the same digest is one in ten billion.
DIGEST_BYTES = 9


class LangChoice(Enum):
    """The values of ``lang``: chosen by the text, or forced."""

    AUTO = "auto"
    ENGLISH = "english"
    ARABIC = "arabic"

    @classmethod
    def of(cls, lang: object) -> LangChoice:
        """Return the choice with this name or gateway number.

        :raises InputError: there is none.
        """
        try:
            return cls(lang.lower() if isinstance(lang, str) else Lang(lang).name.lower())  # type: ignore[arg-type]
        except (ValueError, TypeError):
            if isinstance(lang, str) and lang.strip() in {"0", "64"}:  # Jinja renders a number as text
                return cls(Lang(int(lang)).name.lower())
            raise InputError(f"lang is {lang!r}; it must be 'auto', 'english', 'arabic', 0 or 64") from None


class Size(NamedTuple):
    """The language of a text and its number of parts."""

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
        """The 12 characters that a ledger stores instead of the text. They identify it without revealing it."""
        return urlsafe_b64encode(sha256(self.text.encode()).digest()[:DIGEST_BYTES]).decode()


class InvalidTextError(ValueError):
    """A row's text cannot be sent. The message says why, without the text."""


def size(text: str, choice: LangChoice, max_parts: int) -> Size:
    """Return the language of a text and its number of parts.

    :raises InvalidTextError: the text is blank, cannot be encoded, has more than ``max_parts`` parts, or has a
        character that would arrive as ``?`` because ``choice`` is English.
    """
    if is_blank(text):
        raise InvalidTextError("the text is blank")
    if not is_encodable(text):
        raise InvalidTextError("the text has half a character (a lone surrogate), which cannot be encoded")
    if choice is LangChoice.ENGLISH and (foreign := first_not_gsm7(text)):
        raise InvalidTextError(f"lang is english, but the text has U+{ord(foreign):04X}, which needs lang 64")
    lang = language(text) if choice is LangChoice.AUTO else Lang[choice.name]
    count = parts(text, lang)
    if count > max_parts:
        raise InvalidTextError(f"the text has {count} parts, but max_parts is {max_parts}")
    return SIZES[lang, count]


def compose(text: str, choice: LangChoice, max_parts: int) -> Message:
    """Return the text as a message.

    :raises InvalidTextError: the text cannot be sent; see :func:`size`.
    """
    lang, count = size(text, choice, max_parts)
    return Message(text=text, lang=lang, parts=count)
