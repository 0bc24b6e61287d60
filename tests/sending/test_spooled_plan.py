"""Test that a spooled plan equals the plan in memory, for any chunks."""

import sqlite3
from collections import Counter
from contextlib import ExitStack, closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.plan import plan, samples
from airflow_provider_ismart.core.validation import Content, Reading
from airflow_provider_ismart.sending.spooled_plan import SpooledPlan
from tests.core.scripted import MemoryLedger, ScriptedGateway, columns_of, limits, numbers, plan_of_rows, send
from tests.core.strategies import exclusions, few_msisdns, languages, rows

A, B, C = numbers(3)
OWN_TEXTS = Reading(content=Content(message_column="text"))


@pytest.fixture(scope="module")
def stored():
    with ExitStack() as closing_all:

        def stored(tables, reading=OWN_TEXTS, **options):
            return closing_all.enter_context(closing(SpooledPlan(tables, reading, **options)))

        yield stored


def chunked(pairs, cuts):
    """Return tables of the pairs, cut at these positions."""
    ends = [*sorted(min(cut, len(pairs)) for cut in cuts), len(pairs)]
    return [columns_of(pairs[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def told(planned):
    return [(group.message, group.copy, list(group.numbers)) for group in planned.groups]


def recipients_of(messages):
    total = Counter()
    for message, recipients in messages:
        total[message] += recipients
    return total


def as_read(planned, chunk_size):
    """Return the rows in chunks, none larger than requested."""
    return [list(zip(*some, strict=True)) for some in planned.read_rows(chunk_size)]


@given(
    st.lists(rows, max_size=30),
    st.lists(st.integers(0, 30), max_size=5),
    st.booleans(),
    st.integers(1, 50),
)
def test_a_spooled_plan_equals_the_plan_in_memory(stored, cases, cuts, deduplicate, batch_size):
    pairs = [(written, text) for (written, _), text in cases]
    in_memory = plan_of_rows(pairs, deduplicate=deduplicate)
    in_file = stored(chunked(pairs, cuts), deduplicate=deduplicate)
    assert told(in_file) == told(in_memory)
    assert as_read(in_file, batch_size) == as_read(in_memory, batch_size)
    assert in_file.parts == in_memory.parts
    assert recipients_of(in_file.long_arabic) == recipients_of(in_memory.long_arabic)
    numbers_for = limits(batch_size).numbers_for
    assert in_file.count_calls(numbers_for) == in_memory.count_calls(numbers_for)
    for row in range(len(cases)):
        assert in_file.outcomes[row] is in_memory.outcomes[row]
        assert in_file.outcomes.reason(row) == in_memory.outcomes.reason(row)
    in_file.close()


@given(
    st.lists(st.tuples(few_msisdns, languages, st.sampled_from(["Ali", "مريم", None])), max_size=20),
    st.integers(0, 20),
    st.booleans(),
)
def test_a_spooled_plan_by_language_equals_the_plan_in_memory(stored, cases, cut, deduplicate):
    content = Content(message={"ar": "عزيزنا {name}", "en": "Dear {name}"}, language_column="lang")
    reading = Reading(content=content)
    tables = [
        {
            name: list(cells)
            for name, cells in zip(("msisdn", "lang", "name"), zip(*some, strict=True), strict=True)
        }
        for some in (cases[:cut], cases[cut:])
        if some
    ]
    everybody = {name: [cell for table in tables for cell in table[name]] for name in ("msisdn", "lang", "name")}
    in_memory = plan(everybody, reading, deduplicate=deduplicate)
    in_file = stored(tables, reading, deduplicate=deduplicate)
    assert told(in_file) == told(in_memory)
    assert in_file.outcomes.reasons() == in_memory.outcomes.reasons()
    assert in_file.languages.counts(in_file.outcomes) == in_memory.languages.counts(in_memory.outcomes)
    assert samples(in_file) == samples(in_memory)
    in_file.close()


def test_texts_are_stored_simplified(stored):
    reading = Reading(content=Content(message="It’s for {name}", simplify_text=True))
    planned = stored(
        [{"msisdn": [A, B], "name": ["O’Neill", "علي"]}, {"msisdn": [C], "name": ["O'Neill"]}], reading
    )
    assert [(group.message.text, list(group.msisdns)) for group in planned.groups] == [
        ("It's for O'Neill", [A, C]),
        ("It’s for علي", [B]),
    ]


@given(st.lists(rows, max_size=30), st.lists(st.integers(0, 30), max_size=5), exclusions)
def test_excluded_numbers_are_excluded_from_a_spooled_plan(stored, cases, cuts, exclusion):
    pairs = [(written, text) for (written, _), text in cases]
    reading = Reading(content=Content(message_column="text"), exclusion=exclusion)
    in_memory, in_file = plan(columns_of(pairs), reading), stored(chunked(pairs, cuts), reading)
    assert told(in_file) == told(in_memory)
    assert (in_file.parts, as_read(in_file, 7)) == (in_memory.parts, as_read(in_memory, 7))
    for row in range(len(cases)):
        assert in_file.outcomes[row] is in_memory.outcomes[row]
        assert in_file.outcomes.reason(row) == in_memory.outcomes.reason(row)
    in_file.close()


def test_duplicates_and_shared_calls_span_chunks(stored):
    reading = Reading(content=Content(message="Hello"))
    planned = stored([{"msisdn": [A, B]}, {"msisdn": []}, {"msisdn": [B, C, A]}], reading)
    gateway = ScriptedGateway()
    send(planned, gateway)
    assert gateway.sizes == [3]
    assert list(planned.outcomes.rows(Outcome.DUPLICATE)) == [2, 4]


def test_a_later_try_sends_the_remaining_rows(stored):
    everybody = [(number, f"text {row % 7}") for row, number in enumerate(numbers(100))]
    ledger = MemoryLedger()
    first = ScriptedGateway()
    send(plan_of_rows(everybody[:60]), first, ledger=ledger, batch_size=3)
    second = ScriptedGateway()
    planned = stored(chunked(everybody, [10, 50, 51]))
    send(planned, second, ledger=ledger, batch_size=3)
    assert planned.outcomes.counts()[Outcome.ALREADY_SENT] == 60
    assert second.handed.keys() == {number for number, _ in everybody[60:]}


def test_no_chunks_make_an_empty_plan(stored):
    planned = stored([])
    assert (len(planned.outcomes), told(planned), planned.parts) == (0, [], 0)


def test_an_error_names_a_column_that_one_chunk_lacks(stored):
    with pytest.raises(InputError, match=r"message_column is 'text', but .* they have 'msisdn'"):
        stored([columns_of([(A, "x")]), {"msisdn": [B]}])


def test_an_error_while_reading_is_raised_and_the_file_is_deleted(stored):
    def tables():
        yield columns_of([(A, "x")])
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="the source is gone"):
        stored(tables())


def test_nothing_is_left_after_closing(stored):
    planned = stored([columns_of([(A, "x")])])
    planned.close()
    with pytest.raises(sqlite3.ProgrammingError):
        list(planned.read_rows(1))
