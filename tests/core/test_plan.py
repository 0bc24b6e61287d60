import time
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.batching import batches
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.message import LangChoice
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.plan import plan
from airflow_provider_ismart.core.segmentation import Lang
from airflow_provider_ismart.core.validation import Content, Reading
from tests.core.scripted import counts, limits, numbers, plan_of, plan_of_rows
from tests.core.strategies import rows

A, B, C = numbers(3)


def groups_of(planned):
    return [(group.message.text, group.copy, [row for row, _ in group.numbers]) for group in planned.groups]


def test_rows_with_the_same_message_form_a_group_in_input_order():
    planned = plan_of_rows([(A, "x"), (B, "y"), (C, "x")])
    assert groups_of(planned) == [("x", 0, [0, 2]), ("y", 0, [1])]
    assert counts(planned) == {"not_attempted": 3}


def test_rows_of_one_number_in_different_notations_are_duplicates():
    planned = plan_of([B, "+968 9000 0001", 90000001, 90000001.0, "٩٠٠٠٠٠٠١", A])
    assert groups_of(planned) == [("Hello", 0, [0, 5])]
    assert counts(planned) == {"not_attempted": 2, "duplicate": 4}
    assert [msisdn for rows in planned.read_rows(2) for msisdn in rows.msisdns] == [B] * 5 + [A]
    assert next(planned.read_rows(9)).written[1:4] == ["+968 9000 0001", "90000001", "90000001.0"]


def test_a_number_with_two_texts_is_not_a_duplicate():
    planned = plan_of_rows([(A, "x"), (A, "y"), (A, "x")])
    assert groups_of(planned) == [("x", 0, [0]), ("y", 0, [1])]
    assert planned.outcomes[2] is Outcome.DUPLICATE


def test_kept_duplicates_are_copies_in_separate_groups():
    planned = plan_of([A, B, A, A, B, C], deduplicate=False)
    assert groups_of(planned) == [("Hello", 0, [0, 1, 5]), ("Hello", 1, [2, 4]), ("Hello", 2, [3])]
    assert counts(planned) == {"not_attempted": 6}


def test_placeholders_make_personal_texts_and_equal_texts_share_a_group():
    source = {"msisdn": [A, B, C], "name": ["Ali", "Mona", "Ali"]}
    planned = plan_of(source, "Dear {name}")
    assert groups_of(planned) == [("Dear Ali", 0, [0, 2]), ("Dear Mona", 0, [1])]
    assert planned.rows.texts == ["Dear Ali", "Dear Mona", "Dear Ali"]


def test_invalid_rows_have_a_reason():
    source = [
        {"msisdn": A, "name": "Ali"},
        {"msisdn": "123", "name": "Ali"},
        {"msisdn": B, "name": None},
        {"msisdn": None, "name": "x" * 800},
        {"msisdn": C, "name": " "},
    ]
    planned = plan_of(source, "{name}")
    assert counts(planned) == {"not_attempted": 1, "invalid": 4}
    assert [planned.outcomes.reason(row) for row in range(5)] == [
        "",
        "number: too short: 3 digits instead of 11; write 9XXXXXXX or 9689XXXXXXX",
        "message: no value for {name}",
        "number: empty",
        "message: the text is blank",
    ]
    assert planned.rows.msisdns == [A, "", B, "", C]
    assert [text is not None for text in planned.rows.texts] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (None, "empty"),
        (pd.NA, "empty"),
        (7, "of type int, not text"),
        ("", "the text is blank"),
        ("\u200e\ufeff", "the text is blank"),
        ("a\ud83d", "half"),
    ],
)
def test_a_message_column_must_contain_text(cell, why):
    planned = plan_of_rows([(A, cell)])
    assert planned.outcomes[0] is Outcome.INVALID
    assert why in planned.outcomes.reason(0)


def test_texts_of_a_message_column_are_not_templates():
    assert groups_of(plan_of_rows([(A, "{name} {")])) == [("{name} {", 0, [0])]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("", "message: the text is blank"),
        ("  ", "message: the text is blank"),
        ("\u200b\u00ad", "message: the text is blank"),
        ("x" * 800, "message: the text has 6 parts"),
        ("x" * 800 + "{name}", "message: the text has 6 parts"),
        ("Dear {nam}", r"message has a placeholder for 'nam', but .* they have 'msisdn', 'name'"),
        ("{", "message is not a valid template"),
    ],
)
def test_a_message_that_is_invalid_for_every_row_is_an_input_error(message, why):
    with pytest.raises(InputError, match=why):
        plan_of({"msisdn": [A], "name": ["Ali"]}, message)


def test_an_error_names_missing_and_existing_columns():
    with pytest.raises(InputError, match=r"recipient_column is 'msisdn', but .* they have 'phone'"):
        plan_of({"phone": [A]})
    with pytest.raises(InputError, match=r"message_column is 'text', but .* they have 'msisdn'"):
        plan({"msisdn": [A]}, Reading(content=Content(message_column="text")))
    with pytest.raises(InputError, match=r"message has a placeholder for 'name', but .* they have 'msisdn'"):
        plan_of([A], "{name}")


@pytest.mark.parametrize("nobody", [[], "", {}, pd.DataFrame({"msisdn": []})])
def test_no_recipients_make_an_empty_plan(nobody):
    planned = plan_of(nobody)
    assert counts(planned) == {}
    assert list(planned.groups) == []
    assert planned.parts == 0


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "set either message or message_column"),
        ({"message": "x", "message_column": "y"}, "set either message or message_column"),
        ({"message": 5}, "message is of type int; it must be text, or a dict of texts by language"),
        ({"message": "x", "max_parts": 0}, "max_parts is 0; it must be 1 to 5"),
        ({"message": "x", "max_parts": 6}, "max_parts is 6; it must be 1 to 5"),
        ({"message": "x", "max_parts": True}, "max_parts is True; it must be 1 to 5"),
        ({"message": "x", "max_parts": "3"}, "max_parts is '3'; it must be 1 to 5"),
    ],
)
def test_content_needs_exactly_one_source_of_text_and_a_valid_limit(options, why):
    with pytest.raises(InputError, match=why):
        Content(**options)


def test_the_language_can_be_forced():
    planned = plan_of([A], lang=LangChoice.ARABIC)
    assert next(planned.groups).message.lang is Lang.ARABIC
    with pytest.raises(InputError, match="lang is english"):
        plan_of([A], "فاتورتك", lang=LangChoice.ENGLISH)


def test_parts_are_counted_for_the_rows_to_send():
    assert plan_of_rows([(A, "x" * 200), (B, "y"), (C, None), (A, "x" * 200)]).parts == 3


@given(st.lists(rows, max_size=30), st.booleans())
def test_every_row_is_either_planned_once_or_has_an_outcome(cases, deduplicate):
    planned = plan_of_rows([(written, text) for (written, _), text in cases], deduplicate=deduplicate)
    groups = [(group.message, list(group.numbers)) for group in planned.groups]
    in_groups = Counter(row for _, numbers in groups for row, _ in numbers)
    msisdns, texts, sizes = planned.rows.msisdns, planned.rows.texts, planned.rows.sizes
    for row, ((_, msisdn), _) in enumerate(cases):
        planned_here = planned.outcomes[row] is Outcome.NOT_ATTEMPTED
        assert in_groups[row] == planned_here
        assert msisdns[row] == (msisdn or "")
        if msisdn is None:
            assert planned.outcomes[row] is Outcome.INVALID
    assert sum(planned.outcomes.counts().values()) == len(cases)
    wanted = Counter((msisdn, text) for row, ((_, msisdn), text) in enumerate(cases) if msisdn and texts[row])
    found = Counter((msisdn, message.text) for message, told in groups for _, msisdn in told)
    assert found == (Counter(set(wanted)) if deduplicate else wanted)
    for message, told in groups:
        assert told == sorted(told)
        assert [msisdn for _, msisdn in told] == [msisdns[row] for row, _ in told]
        assert len({msisdn for _, msisdn in told}) == len(told)
        assert {texts[row] for row, _ in told} == {message.text}
        assert {sizes[row] for row, _ in told} == {(message.lang, message.parts)}


@given(st.lists(rows, max_size=15), st.booleans())
def test_planning_is_deterministic(cases, deduplicate):
    pairs = [(written, text) for (written, _), text in cases]
    assert groups_of(plan_of_rows(pairs, deduplicate=deduplicate)) == groups_of(
        plan_of_rows(pairs, deduplicate=deduplicate)
    )


def test_a_million_rows_are_planned_in_seconds_and_none_is_lost():
    million = 1_000_000
    written = [f"9689{number:07d}" for number in range(million - 3)] + ["x", None, "96890000000"]
    start = time.process_time()
    planned = plan_of({"msisdn": written})
    calls = sum(1 for _ in batches(planned.groups, limits()))
    seconds = time.process_time() - start
    assert counts(planned) == {"not_attempted": million - 3, "invalid": 2, "duplicate": 1}
    assert calls == planned.count_calls(limits().numbers_for) == million // 50
    assert seconds < 6


def test_a_text_that_placeholders_make_blank_invalidates_only_its_row():
    people = [{"msisdn": A, "name": "\u200b"}, {"msisdn": B, "name": "Ali"}]
    planned = plan(people, Reading(content=Content(message="\u200f{name} ")))
    assert planned.rows.texts == [None, "\u200fAli "]
    assert counts(planned)["invalid"] == 1


def test_a_table_without_a_header_has_numbered_columns():
    table = pd.DataFrame([[A, "Ali", "Your code is 7"], [B, "Zoe", "Your code is 8"]])
    planned = plan(table, Reading(content=Content(message="Dear {1}"), recipient_column=0))
    assert planned.rows.msisdns == [A, B]
    assert planned.rows.texts == ["Dear Ali", "Dear Zoe"]
    planned = plan(table, Reading(content=Content(message_column=2), recipient_column=0))
    assert planned.rows.texts == ["Your code is 7", "Your code is 8"]


@pytest.mark.parametrize("name", [True, 1.5, None, b"msisdn", ["msisdn"]], ids=repr)
def test_a_column_name_is_text_or_an_integer(name):
    with pytest.raises(InputError, match=r"recipient_column is of type \w+; it must be text, or an integer"):
        Reading(content=Content(message="Hello"), recipient_column=name)
    if name is not None:
        with pytest.raises(InputError, match=r"message_column is of type \w+; it must be text, or an integer"):
            Content(message_column=name)
