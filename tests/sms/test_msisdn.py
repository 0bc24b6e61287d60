import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.sms.msisdn import (
    InvalidNumberError,
    canonical_msisdn,
    is_missing,
    mask_in,
    mask_msisdn,
)
from tests.sms.strategies import ZEROS, as_text, in_script, msisdns, number_like, written_numbers

MSISDN = "96890001234"


@pytest.mark.parametrize(
    "written",
    [
        "96890001234",
        "+96890001234",
        "0096890001234",
        "90001234",
        "968 9000 1234",
        "+968-9000-1234",
        "(968) 90001234",
        "[+968] 9000 1234",
        " 90001234\n",
        "9000\u00a01234",
        "9000\u20111234",
        "9000\u22121234",
        "\u202a+968 9000 1234\u202c",
        "\u200f90001234\u200e",
        "\u2066+96890001234\u2069",
        "\ufeff90001234",
        "٩٦٨٩٠٠٠١٢٣٤",
        "+٩٦٨ ٩٠٠٠ ١٢٣٤",
        "٠٠٩٦٨٩٠٠٠١٢٣٤",
        "۹۰۰۰۱۲۳۴",
        "９６８９０００１２３４",
        "९०००१२३४",
        "٩000١٢٣٤",
        "90001234.0",
        "96890001234.00",
        " 90001234.0 ",
        "٩٠٠٠١٢٣٤.0\u200f",
        90001234,
        96890001234,
        90001234.0,
        96890001234.0,
        Decimal(96890001234),
        Decimal("90001234.0"),
        Decimal("9.0001234E+7"),
        Fraction(90001234),
        np.int64(96890001234),
        np.uint64(96890001234),
        np.int32(90001234),
        np.float64(96890001234),
        np.str_("96890001234"),
    ],
    ids=repr,
)
def test_what_people_write_becomes_eleven_digits(written):
    found = canonical_msisdn(written)
    assert found == MSISDN
    assert found.isascii()


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (None, "empty"),
        (float("nan"), "empty"),
        (np.float32("nan"), "empty"),
        (pd.NaT, "empty"),
        (pd.NA, "empty"),
        (np.datetime64("NaT", "s"), "empty"),
        (Decimal("NaN"), "empty"),
        (Decimal("sNaN"), "empty"),
        ("", "empty"),
        (" \u200f ", "empty"),
        ("+", "empty"),
        ("00", "empty"),
        ("nan", "has letters"),
        ("n/a", "has letters"),
        ("9000123O", "has letters"),
        ("9.0001234E+7", "has letters"),
        ("+968 9000 1234 ext. 5", "has letters"),
        ("9000/1234", "has characters other than digits"),
        ("9000.1234", "has characters other than digits"),
        ("90001234.5", "has characters other than digits"),
        ("968+90001234", "has characters other than digits"),
        ("9000123²", "has characters other than digits"),
        ("9000123", "too short: 7 digits instead of 11"),
        ("9000123.0", "too short: 7 digits instead of 11"),
        ("+90001234", "too short: 8 digits instead of 11"),
        ("0090001234", "too short: 8 digits instead of 11"),
        (0, "too short: 1 digits instead of 11"),
        ("968900012345", "too long: 12 digits instead of 11"),
        ("+0096890001234", "too long: 13 digits instead of 11"),
        (968900012345, "too long: more than 11 digits"),
        pytest.param(10**5000, "too long: more than 11 digits", id="10**5000"),
        (Decimal("1E+100000"), "too long: more than 11 digits"),
        (float("inf"), "too long: more than 11 digits"),
        (Decimal("Infinity"), "too long: more than 11 digits"),
        ("09689000123", "starts with 0, which no country code does"),
        ("90001234,90005678", "several numbers in one cell"),
        ("90001234; 96890005678", "several numbers in one cell"),
        ("90001234 / 90005678", "several numbers in one cell"),
        ("90001234\n90005678", "several numbers in one cell"),
        ("90001234 or 90005678", "several numbers in one cell"),
        (90001234.5, "a number with a fraction"),
        (Fraction(1, 3), "a number with a fraction"),
        (-90001234, "a negative number"),
        (float("-inf"), "a negative number"),
        (True, "a truth value, not a number"),
        (np.float32(90001234), "a float32, which cannot hold 11 digits"),
        (np.float16(9), "a float16, which cannot hold 11 digits"),
        (b"96890001234", "a bytes, not a number or text"),
        (["96890001234"], "a list, not a number or text"),
        (np.array([1, 2]), "a ndarray, not a number or text"),
        (pd.Timestamp("2030-01-01"), "a Timestamp, not a number or text"),
        (3j, "a complex, not a number or text"),
    ],
    ids=repr,
)
def test_what_is_no_number_is_refused_with_a_reason(written, why):
    with pytest.raises(InvalidNumberError) as caught:
        canonical_msisdn(written)
    assert str(caught.value) == why


def test_a_local_number_gets_the_country_code_that_is_asked_for():
    assert canonical_msisdn("500012345", country_code="97") == "97500012345"
    assert canonical_msisdn("+97500012345", country_code="968") == "97500012345"


@pytest.mark.parametrize("zero", ZEROS)
def test_digits_of_any_script_count(zero):
    assert canonical_msisdn(in_script("+96890001234", zero)) == MSISDN


@given(written_numbers)
def test_every_way_to_write_a_number_means_that_number(case):
    written, msisdn = case
    assert canonical_msisdn(written) == msisdn


@given(msisdns)
def test_canonical_numbers_stay_as_they_are(msisdn):
    assert canonical_msisdn(msisdn) == msisdn


def _accepted(written):
    try:
        return canonical_msisdn(written)
    except InvalidNumberError:
        return None


@given(number_like)
def test_a_number_is_what_was_written_or_refused_and_no_digit_is_invented(written):
    found = _accepted(written)
    if found is None:
        return
    digits = "".join(str(int(char)) for char in written.partition(".")[0] if char.isdecimal())
    assert found in {digits, digits.removeprefix("00"), "968" + digits}
    assert len(found) == 11
    assert canonical_msisdn(found) == found


@given(number_like)
def test_a_reason_never_holds_the_number(written):
    try:
        why = f"accepted: {len(canonical_msisdn(written))} digits"
    except InvalidNumberError as error:
        why = str(error)
    assert all(len(digits) <= 2 for digits in re.findall(r"\d+", why))


def _oracle(written):
    """What Google's library makes of it, where it makes a valid number of it."""
    try:
        parsed = phonenumbers.parse(written, "OM")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")


@given(
    st.one_of(
        number_like,
        st.integers(0, 999_999).flatmap(lambda number: as_text(f"96899{number:06d}")),
        st.integers(0, 999_999).flatmap(lambda number: as_text(f"96871{number:06d}")),
    )
)
def test_where_phonenumbers_has_an_opinion_too_it_is_the_same(written):
    ours, theirs = _accepted(written), _oracle(written)
    if ours and theirs:
        assert ours == theirs


@pytest.mark.parametrize("written", ["9900123.0", "99001234,99005678"])
def test_what_phonenumbers_makes_a_strangers_number_of_is_refused(written):
    assert _oracle(written) is not None
    assert _accepted(written) is None


@pytest.mark.parametrize(
    "value", [None, float("nan"), pd.NA, pd.NaT, np.float64("nan"), Decimal("sNaN")], ids=repr
)
def test_nothing_is_missing_in_all_its_forms(value):
    assert is_missing(value)


@pytest.mark.parametrize("value", ["", 0, False, "nan", np.array([1, 2]), pd.Series([1]), []], ids=repr)
def test_what_is_there_is_not_missing(value):
    assert not is_missing(value)


def test_a_masked_number_shows_the_country_code_and_two_digits():
    assert mask_msisdn(MSISDN) == "968******34"
    assert mask_msisdn("1234") == "****"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Your number is 96890001234.", "Your number is 968******34."),
        ("90001234 and +968 9000-1234", "******34 and +968 ******34"),
        ("٩٠٠٠١٢٣٤ هو رقمك", "******34 هو رقمك"),
        ("96,890,001,234", "96,8******34"),
        ("Call 90005678 at 9:00", "Call 90005678 at 9:00"),
    ],
)
def test_a_number_is_masked_in_a_text(text, masked):
    assert mask_in(text, MSISDN) == masked


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("2026-11-22", "a date"),
        ("2026-11-22 07:30:00", "a date"),
        ("9000 0001 (123)", "more digits behind it"),
        ("90000001-123", "more digits behind it"),
    ],
)
def test_what_only_looks_like_a_number_without_its_separators_is_none(written, why):
    with pytest.raises(InvalidNumberError, match=why):
        canonical_msisdn(written)


@pytest.mark.parametrize(
    "written", ["968 9000 0001", "9689 0000 001", "(968) 9000-0001", "+968 (9000) 0001", "9000-0001"]
)
def test_separators_may_stand_anywhere_in_a_number(written):
    assert canonical_msisdn(written) == "96890000001"
