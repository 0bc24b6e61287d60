import pytest

from airflow_provider_ismart.core.return_codes import RETURN_CODES, SECOND_HAND_CODES, Kind, return_code
from tests import return_codes

DOCUMENT = {kind: getattr(return_codes, kind.name) for kind in Kind if kind is not Kind.UNKNOWN}


@pytest.mark.parametrize("kind", DOCUMENT)
def test_codes_are_of_the_documents_kinds(kind):
    assert {number for number, code in RETURN_CODES.items() if code.kind is kind} == DOCUMENT[kind]


def test_the_table_has_no_other_codes_and_numbers_them_right():
    assert set(RETURN_CODES) == set().union(*DOCUMENT.values())
    assert set(RETURN_CODES) > SECOND_HAND_CODES
    assert all(code.number == number for number, code in RETURN_CODES.items())


@pytest.mark.parametrize("number", sorted(return_codes.UNKNOWN))
def test_a_code_outside_the_table_is_unknown_and_never_a_success(number):
    assert return_code(number).kind is Kind.UNKNOWN
    assert return_code(number).number == number


def test_a_code_reads_as_what_it_says_and_what_to_do():
    assert (
        str(return_code(4)) == "return code 4 (Credit is low). Buy credit from Infocomm, then run the task again."
    )
