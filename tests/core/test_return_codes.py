import pytest

from airflow_provider_ismart.core.return_codes import RETURN_CODES, SECOND_HAND_CODES, Kind, return_code
from tests import return_codes

DOCUMENT = {kind: getattr(return_codes, kind.name) for kind in Kind if kind is not Kind.UNKNOWN}


@pytest.mark.parametrize("kind", DOCUMENT)
def test_codes_have_the_documented_kinds(kind):
    assert {number for number, code in RETURN_CODES.items() if code.kind is kind} == DOCUMENT[kind]


def test_the_table_has_only_the_documented_codes_with_their_numbers():
    assert set(RETURN_CODES) == set().union(*DOCUMENT.values())
    assert set(RETURN_CODES) > SECOND_HAND_CODES
    assert all(code.number == number for number, code in RETURN_CODES.items())


@pytest.mark.parametrize("number", sorted(return_codes.UNKNOWN))
def test_a_code_that_is_not_in_the_table_is_never_a_success(number):
    assert return_code(number).kind is Kind.UNKNOWN
    assert return_code(number).number == number


def test_a_code_as_text_has_the_description_and_what_to_do():
    assert (
        str(return_code(4))
        == "return code 4 (Credit is low). Buy credit from Infocomm, then retry or clear the task."
    )
