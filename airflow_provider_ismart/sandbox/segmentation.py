"""Determine the text that a phone shows, and count its parts.

This is written only from the gateway document, so that it can contradict the client's calculation.
"""

from collections.abc import Iterator
from enum import IntEnum
from itertools import pairwise
from typing import Final


class Lang(IntEnum):
    """The two values of the ``Lang`` parameter."""

    ENGLISH = 0
    ARABIC = 64


#: 3GPP TS 23.038, section 6.2.1: one septet each, without the escape code 0x1B.
GSM7_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: 3GPP TS 23.038, section 6.2.1.1: two septets each, the first an escape.
GSM7_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
GSM7: Final = GSM7_BASIC | GSM7_EXTENSION

#: The gateway document: the length of a single part, and of each of several parts.
SINGLE: Final = {Lang.ENGLISH: 160, Lang.ARABIC: 70}
JOINED: Final = {Lang.ENGLISH: 153, Lang.ARABIC: 67}
MAX_PARTS: Final = 5


def as_shown(text: str, lang: Lang) -> str:
    """Return the text as the phone shows it, with ``?`` for characters outside GSM-7."""
    if lang is Lang.ARABIC or GSM7.issuperset(text):
        return text
    return "".join(char if char in GSM7 else "?" for char in text)


def count_parts(text: str, lang: Lang) -> int:
    """Count the parts of a text as the phone shows it. A character of two units is never split between parts."""
    units = _units(text, lang)
    if units <= SINGLE[lang]:
        return 1
    size = JOINED[lang]
    if units == len(text):  # all characters are one unit, so all parts but the last are full
        return -(-units // size)
    parts, room = 1, size
    for width in _widths(text, lang):
        if width > room:
            parts, room = parts + 1, size
        room -= width
    return parts


def segments(text: str, lang: Lang) -> list[str]:
    """Cut a text as the phone shows it into the parts that `count_parts` counts."""
    if _units(text, lang) <= SINGLE[lang]:
        return [text]
    cuts, room = [0], JOINED[lang]
    for position, width in enumerate(_widths(text, lang)):
        if width > room:
            cuts.append(position)
            room = JOINED[lang]
        room -= width
    return [text[start:end] for start, end in pairwise([*cuts, len(text)])]


def _units(text: str, lang: Lang) -> int:
    """Count GSM-7 septets or UTF-16 code units."""
    if lang is Lang.ENGLISH:
        return len(text) + sum(map(text.count, GSM7_EXTENSION))
    return len(text.encode("utf-16-le")) // 2


def _widths(text: str, lang: Lang) -> Iterator[int]:
    if lang is Lang.ENGLISH:
        return (2 if char in GSM7_EXTENSION else 1 for char in text)
    return (2 if char > "\uffff" else 1 for char in text)
