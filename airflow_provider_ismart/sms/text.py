"""A text's alphabet and how many parts it takes.

Source: the gateway document, "Length", which is 3GPP TS 23.038 (GSM 7 bit default alphabet, section 6.2.1,
and UCS-2) with the concatenation limits of 3GPP TS 23.040, section 9.2.3.24.1: 160 septets or 70 UTF-16 code
units in one part, 153 or 67 in each of several.
"""

from __future__ import annotations

import re
from enum import IntEnum

MAX_PARTS = 5

GSM7_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Each of these travels as an escape and a second septet, which must stay in the same part.
GSM7_EXTENSION = "\f^{}\\[~]|€"

_NOT_GSM7 = re.compile(f"[^{re.escape(GSM7_BASIC + GSM7_EXTENSION)}]")
_EXTENSION = re.compile(f"[{re.escape(GSM7_EXTENSION)}]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Lang(IntEnum):
    """The gateway's ``Lang`` parameter: which alphabet the text travels in."""

    ENGLISH = 0
    ARABIC = 64


_SINGLE = {Lang.ENGLISH: 160, Lang.ARABIC: 70}
_EACH_OF_SEVERAL = {Lang.ENGLISH: 153, Lang.ARABIC: 67}
_TWO_UNITS = {Lang.ENGLISH: _EXTENSION, Lang.ARABIC: re.compile("[\U00010000-\U0010ffff]")}


def first_not_gsm7(text: str) -> str | None:
    """Return the first character that ``Lang.ENGLISH`` cannot carry, or ``None``."""
    found = _NOT_GSM7.search(text)
    return found[0] if found else None


def is_encodable(text: str) -> bool:
    """Whether the text can be sent at all: half a surrogate pair cannot."""
    return text.isascii() or not _LONE_SURROGATE.search(text)


def language(text: str) -> Lang:
    """Return the cheapest language that carries the text unharmed."""
    return Lang.ARABIC if _NOT_GSM7.search(text) else Lang.ENGLISH


def parts(text: str, lang: Lang) -> int:
    """Return how many parts the text takes; a character of two units is never cut across a boundary.

    Units are septets for ``Lang.ENGLISH`` and UTF-16 code units for ``Lang.ARABIC``. An empty text takes none.
    """
    if not text:
        return 0
    if 2 * len(text) <= _SINGLE[lang]:
        return 1
    doubles = [match.start() for match in _TWO_UNITS[lang].finditer(text)]
    units = len(text) + len(doubles)
    if units <= _SINGLE[lang]:
        return 1
    return _packed(len(text), doubles, _EACH_OF_SEVERAL[lang])


def _packed(length: int, doubles: list[int], room: int) -> int:
    """Count the parts of ``room`` units that ``length`` characters fill; those at ``doubles`` take two.

    A part whose last unit cannot hold a two-unit character stays one unit short.
    """
    wasted = 0
    for before, position in enumerate(doubles):
        if (position + before + wasted) % room == room - 1:
            wasted += 1
    return -(-(length + len(doubles) + wasted) // room)
