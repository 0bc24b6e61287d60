"""Normalise a mobile number to 11 digits, or say why it is invalid."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from decimal import Decimal
from numbers import Rational, Real
from typing import Any, cast

from airflow_provider_ismart.core.chunked import map_rows
from airflow_provider_ismart.core.numbering import MSISDN_DIGITS, OMAN, NumberingPlan, may_be_rounded


def _chars(*codes: int | range) -> str:
    return "".join(chr(code) for some in codes for code in (some if isinstance(some, range) else [some]))


#: Marks that remain when right-to-left text is copied. U+202E is not included, because it reverses digits.
_INVISIBLE = _chars(
    0xAD, 0x61C, range(0x200B, 0x2010), range(0x202A, 0x202E), 0x2060, range(0x2066, 0x206A), 0xFEFF
)
_DASHES = _chars(range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63, 0xFF0D)
_SPACES = _chars(0xA0, 0x1680, range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)
_ASCII = (
    dict.fromkeys(map(ord, _INVISIBLE))
    | dict.fromkeys(map(ord, _DASHES), "-")
    | dict.fromkeys(map(ord, _SPACES), " ")
    | str.maketrans("\uff0b\uff08\uff09\uff3b\uff3d\uff0e", "+()[].")
)
_SEVERAL = re.compile(r"(?:[0-9][ -]?){7}[0-9][^0-9]+(?:[0-9][ -]?){7}[0-9]")
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,\u066b][0-9]*)?[eE][+-]?[0-9]+")
_IN_NO_NUMBER = re.compile(r"[^0-9\s()\[\].+-]")
_TEL = re.compile(r"\Atel:\+", re.IGNORECASE)
_FLOAT_TAIL = re.compile(r"\.0+\Z")
_FRACTION = re.compile(r"[0-9]+\.[0-9]+")
_ROUNDED = "probably rounded by a spreadsheet; export the column as text"


class InvalidNumberError(ValueError):
    """The number is invalid. The message says why, without the number."""


def canonical_msisdn(written: object, plan: NumberingPlan = OMAN) -> str:
    """Return the 11 digits of a number.

    It can be text in a notation of :mod:`numbering`, with digits of one script, or a whole number.

    :raises InvalidNumberError: it is not clearly one mobile number.
    """
    if type(written) is str and (found := plan.read_unbroken(written)):
        return found
    text = _text(written)
    if found := plan.read(text):
        return found
    raise InvalidNumberError(_why_not(text, plan))


def canonical_texts(cells: Sequence[object], plan: NumberingPlan) -> Sequence[str] | None:
    """Return the cells as text if all are canonical numbers, else ``None``. One check of all cells is fast."""
    types = set(map(type, cells))
    if types == {str}:
        texts = cast("Sequence[str]", cells)
    elif types == {int}:
        texts = list(map(str, cells))
    else:
        return None
    is_canonical = set(map(len, texts)) == {MSISDN_DIGITS} and plan.are_canonical("".join(texts))
    return texts if is_canonical else None


def canonical_column(
    written: Sequence[object], plan: NumberingPlan, invalid: Callable[[int, str], None]
) -> list[str]:
    """Return the 11 digits of each cell, or "" if it is invalid; pass its position and reason to ``invalid``."""

    def one(row: int, cells: Sequence[object]) -> str:
        try:
            return canonical_msisdn(cells[0], plan)
        except InvalidNumberError as why:
            invalid(row, str(why))
            return ""

    return map_rows([written], lambda chunk: canonical_texts(chunk[0], plan), one)


def _text(written: object) -> str:
    """Return a cell as stripped text, in ASCII if possible."""
    if isinstance(written, str):
        return _ascii(written).strip()
    if is_missing(written):
        raise InvalidNumberError("empty")
    if isinstance(written, bool):
        raise InvalidNumberError("a boolean, not a number")
    if is_narrow_float(getattr(written, "dtype", None)):
        raise InvalidNumberError(f"of type {type(written).__name__}, which cannot hold {MSISDN_DIGITS} digits")
    if isinstance(written, (Real, Decimal)):
        return _whole(written)
    raise InvalidNumberError(f"of type {type(written).__name__}, not a number or text")


def is_narrow_float(dtype: object) -> bool:
    """Return whether a type is a float with too few bits for 11 digits: a value can be a stranger's number."""
    name = str(dtype).lower()
    size = getattr(dtype, "itemsize", None)
    if size is not None and (getattr(dtype, "kind", "") == "f" or "float" in name):
        return int(size) < 8  # noqa: PLR2004
    return "float" in name and "float64" not in name


def _whole(number: Any) -> str:
    """Return the digits of a real number without a fraction."""
    if number < 0:
        raise InvalidNumberError("a negative number")
    if number >= 10**MSISDN_DIGITS:  # infinity too
        raise InvalidNumberError(f"too long: more than {MSISDN_DIGITS} digits")
    if number != int(number):
        raise InvalidNumberError("a number with a fraction")
    digits = str(int(number))
    if may_be_rounded(digits) and not _is_exact(number):
        raise InvalidNumberError(_ROUNDED)
    return digits


def _is_exact(number: Any) -> bool:
    """Return whether a number has all its digits, unlike a float or ``Decimal("9.69E+10")``."""
    return isinstance(number, Rational | Decimal) and "E" not in str(number)


def _ascii(text: str) -> str:
    """Convert digits and separators to ASCII, and remove invisible marks."""
    if text.isascii():
        return text
    if len({ord(char) - unicodedata.decimal(char) for char in text if char.isdecimal()}) > 1:
        raise InvalidNumberError("mixes digits of several scripts; use only one")
    return _ascii_digits(text.translate(_ASCII))


def _ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(char, char)) for char in text)


def _why_not(text: str, plan: NumberingPlan) -> str:  # noqa: PLR0911  # one return per reason
    """Return why the numbering plan rejects a text. The reason does not contain its digits."""
    if _SEVERAL.search(text):
        return "several numbers in one cell; give each a row"
    if _SCIENTIFIC.fullmatch(text):
        return "in scientific notation, which loses digits; export the column as text"
    text = _TEL.sub("+", text)
    if any(char.isalpha() for char in text):
        return f"has letters; {_how_to_write(plan)}"
    if _IN_NO_NUMBER.search(text):
        return f"has characters other than digits; {_how_to_write(plan)}"
    whole = _FLOAT_TAIL.sub("", text)
    if _FRACTION.fullmatch(whole):
        return f"a number with a fraction; {_how_to_write(plan)}"
    digits = re.sub("[^0-9]", "", whole)
    if whole != text and may_be_rounded(digits):
        return _ROUNDED
    is_international = "+" in text or digits.startswith("00")
    return _why_not_digits(digits if "+" in text else digits.removeprefix("00"), is_international, plan)


def _why_not_digits(digits: str, is_international: bool, plan: NumberingPlan) -> str:  # noqa: FBT001, PLR0911
    """Return why the digits of a text, or the way in which they are grouped, are not a valid number."""
    write, code = _how_to_write(plan), plan.country_code
    is_local = len(digits) == plan.local_digits and not is_international
    is_foreign = is_international and not digits.lstrip("0").startswith(code)
    if not digits:
        return "empty"
    if not is_local and len(digits) < MSISDN_DIGITS:
        return f"too short: {len(digits)} digits instead of {MSISDN_DIGITS}; {write}"
    if len(digits) > MSISDN_DIGITS:
        return f"too long: {len(digits)} digits instead of {MSISDN_DIGITS}" + ("" if is_foreign else f"; {write}")
    if digits[0] == "0" and not is_local:
        return f"starts with 0, but country codes do not; {write}"
    if is_foreign:
        return f"not in a known format: write + and {MSISDN_DIGITS} digits without separators"
    if (is_local or digits.startswith(code)) and not plan.is_mobile(code + digits if is_local else digits):
        starts = " or ".join(plan.prefixes) if len(plan.prefixes) < len("123456789") else "anything but 0"
        return f"not a mobile number: after the country code {code}, mobile numbers start with {starts}"
    return f"not in a known format: {write}; foreign numbers with + and country code"


def _how_to_write(plan: NumberingPlan) -> str:
    local = plan.prefixes[-1].ljust(plan.local_digits, "X")
    return f"write {local} or {plan.country_code}{local}"


def is_missing(value: object) -> bool:
    """Return whether a cell is empty: ``None``, NaN, ``NaT`` or ``pandas.NA``, whose truth value raises."""
    try:
        return value is None or bool(value != value)  # noqa: PLR0124  # only NaN and NaT differ from themselves
    except (TypeError, ValueError, ArithmeticError) as error:
        return type(value).__name__ == "NAType" or isinstance(error, ArithmeticError)  # a signalling NaN


def mask_msisdn(msisdn: str) -> str:
    """Mask all digits of a number except the country code and the last two, for logs and reports."""
    return f"{msisdn[:3]}******{msisdn[-2:]}" if len(msisdn) == MSISDN_DIGITS else "*" * len(msisdn)


def mask_in(text: str, msisdn: str) -> str:
    """Mask a number in a text, in any common notation."""
    masked = text
    national = r"[\W_]{0,3}".join(msisdn[3:])
    for found in reversed(list(re.finditer(national, _ascii_digits(text)))):
        masked = f"{masked[: found.start()]}******{msisdn[-2:]}{masked[found.end() :]}"
    return masked
