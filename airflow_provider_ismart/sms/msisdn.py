"""What people write as a mobile number -> the 11 digits that the gateway takes, or why not.

Source: the gateway document, ``MobileNo``: "each is 11 digits, digits only (Oman: 968 + 8 digits)".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, cast

MSISDN_DIGITS = 11
#: numpy's and Arrow's names of the floats whose 24 or 11 bits of precision make a stranger's number of one.
NARROW_FLOATS = frozenset({"float16", "float32", "halffloat[pyarrow]", "float[pyarrow]"})

_LOWEST, _HIGHEST = 10_000_000_000, 99_999_999_999
_CLEAN = re.compile(r"[1-9][0-9]{10}")
# What people put between digits: white space, brackets, dashes of any kind, and the invisible marks that
# copying from right-to-left text leaves behind.
_SEPARATORS = re.compile(
    r"[\s()\[\]\-\u00ad\u2010-\u2015\u2212\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
)
_FLOAT_TAIL = re.compile(r"\.0+\Z")
# What looks like a number when its separators are gone, and is none: a date, and eight digits with three more.
_DATE = re.compile(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\b.*", re.DOTALL)
_EXTENSION = re.compile(r"\s*[0-9]{4}[\s-]?[0-9]{4}[\s()\[\]-]+[0-9]{3}[)\]\s]*")
_SEVERAL = re.compile(r"[0-9]{8}[^0-9]+[0-9]{8}")


class InvalidNumberError(ValueError):
    """Not a number that the gateway can be given; the text says why, for a person, without the number."""


def canonical_msisdn(written: object, country_code: str = "968") -> str:
    """Return the 11 digits of a number as people, spreadsheets and databases write it.

    Takes digits of any script, a leading ``+`` or ``00``, spaces, dashes and brackets, the ``.0`` of a float,
    and a local number (11 digits less the country code's), which gets ``country_code`` in front.

    :raises InvalidNumberError: what is left is not one 11-digit number.
    """
    if type(written) is str and _CLEAN.fullmatch(written):
        return written
    if type(written) is int and _LOWEST <= written <= _HIGHEST:
        return str(written)
    return _from_digits(_text(written), country_code)


def are_canonical(cells: Sequence[object]) -> bool:
    """Whether all cells are 11 digits already: one look at many is cheaper than one at each."""
    if set(map(type, cells)) != {str}:
        return False
    texts = cast("Sequence[str]", cells)
    digits = "".join(texts)
    is_right = set(map(len, texts)) == {MSISDN_DIGITS} and digits.isascii() and digits.encode().isdigit()
    return is_right and "0" not in digits[::MSISDN_DIGITS]


def _text(written: object) -> str:
    """Return what is written as text, with ASCII digits."""
    if isinstance(written, str):
        return _ascii_digits(written)
    if is_missing(written):
        raise InvalidNumberError("empty")
    if isinstance(written, bool):
        raise InvalidNumberError("a truth value, not a number")
    if is_narrow_float(getattr(written, "dtype", None)):
        raise InvalidNumberError(f"a {type(written).__name__}, which cannot hold {MSISDN_DIGITS} digits")
    if isinstance(written, (Real, Decimal)):
        return _whole(written)
    raise InvalidNumberError(f"a {type(written).__name__}, not a number or text")


def is_narrow_float(dtype: object) -> bool:
    """Whether values of the type hold fewer bits than 11 digits need, and so turn a number into a stranger's."""
    name = str(dtype).lower()
    is_float = getattr(dtype, "kind", "") == "f" or "float" in name
    return is_float and (getattr(dtype, "itemsize", 8) < 8 or ("float" in name and "float64" not in name))  # noqa: PLR2004


def _whole(number: Any) -> str:
    """Return the digits of a real number without a fraction."""
    if number < 0:
        raise InvalidNumberError("a negative number")
    if number >= 10**MSISDN_DIGITS:  # infinity too
        raise InvalidNumberError(f"too long: more than {MSISDN_DIGITS} digits")
    if number != int(number):
        raise InvalidNumberError("a number with a fraction")
    return str(int(number))


def _ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(char, char)) for char in text)


def _from_digits(text: str, country_code: str) -> str:
    if _DATE.fullmatch(text):
        raise InvalidNumberError("a date, not a number")
    if _EXTENSION.fullmatch(text) and not text.strip().startswith(country_code):
        raise InvalidNumberError("a local number with more digits behind it")
    digits = _FLOAT_TAIL.sub("", _SEPARATORS.sub("", text))
    international = digits.startswith(("+", "00"))
    digits = digits.removeprefix("+") if digits.startswith("+") else digits.removeprefix("00")
    if not digits:
        raise InvalidNumberError("empty")
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidNumberError(_why_not_digits(text, digits))
    if not international and len(digits) == MSISDN_DIGITS - len(country_code):
        digits = country_code + digits
    if len(digits) != MSISDN_DIGITS:
        raise InvalidNumberError(_why_not_eleven(text, digits))
    if digits[0] == "0":
        raise InvalidNumberError("starts with 0, which no country code does")
    return digits


def _why_not_digits(text: str, digits: str) -> str:
    if _SEVERAL.search(text):
        return "several numbers in one cell"
    if any(char.isalpha() for char in digits):
        return "has letters"
    return "has characters other than digits"


def _why_not_eleven(text: str, digits: str) -> str:
    if _SEVERAL.search(text):
        return "several numbers in one cell"
    length = "too short" if len(digits) < MSISDN_DIGITS else "too long"
    return f"{length}: {len(digits)} digits instead of {MSISDN_DIGITS}"


def is_missing(value: object) -> bool:
    """Whether a cell holds nothing: ``None``, NaN, ``NaT`` or ``pandas.NA`` (whose truth value raises)."""
    try:
        return value is None or bool(value != value)  # noqa: PLR0124  # NaN and NaT alone differ from themselves
    except (TypeError, ValueError, ArithmeticError) as error:
        return type(value).__name__ == "NAType" or isinstance(error, ArithmeticError)  # a signalling NaN


def mask_msisdn(msisdn: str) -> str:
    """Return the number as logs and reports may show it: the country code and the last two digits."""
    return f"{msisdn[:3]}******{msisdn[-2:]}" if len(msisdn) == MSISDN_DIGITS else "*" * len(msisdn)


def mask_in(text: str, msisdn: str) -> str:
    """Return the text with the number masked, where it stands there as people write it."""
    masked = text
    national = r"[\W_]{0,3}".join(msisdn[3:])
    for found in reversed(list(re.finditer(national, _ascii_digits(text)))):
        masked = f"{masked[: found.start()]}******{msisdn[-2:]}{masked[found.end() :]}"
    return masked
