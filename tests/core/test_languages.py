"""Test a template per language: which row gets which, and the counts by language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.languages import choose_languages, read_language
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.plan import MAX_SAMPLES, plan, samples
from airflow_provider_ismart.core.validation import Content, Reading
from tests.core.scripted import ScriptedGateway, counts, numbers, send
from tests.core.strategies import few_written_numbers, languages, not_numbers

A, B, C = numbers(3)
MESSAGE = {"ar": "عزيزنا {name}", "en": "Dear {name}"}


def plan_of_languages(rows, message=MESSAGE, **options):
    """Plan rows of (number, language, name)."""
    table = {name: [row[at] for row in rows] for at, name in enumerate(("msisdn", "lang", "name"))}
    return plan(table, Reading(content=Content(message=message, language_column="lang")), **options)


@pytest.mark.parametrize(
    "written",
    [
        "ar",
        "AR",
        " ar\n",
        "Arabic",
        "ar-OM",
        "ar_OM",
        "AR_om",
        "ar-001",
        "العربية",
        "العربيه",
        "عربي",
        "عربى",
        "\u200fعربي\u200e",
        "عربية",
    ],
)
def test_arabic_is_recognised_in_common_spellings(written):
    assert read_language(written) == "ar"


@pytest.mark.parametrize(
    "written", ["en", "EN", "English", "en-US", "en_GB", "الإنجليزية", "الانجليزيه", "إنجليزي", "انجليزى\t"]
)
def test_english_is_recognised_in_common_spellings(written):
    assert read_language(written) == "en"


@pytest.mark.parametrize(
    "written", ["", " ", "fr", "arc", "ar OM", "ar-", "eng land", "arabic-", "default", "96890000001"]
)
def test_other_texts_are_not_a_language(written):
    assert read_language(written) is None


@given(
    st.lists(
        st.tuples(
            st.one_of(few_written_numbers, st.tuples(not_numbers, st.none())),
            languages,
            st.sampled_from(["Ali", "مريم", None]),
        ),
        max_size=25,
    ),
    st.sets(st.sampled_from(["ar", "en", "default"]), min_size=1),
    st.booleans(),
)
def test_every_row_gets_the_template_of_its_language_or_a_reason(cases, keys, deduplicate):
    templates = {"ar": "عزيزنا {name}", "en": "Dear {name}", "default": "{name}!"}
    planned = plan_of_languages(
        [(written, language, name) for (written, _), language, name in cases],
        {key: templates[key] for key in keys},
        deduplicate=deduplicate,
    )
    meant = {"ar": "ar", "AR_om": "ar", "عربي": "ar", "en": "en", " English ": "en", "en-GB": "en"}
    for row, ((_, msisdn), language, name) in enumerate(cases):
        key = meant.get(language)
        key = key if key in keys else "default" if "default" in keys else None
        assert planned.languages[row] == key
        expected = templates[key].replace("{name}", name) if key and name else None
        assert planned.rows.texts[row] == expected
        is_invalid = planned.outcomes[row] is Outcome.INVALID
        assert is_invalid == (expected is None or msisdn is None)
        assert bool(planned.outcomes.reason(row)) == is_invalid
    sent = {row: group.message.text for group in planned.groups for row, _ in group.numbers}
    assert sent == {
        row: planned.rows.texts[row] for row in range(len(cases)) if planned.outcomes[row] is Outcome.NOT_ATTEMPTED
    }
    of_each = planned.languages.counts(planned.outcomes)
    assert of_each.keys() == keys
    without = sum(planned.languages[row] is None for row in range(len(cases)))
    assert sum(sum(counted.rows.values()) for counted in of_each.values()) + without == len(cases)
    assert sum(counted.parts[Outcome.NOT_ATTEMPTED] for counted in of_each.values()) == planned.parts


def test_rows_without_a_template_have_a_reason():
    planned = plan_of_languages(
        [
            (A, "fr", "Ali"),
            (A, None, "Ali"),
            (A, "\u200b", "Ali"),
            (A, 7, "Ali"),
            (A, "x" * 50, "Ali"),
            ("x", "fr", "Ali"),
        ]
    )
    assert [planned.outcomes.reason(row) for row in range(6)] == [
        "no message for language 'fr'",
        "no language",
        "no language",
        "the language is of type int, not text",
        "no message for its language",
        "number: has letters; write 9XXXXXXX or 9689XXXXXXX",
    ]


def test_a_value_for_another_languages_template_can_be_missing():
    planned = plan_of_languages(
        [(A, "en", None), (B, "ar", "مريم")], {"en": "The office opens at 9:00.", "ar": "{name}"}
    )
    assert planned.rows.texts == ["The office opens at 9:00.", "مريم"]


def test_equal_texts_of_different_templates_share_a_call_and_deduplicate():
    planned = plan_of_languages(
        [(A, "ar", "Ali"), (B, "en", "Ali"), (A, "en", "Ali")], {"ar": "{name}", "en": "{name}"}
    )
    gateway = ScriptedGateway()
    submission = send(planned, gateway)
    assert gateway.handed == {A: ["Ali"], B: ["Ali"]}
    assert gateway.sizes == [2]
    assert counts(submission) == {"accepted": 2, "duplicate": 1}


def test_accepted_parts_are_counted_by_language():
    planned = plan_of_languages([(A, "ar", "ا" * 70), (B, "en", "Ali"), (C, "en", "Zoe")])
    submission = send(planned, ScriptedGateway.refusing({C}))
    found = planned.languages.counts(planned.outcomes)
    assert {name: (of.rows[Outcome.ACCEPTED], of.parts[Outcome.ACCEPTED]) for name, of in found.items()} == {
        "ar": (1, 2),
        "en": (1, 1),
    }
    assert found["en"].rows[Outcome.REFUSED] == 1
    assert submission.parts == 3


def test_samples_are_the_first_texts_of_each_language_without_duplicates():
    rows = [(number, "en", f"no. {at}") for at, number in enumerate(numbers(9))] + [
        (A, "ar", "مريم"),
        (A, "ar", "مريم"),
    ]
    for deduplicate in (True, False):
        found = samples(plan_of_languages(rows, deduplicate=deduplicate))
        assert [(sample.language, sample.text) for sample in found] == [
            ("ar", "عزيزنا مريم"),
            *(("en", f"Dear no. {at}") for at in range(MAX_SAMPLES)),
        ]


def test_an_empty_input_has_no_languages():
    planned = plan([], Reading(content=Content(message=MESSAGE, language_column="lang")))
    assert {name: sum(of.rows.values()) for name, of in planned.languages.counts(planned.outcomes).items()} == {
        "ar": 0,
        "en": 0,
    }
    assert samples(planned) == ()


def test_a_table_without_a_header_has_a_numbered_language_column():
    content = Content(message={"en": "Dear {2}"}, language_column=1)
    planned = plan([{0: A, 1: "en", 2: "Ali"}], Reading(content=content, recipient_column=0))
    assert planned.rows.texts == ["Dear Ali"]
    assert content.columns == ["1", "2"]


@pytest.mark.parametrize("cell", ["Ahmed Al Balushi", "Your code is 482913", "96890000001", "x"])
def test_a_cell_that_is_not_a_language_is_not_shown(cell):
    reasons = []
    choose_languages([cell], ["ar"], lambda row, why: reasons.append(why))
    assert reasons == ["no message for its language"]
