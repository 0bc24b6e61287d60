"""Replace typographic characters if the text then fits GSM-7, and has fewer parts.

Sources: 3GPP TS 23.038, section 6.2.1, for the alphabet; the Unicode Character Database (names, categories,
canonical and compatibility decompositions) for the replacements.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from airflow_provider_ismart.core.message import Message
from airflow_provider_ismart.core.segmentation import (
    GSM7_BASIC,
    GSM7_EXTENSION,
    Lang,
    first_not_gsm7,
    parts,
)

#: The replaced characters, by their replacement in GSM-7. The removed characters are invisible and only matter
#: next to letters that GSM-7 lacks: joiners, the left-to-right mark, zero-width spaces and the soft hyphen.
_SOURCES_OF: Mapping[str, str] = {
    "'": "\u2018\u2019\u201a\u201b\u02bc",
    '"': "\u201c\u201d\u201e\u201f",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
    "...": "\u2026",
    " ": "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "": "\u00ad\u200b\u200c\u200d\u200e\u2060\ufeff",
    "K": "\u212a",
    "Å": "\u212b",
    "Ω": "\u2126",
}
#: The replacement of each character.
COUNTERPARTS: Mapping[str, str] = {
    source: counterpart for counterpart, sources in _SOURCES_OF.items() for source in sources
}
#: The marks of the accented letters that GSM-7 has: grave, acute, tilde, diaeresis, ring, cedilla.
COMBINING_MARKS = "\u0300\u0301\u0303\u0308\u030a\u0327"

#: The characters outside GSM-7 that can be replaced. A text with others, such as Arabic letters, is not changed.
_REPLACEABLE = "".join(COUNTERPARTS) + COMBINING_MARKS


@cache  # compiled on first use, as in segmentation; the re module's own cache takes a microsecond per text
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return patterns for characters outside GSM-7: those that cannot be replaced, and those that can."""
    must_stay = f"[^{re.escape(GSM7_BASIC + GSM7_EXTENSION + _REPLACEABLE)}]"
    return re.compile(must_stay), re.compile(f"[{re.escape(_REPLACEABLE)}]")


def simplified(text: str) -> str:
    """Simplify the text if it then fits GSM-7 without more parts; otherwise return it unchanged."""
    return _simplified(text, _replaceable(text))


def _replaceable(text: str) -> set[str]:
    """Return the characters to replace; none if the text has any other character outside GSM-7."""
    must_stay, to_replace = _patterns()
    return set() if must_stay.search(text) else set(to_replace.findall(text))


def _simplified(text: str, replaceable: set[str]) -> str:
    plain = text
    for char in replaceable:  # only a few; str.translate checks every character and takes ten times as long
        plain = plain.replace(char, COUNTERPARTS.get(char, char))
    if not replaceable.isdisjoint(COMBINING_MARKS):
        plain = unicodedata.normalize("NFC", plain)
        if first_not_gsm7(plain):
            return text
    # only "..." makes a text longer; otherwise 67 characters become at most 134 septets, and a part has 153
    if len(plain) > len(text) and parts(plain, Lang.ENGLISH) > parts(text, Lang.ARABIC):
        return text
    return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """The credits that ``simplify_text`` would save, and the characters that it would replace."""

    credits: int
    characters: tuple[str, ...]

    def __str__(self) -> str:
        return f"simplify_text=True would save {self.credits:,} credits: {', '.join(self.characters)}"

    def as_json(self) -> dict[str, object]:
        """Return the saving as plain JSON values."""
        return {"credits": self.credits, "characters": list(self.characters)}


def find_saving(messages: Iterable[tuple[Message, int]]) -> Saving | None:
    """Return what simplifying the messages would save; ``None`` if nothing.

    :param messages: the messages of ``Lang.ARABIC``, each with its number of recipients.
    """
    total = 0
    characters: set[str] = set()
    for message, recipients in messages:
        if not (replaceable := _replaceable(message.text)):
            continue
        plain = _simplified(message.text, replaceable)
        if plain is not message.text and (saved := message.parts - parts(plain, Lang.ENGLISH)):
            total += saved * recipients
            characters |= replaceable
    return Saving(credits=total, characters=tuple(map(_shown, sorted(characters)))) if total else None


def _shown(char: str) -> str:
    """Return a character, or its name if it is invisible, with its code point."""
    is_visible = char.isprintable() and not unicodedata.combining(char)
    return f"{char if is_visible else unicodedata.name(char)} (U+{ord(char):04X})"
