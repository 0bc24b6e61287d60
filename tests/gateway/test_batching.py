import math
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.batching import CallLimits, batches, encoded_length
from airflow_provider_ismart.core.message import LangChoice, compose
from airflow_provider_ismart.core.segmentation import Lang
from airflow_provider_ismart.gateway.client import query_string
from tests.core.scripted import limits, numbers, plan_of, plan_of_rows
from tests.core.strategies import any_texts, few_msisdns, few_texts

CREDENTIALS = {"login": "user name", "password": "p&ss/wörd"}


def query(text, msisdns, lang=Lang.ARABIC):
    return query_string(
        **CREDENTIALS, msisdns=msisdns, text=text, lang=lang, flash=True, push_at="01/31/2030 14:30:00"
    )


OVERHEAD = len(query("", ()))


def made(planned, call_limits):
    return list(batches(planned.groups, call_limits))


@pytest.mark.parametrize(("rows", "sizes"), [(1, [1]), (50, [50]), (51, [50, 1]), (120, [50, 50, 20])])
def test_numbers_share_calls_of_fifty(rows, sizes):
    assert [len(batch.rows) for batch in made(plan_of(numbers(rows)), limits())] == sizes


def test_a_batch_has_its_rows_and_numbers():
    first, second = numbers(2)
    (batch,) = made(plan_of(["x", first, second]), limits())
    assert batch.rows == (1, 2)
    assert batch.msisdns == (first, second)
    assert batch.message.text == "Hello"
    assert not batch.oversize


def test_texts_do_not_share_calls():
    planned = plan_of_rows([(number, f"text {index % 2}") for index, number in enumerate(numbers(4))])
    assert [(batch.message.text, batch.rows) for batch in made(planned, limits())] == [
        ("text 0", (0, 2)),
        ("text 1", (1, 3)),
    ]


def test_calls_with_long_texts_have_fewer_numbers():
    message = compose("ا" * 150, LangChoice.AUTO, 5)  # 900 characters when encoded
    assert CallLimits(batch_size=50, max_query_length=1248, overhead=100).numbers_for(message) == 20
    assert CallLimits(batch_size=50, max_query_length=1247, overhead=100).numbers_for(message) == 20
    assert CallLimits(batch_size=50, max_query_length=1238, overhead=100).numbers_for(message) == 19
    assert CallLimits(batch_size=50, max_query_length=1011, overhead=100).numbers_for(message) == 1
    assert CallLimits(batch_size=50, max_query_length=1010, overhead=100).numbers_for(message) == 0
    assert CallLimits(batch_size=50, max_query_length=10, overhead=100).numbers_for(message) == 0


def test_a_text_that_does_not_fit_with_one_number_is_an_oversize_batch():
    planned = plan_of(numbers(3), "ا" * 335)
    found = made(planned, limits())
    assert [(list(batch.rows), batch.oversize) for batch in found] == [([row], True) for row in range(3)]
    assert planned.count_calls(limits().numbers_for) == 3


@pytest.mark.parametrize(("size", "halves"), [(2, (1, 1)), (3, (1, 2)), (50, (25, 25))])
def test_halving_a_batch_loses_no_row(size, halves):
    (batch,) = made(plan_of(numbers(size)), limits())
    first, second = batch.halves()
    assert (len(first.rows), len(second.rows)) == halves
    assert [*first.rows, *second.rows] == list(batch.rows)
    assert first.msisdns + second.msisdns == batch.msisdns
    assert first.message is second.message is batch.message


@given(any_texts)
def test_the_encoded_length_matches_the_encoded_text(text):
    assert encoded_length(text) == len(quote(text, safe=""))


_planned = st.builds(
    plan_of_rows,
    st.lists(st.tuples(few_msisdns, st.one_of(few_texts, any_texts)), max_size=40),
    deduplicate=st.booleans(),
)


@given(_planned, st.integers(1, 50), st.integers(OVERHEAD, 2048))
def test_calls_have_each_planned_row_once_within_the_limits_and_are_as_few_as_possible(
    planned, batch_size, max_query_length
):
    call_limits = CallLimits(batch_size=batch_size, max_query_length=max_query_length, overhead=OVERHEAD)
    found = made(planned, call_limits)
    assert [row for batch in found for row in batch.rows] == [
        row for group in planned.groups for row, _ in group.numbers
    ]
    for batch in found:
        assert 1 <= len(batch.rows) <= batch_size
        assert len(set(batch.msisdns)) == len(batch.msisdns)
        assert batch.msisdns == tuple(planned.rows.msisdns[row] for row in batch.rows)
        length = len(query(batch.message.text, batch.msisdns))
        assert batch.oversize == (length > max_query_length)
        if batch.oversize:
            assert len(batch.rows) == 1
    for one, other in pairwise(found):
        if (one.message, one.copy) == (other.message, other.copy) and len(one.rows) < batch_size:
            longer = query(one.message.text, (*one.msisdns, other.msisdns[0]))
            assert len(longer) > max_query_length
    fits = [(len(list(group.numbers)), call_limits.numbers_for(group.message)) for group in planned.groups]
    assert len(found) == sum(math.ceil(count / max(fit, 1)) for count, fit in fits)
    assert len(found) == planned.count_calls(call_limits.numbers_for)
