"""Determine the alphabet of a text, and count its parts.

Source: the gateway document, "Length". It matches 3GPP TS 23.038 (GSM 7 bit default alphabet, section 6.2.1, and
UCS-2) with the concatenation limits of 3GPP TS 23.040, section 9.2.3.24.1: 160 septets or 70 UTF-16 code units in
a single part, and 153 or 67 in each of several parts.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from enum import IntEnum
from typing import cast

MAX_PARTS = 5

GSM7_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Each of these characters is an escape and a second septet, which must be in the same part.
GSM7_EXTENSION = "\f^{}\\[~]|€"

# Patterns are text, because compiling them here would slow down the import of DAG files.
_NOT_GSM7 = f"[^{re.escape(GSM7_BASIC + GSM7_EXTENSION)}]"
_EXTENSION = f"[{re.escape(GSM7_EXTENSION)}]"
#: The printable ASCII characters that have two septets in GSM-7, and the backtick, which it lacks.
_NOT_ONE_SEPTET = "^{}\\[~]|`"

# Invisible characters: white space and controls; Unicode's Default_Ignorable_Code_Point
# (DerivedCoreProperties.txt, version 14.0); interlinear annotation; and characters whose names say that they are
# blank (Braille pattern blank, Egyptian hieroglyph full and half blank, Khitan small script filler, musical symbol
# null notehead).
_INVISIBLE = (
    r"[\s\x00-\x1f\x7f-\x9f"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ufff9-\ufffb\u2800\U00013441\U00013442\U00016fe4\U0001d159]*"
)
#: The invisible characters that Unicode classifies as letters: Hangul fillers and blank hieroglyphs.
_INVISIBLE_LETTERS = "\u115f\u1160\u3164\uffa0\U00013441\U00013442"


class Lang(IntEnum):
    """The gateway's ``Lang`` parameter, which sets the alphabet of the text."""

    ENGLISH = 0
    ARABIC = 64


_SINGLE = {Lang.ENGLISH: 160, Lang.ARABIC: 70}
_EACH_OF_SEVERAL = {Lang.ENGLISH: 153, Lang.ARABIC: 67}
#: Marks the end of a shortened text.
_ELLIPSIS = {Lang.ENGLISH: "...", Lang.ARABIC: "…"}
_ZERO_WIDTH_JOINER = "\u200d"
_SKIN_TONES = frozenset("🏻🏼🏽🏾🏿")
_TWO_UNITS = {Lang.ENGLISH: _EXTENSION, Lang.ARABIC: "[\U00010000-\U0010ffff]"}


def first_not_gsm7(text: str) -> str | None:
    """Return the first character that ``Lang.ENGLISH`` cannot encode, or ``None``."""
    found = re.search(_NOT_GSM7, text)
    return found[0] if found else None


def are_one_english_part(texts: Sequence[str | None]) -> bool:
    """Return whether a quick check shows that all texts are one part of ``Lang.ENGLISH``, as most texts are."""
    if None in texts:
        return False
    there = cast("Sequence[str]", texts)
    all_ = "".join(there)
    is_plain = all_.isascii() and all_.isprintable() and not any(map(all_.__contains__, _NOT_ONE_SEPTET))
    return is_plain and all(map(str.strip, there)) and max(map(len, there)) <= _SINGLE[Lang.ENGLISH]


def is_blank(text: str) -> bool:
    """Return whether the text is empty or has only white space and invisible characters."""
    if text[:1].isalpha() and text[0] not in _INVISIBLE_LETTERS:
        return False  # as for most texts; without this, planning Arabic texts takes 1.15 times as long
    return re.fullmatch(_INVISIBLE, text) is not None


def is_encodable(text: str) -> bool:
    """Return whether the text can be encoded. Half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def language(text: str) -> Lang:
    """Return the cheapest language that can encode the text."""
    return Lang.ARABIC if re.search(_NOT_GSM7, text) else Lang.ENGLISH


def parts(text: str, lang: Lang) -> int:
    """Count the parts of the text. A character of two units is never split between parts.

    Units are septets for ``Lang.ENGLISH`` and UTF-16 code units for ``Lang.ARABIC``. An empty text has no parts.
    """
    if not text:
        return 0
    if 2 * len(text) <= _SINGLE[lang]:
        return 1
    doubles = [match.start() for match in re.finditer(_TWO_UNITS[lang], text)]
    units = len(text) + len(doubles)
    if units <= _SINGLE[lang]:
        return 1
    return _packed(len(text), doubles, _EACH_OF_SEVERAL[lang])


def _packed(length: int, doubles: list[int], room: int) -> int:
    """Count the parts of ``room`` units for ``length`` characters.

    The characters at the positions ``doubles`` have two units. If one does not fit into the last unit of a part,
    that unit stays empty.
    """
    wasted = 0
    for before, position in enumerate(doubles):
        if (position + before + wasted) % room == room - 1:
            wasted += 1
    return -(-(length + len(doubles) + wasted) // room)


def shorten(text: str, max_parts: int, *, tail: str = "") -> str:
    """Append ``tail`` to the text, and cut the text if they exceed ``max_parts`` parts together.

    A cut text is the longest beginning that fits in either language, followed by an ellipsis. A character is not
    separated from its marks, nor an emoji from those joined to it, unless nothing else would be left. The tail is
    never cut, even if it leaves no room for the text.
    """
    whole = text + tail
    if parts(whole, language(whole)) <= max_parts:
        return whole
    cuts = []
    if not re.search(_NOT_GSM7, tail):
        foreign = re.search(_NOT_GSM7, text)
        cuts.append(_cut(text, foreign.start() if foreign else len(text), Lang.ENGLISH, max_parts, tail))
    cuts.append(_cut(text, len(text), Lang.ARABIC, max_parts, tail))
    return max(cuts, key=lambda cut: len(cut[0]))[1]


def _cut(text: str, length: int, lang: Lang, max_parts: int, tail: str) -> tuple[str, str]:
    """Return the longest beginning up to ``length`` that fits with an ellipsis and the tail; also all joined."""
    end = _ELLIPSIS[lang] + tail
    fitting = bisect_right(range(length + 1), max_parts, key=lambda n: parts(text[:n] + end, lang)) - 1
    beginning = text[: _between_characters(text, max(fitting, 0))].rstrip()
    return beginning, beginning + end


def _between_characters(text: str, position: int) -> int:
    """Return the last position up to this one that does not split a visible character."""
    here = position
    while 0 < here < len(text) and (_extends(text[here]) or text[here - 1] == _ZERO_WIDTH_JOINER):
        here -= 1
    return here or position


def _extends(char: str) -> bool:
    return char == _ZERO_WIDTH_JOINER or char in _SKIN_TONES or unicodedata.category(char).startswith("M")
