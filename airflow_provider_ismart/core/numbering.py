"""Define the notations in which a text is clearly one mobile number.

The gateway document says of ``MobileNo``: "each is 11 digits, digits only (Oman: 968 + 8 digits)". A text in any
other notation is invalid. A missing notation costs one row, but a wrong one messages a stranger.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

MSISDN_DIGITS = 11

#: The first digits of mobile numbers after a country code. Oman: libphonenumber 9.0.43, region OM, has mobile
#: ranges that start with 7 and 9 (``7[124-9]``, ``90[1-9]``, ``9[1-9]``). The blocks in service change, so all
#: numbers with these digits are accepted.
_MOBILE_PREFIXES = {"968": ("7", "9")}
_ANY_PREFIX = tuple("123456789")  # 0 is a trunk prefix, which international numbers do not have

#: The common groups and separators, by the length of a local number. Dots are not allowed where they would form a
#: decimal number (two groups) or an IP address (four groups).
_GROUPINGS: dict[int, tuple[tuple[tuple[int, ...], str], ...]] = {
    8: (((4, 4), " -"), ((2, 3, 3), " -."), ((3, 3, 2), " -"), ((2, 2, 2, 2), " -")),
    9: (((3, 3, 3), " -."), ((2, 3, 4), " -."), ((1, 2, 2, 2, 2), " -.")),
    10: (((3, 3, 4), " -."), ((3, 3, 2, 2), " -")),
}
#: Allowed only after a country code, because "12 345678" alone could be two fields.
_GROUPINGS_AFTER_COUNTRY_CODE: dict[int, list[tuple[int, ...]]] = {8: [(2, 6)]}

_LEAD = r"(?:\+ ?|00[ -]?|[Tt][Ee][Ll]:\+)"  # RFC 3966 writes tel:+968-9000-0001
_AFTER_COUNTRY_CODE = r"(?: ?- ?|[ .])"
#: Country codes (ITU-T E.164): 1, 7, these pairs of digits, and three digits for all others.
_PAIRS = "2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
_COUNTRY_CODE = f"(?:1|7|{_PAIRS}|(?!1|7|{_PAIRS})[1-9][0-9]{{2}})"
_FOREIGN_CODE = rf"(?:{_LEAD}{_COUNTRY_CODE}|\((?:\+|00){_COUNTRY_CODE}\))"
_FOREIGN_GROUPS = r"(?:[0-9]{1,4}[ .-]|\([0-9]{2,4}\)[ -]?)[0-9]{2,4}(?:[ .-][0-9]{2,4}){0,3}"
#: A number of another country. Groups are allowed only after ``+`` or ``00``.
_FOREIGN = re.compile(
    rf"{_LEAD}?[1-9][0-9]{{10}}|{_FOREIGN_CODE}{_AFTER_COUNTRY_CODE}(?:[0-9]{{8,10}}|{_FOREIGN_GROUPS})"
)
_FLOAT_TAIL = re.compile(r"((?:\+|00)?[0-9]+)\.0+")
#: "9.00E+07" has three significant digits of eight; longer numbers lose more.
_ROUNDED_END = "00000"
_SHORTEST_NUMBER = 8
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
_NO_SEPARATORS = str.maketrans("", "", "TELtel:+ ()[].-")


@dataclass(frozen=True)
class NumberingPlan:
    """The country whose local numbers are accepted, and the first digits of its mobile numbers.

    :param country_code: one to three digits that do not start with 0.
    :param mobile_prefixes: the first digits of mobile numbers after the country code. By default, 7 and 9 in Oman,
        and any digit but 0 elsewhere.
    """

    country_code: str = "968"
    mobile_prefixes: tuple[str, ...] = ()

    @cached_property
    def prefixes(self) -> tuple[str, ...]:
        """The first digits of mobile numbers after the country code."""
        return self.mobile_prefixes or _MOBILE_PREFIXES.get(self.country_code, _ANY_PREFIX)

    @property
    def local_digits(self) -> int:
        """The length of a number without its country code."""
        return MSISDN_DIGITS - len(self.country_code)

    def read_unbroken(self, text: str) -> str | None:
        """Return the 11 digits of a number of this country without separators, which is the most common form."""
        found = self._unbroken.fullmatch(text)
        return self.country_code + found[1] if found else None

    def are_canonical(self, texts: str) -> bool:
        """Return whether joined texts of 11 characters each are all canonical numbers of this country."""
        return self._canonical.fullmatch(texts) is not None

    def read(self, text: str) -> str | None:
        """Return the 11 digits of a stripped ASCII text, or ``None`` if it is not a number."""
        if self._grouped.fullmatch(text):
            local = text.translate(_NO_SEPARATORS)[-self.local_digits :]
            is_number = local.startswith(self.prefixes) and not ("." in text and _DECIMAL.fullmatch(text))
            return self.country_code + local if is_number else None
        if tail := _FLOAT_TAIL.fullmatch(text):
            text = tail[1]
            if may_be_rounded(text):
                return None
        if found := self.read_unbroken(text):
            return found
        digits = text.translate(_NO_SEPARATORS).removeprefix("00")
        is_foreign = len(digits) == MSISDN_DIGITS and not digits.startswith(self.country_code)
        return digits if is_foreign and _FOREIGN.fullmatch(text) and not _DECIMAL.fullmatch(text) else None

    def is_mobile(self, msisdn: str) -> bool:
        """Return whether a number of this country is a mobile number, by its first digits."""
        return msisdn.startswith(self.prefixes, len(self.country_code))

    @cached_property
    def _run(self) -> str:
        return f"(?:(?={'|'.join(self.prefixes)})[0-9]{{{self.local_digits}}})"

    @cached_property
    def _unbroken(self) -> re.Pattern[str]:
        return re.compile(rf"(?:(?:\+|00)?{self.country_code})?({self._run})")

    @cached_property
    def _canonical(self) -> re.Pattern[str]:
        prefixes = "[" + "".join(self.prefixes) + "]"
        if any(len(prefix) > 1 for prefix in self.prefixes):
            prefixes = f"(?={'|'.join(self.prefixes)})[0-9]"
        return re.compile(f"(?:{self.country_code}{prefixes}[0-9]{{{self.local_digits - 1}}})*+")

    @cached_property
    def _grouped(self) -> re.Pattern[str]:
        """A pattern for a number of this country, in groups or without separators after its country code."""
        groupings = _GROUPINGS.get(self.local_digits, ())
        local = "|".join(_groups(sizes, between) for sizes, between in groupings)
        sizes = [sizes for sizes, _ in groupings] + _GROUPINGS_AFTER_COUNTRY_CODE.get(self.local_digits, [])
        after_code = "|".join([self._run, *(_groups(some, " .-") for some in sizes)])
        code = self.country_code
        in_brackets = rf"{_LEAD}?\({code}\)|\((?:\+|00){code}\)|\[(?:\+|00)?{code}\]"
        before = rf"(?:{_LEAD}{code}|{in_brackets}){_AFTER_COUNTRY_CODE}?|{code}{_AFTER_COUNTRY_CODE}"
        return re.compile(rf"(?:{before})(?:{after_code})|{local or '(?!)'}")


OMAN = NumberingPlan()


def may_be_rounded(digits: str) -> bool:
    """Return whether the digits of a float may have been rounded by a spreadsheet.

    If a column is too narrow, a spreadsheet saves 9.6891E+10 in a CSV file. Read as a float, this is a stranger's
    number. One number in 100,000 really ends in five zeros; it can be written without ``.0``.
    """
    return len(digits) >= _SHORTEST_NUMBER and digits.endswith(_ROUNDED_END)


def _groups(sizes: tuple[int, ...], between: str) -> str:
    """Return a pattern of groups that all have the same separator. The first group can be in brackets."""
    first, *others = [f"[0-9]{{{size}}}" for size in sizes]
    separated = "|".join(separator.join([first, *others]) for separator in map(re.escape, between))
    in_brackets = "|".join(separator.join(others) for separator in map(re.escape, between))
    return rf"{separated}|\({first}\)[ -]?(?:{in_brackets})"
