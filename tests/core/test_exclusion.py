"""Test exclusion, which precedes deduplication, and opt-out lists, which must be read completely."""

import time

import numpy
import pandas
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.batching import batches
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.exclusion import Exclusion, read_opt_outs
from airflow_provider_ismart.core.numbering import OMAN
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.plan import plan
from airflow_provider_ismart.core.validation import Content, Reading
from tests.core.scripted import columns_of, counts, limits, numbers, plan_of_rows
from tests.core.strategies import exclusions, few_written_numbers, not_numbers, rows

A, B, C = numbers(3)
TO_ALL = Content(message="Hello")


def excluding(*opted_out, allowed=None, content=TO_ALL):
    exclusion = Exclusion(opted_out=frozenset(opted_out), allowed=allowed, conn_id="staging")
    return Reading(content=content, exclusion=exclusion)


def verdicts(planned):
    outcomes = planned.outcomes
    return [(outcomes[row].value, outcomes.reason(row)) for row in range(len(outcomes))]


def test_a_number_in_exclude_gets_no_message():
    planned = plan([A, B], excluding(A))
    assert verdicts(planned) == [("excluded", "in exclude"), ("not_attempted", "")]
    assert [list(group.msisdns) for group in planned.groups] == [[B]]
    assert planned.parts == 1


def test_a_restricted_connection_reaches_only_its_allowed_numbers():
    planned = plan([A, B], excluding(allowed={A}))
    reason = "not in the allowed numbers of connection 'staging'"
    assert verdicts(planned) == [("not_attempted", ""), ("excluded", reason)]


def test_opt_outs_also_apply_on_a_restricted_connection():
    assert verdicts(plan([A], excluding(A, allowed={A}))) == [("excluded", "in exclude")]
    assert verdicts(plan([A], excluding(A, allowed={B}))) == [("excluded", "in exclude")]


def test_an_invalid_row_stays_invalid():
    rows = {"msisdn": ["nobody", A], "text": ["Hello", " "]}
    planned = plan(rows, excluding(A, allowed=set(), content=Content(message_column="text")))
    assert counts(planned) == {"invalid": 2}


def test_a_duplicate_of_an_excluded_row_is_also_excluded():
    assert counts(plan([A, A, B, B], excluding(A))) == {"excluded": 2, "duplicate": 1, "not_attempted": 1}


def test_nothing_is_planned_if_all_rows_are_excluded():
    planned = plan([A, B], excluding(A, B))
    assert (list(planned.groups), planned.parts, counts(planned)) == ([], 0, {"excluded": 2})


@given(st.lists(rows, max_size=30), exclusions, st.booleans())
def test_other_rows_are_planned_as_if_excluded_rows_did_not_exist(cases, exclusion, deduplicate):
    pairs = [(written, text) for (written, _), text in cases]
    plain = plan_of_rows(pairs, deduplicate=deduplicate)
    reading = Reading(content=Content(message_column="text"), exclusion=exclusion)
    planned = plan(columns_of(pairs), reading, deduplicate=deduplicate)

    def is_excluded(number):
        return number in exclusion.opted_out or (exclusion.allowed is not None and number not in exclusion.allowed)

    out = {
        row
        for row, ((_, number), _) in enumerate(cases)
        if is_excluded(number) and plain.outcomes[row] is not Outcome.INVALID
    }
    assert set(planned.outcomes.rows(Outcome.EXCLUDED)) == out
    assert sum(planned.outcomes.counts().values()) == len(cases)
    assert not any(is_excluded(number) for group in planned.groups for number in group.msisdns)
    left = [row for row in range(len(cases)) if row not in out]
    of_the_rest = plan_of_rows([pairs[row] for row in left], deduplicate=deduplicate)
    assert [planned.outcomes[row] for row in left] == [of_the_rest.outcomes[at] for at in range(len(left))]
    assert planned.parts == of_the_rest.parts


# --- reading exclude


def test_exclude_accepts_all_forms_and_notations_of_recipients():
    for exclude in (
        [A, B],
        (A, int(B)),
        {A, B},
        iter([A, B]),
        f"+968 {A[3:7]} {A[7:]}; {B[3:]}",
        f"['{A}', '{B}']",
        [{"msisdn": A, "name": "Ali"}, {"msisdn": B, "name": "Zoe"}],
        {"phone": [A, B]},
        {"msisdn": [A, B], "phone": ["nobody", "either"]},
        pandas.Series([int(A), int(B)]),
        pandas.DataFrame({"phone": [A, B]}),
        pandas.DataFrame([[A], [B]]),
        polars.DataFrame({"name": ["Ali", "Zoe"], "msisdn": [A, B]}),
        [pandas.DataFrame({"phone": [A]}), pandas.DataFrame({"phone": [B]})],
    ):
        assert read_opt_outs(exclude, "msisdn", OMAN) == {A, B}, exclude


@pytest.mark.parametrize("nobody", [[], {}, {"msisdn": []}, pandas.DataFrame(), pandas.DataFrame({"x": []})])
def test_an_empty_exclude_excludes_nobody(nobody):
    assert read_opt_outs(nobody, "msisdn", OMAN) == set()


@given(st.lists(few_written_numbers, max_size=250))
def test_opt_outs_are_found_in_any_notation(written):
    assert read_opt_outs([cell for cell, _ in written], "msisdn", OMAN) == {number for _, number in written}


@given(st.lists(st.one_of(few_written_numbers, st.tuples(not_numbers, st.none())), min_size=1, max_size=20))
def test_an_entry_that_is_not_a_number_fails_without_showing_its_digits(written):
    cells = {"msisdn": [cell for cell, _ in written]}
    bad = [at for at, (_, number) in enumerate(written, 1) if number is None]
    if not bad:
        read_opt_outs(cells, "msisdn", OMAN)
        return
    with pytest.raises(InputError) as caught:
        read_opt_outs(cells, "msisdn", OMAN)
    text = str(caught.value)
    entries = "entry" if len(written) == 1 else "entries"
    are, them = ("is not a mobile number", "it") if len(bad) == 1 else ("are not mobile numbers", "them")
    assert text.startswith(f"{len(bad)} of {len(written)} {entries} in exclude {are} (entry {bad[0]}: ")
    assert text.endswith(f"). Correct or remove {them}")
    assert [f"entry {at}: " in text for at in bad] == [True] * len(bad[:3]) + [False] * len(bad[3:])
    assert "9000" not in text


@pytest.mark.parametrize(
    ("exclude", "named"),
    [
        (None, "None"),
        (object(), "object"),
        (b"96890000001", "bytes"),
        ([(A, "Ali")], "column names"),
        (pandas.DataFrame({"phone": [A], "name": ["Ali"]}), "needs a column 'msisdn' .* it has 'phone', 'name'"),
        (pandas.DataFrame({A: [B]}), "look like a row of recipients"),
        (pandas.DataFrame({"phone": numpy.array([96890000001], dtype="float32")}), "float32"),
        ({"phone": numpy.array([96890000001], dtype="float32")}, "float32"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_unreadable_exclude_is_named_in_the_error(exclude, named):
    with pytest.raises(InputError, match=f"^exclude: .*{named}"):
        read_opt_outs(exclude, "msisdn", OMAN)


def test_a_million_opt_outs_are_read_and_applied_in_seconds():
    million = [f"9689{number:07d}" for number in range(1_000_000)]
    start = time.process_time()
    opted_out = read_opt_outs(million, "msisdn", OMAN)
    planned = plan({"msisdn": million}, Reading(content=TO_ALL, exclusion=Exclusion(opted_out=opted_out - {A})))
    assert counts(planned) == {"excluded": 999_999, "not_attempted": 1}
    assert sum(1 for _ in batches(planned.groups, limits())) == 1
    assert time.process_time() - start < 8


@pytest.mark.parametrize("blank", ["", "  ", ",", " ; \n"])
def test_text_without_a_number_is_refused(blank):
    with pytest.raises(InputError, match="exclude is text without a number"):
        read_opt_outs(blank, "msisdn", OMAN)


@pytest.mark.parametrize("empty", [[], (), "[]", "()", "{}"])
def test_an_empty_list_or_its_text_excludes_nobody(empty):
    assert read_opt_outs(empty, "msisdn", OMAN) == set()
