"""Test plain characters instead of typographic ones, if the whole text then fits GSM-7."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.message import LangChoice, Message
from airflow_provider_ismart.core.segmentation import (
    GSM7_BASIC,
    GSM7_EXTENSION,
    Lang,
    first_not_gsm7,
    is_blank,
    language,
    parts,
)
from airflow_provider_ismart.core.simplification import COMBINING_MARKS, COUNTERPARTS, find_saving, simplified
from tests.core.scripted import columns_of, numbers, plan_of
from tests.core.strategies import any_texts, gsm7_texts

ALPHABET = GSM7_BASIC + GSM7_EXTENSION
typographic = st.sampled_from([*COUNTERPARTS, *COMBINING_MARKS])
texts = st.one_of(
    any_texts,
    gsm7_texts,
    st.text(st.one_of(typographic, st.sampled_from(ALPHABET)), max_size=400),
    st.text(st.one_of(typographic, st.sampled_from(ALPHABET + "اçá😀`")), max_size=100),
)
LONG = "Your bill is due on Thursday – please don’t forget to pay it before the end of the day."


# The table


@pytest.mark.parametrize("source", COUNTERPARTS, ids=unicodedata.name)
def test_gsm7_has_the_replacement_but_not_the_character(source):
    assert first_not_gsm7(COUNTERPARTS[source]) is None
    assert first_not_gsm7(source) == source


@pytest.mark.parametrize("source", COUNTERPARTS, ids=unicodedata.name)
def test_unicode_justifies_each_replacement(source):
    counterpart, name, category = COUNTERPARTS[source], unicodedata.name(source), unicodedata.category(source)
    reasons = {
        "'": "APOSTROPHE" in name or ("SINGLE" in name and "QUOTATION MARK" in name),
        '"': "DOUBLE" in name and "QUOTATION MARK" in name,
        "-": category == "Pd" or name == "MINUS SIGN",
        "": category == "Cf",  # format characters, which have no glyph
    }
    assert reasons.get(counterpart, False) or unicodedata.normalize("NFKC", source) == counterpart


def test_every_space_dash_and_quotation_mark_of_general_punctuation_has_a_replacement():
    block = map(chr, range(0x2000, 0x2070))
    kinds = {"Zs", "Pd"}
    expected = {
        char
        for char in block
        if unicodedata.category(char) in kinds
        or ("QUOTATION MARK" in unicodedata.name(char, "") and "ANGLE" not in unicodedata.name(char))
    }
    assert expected <= COUNTERPARTS.keys()


def test_the_marks_are_those_of_the_letters_that_gsm7_has():
    assert set(COMBINING_MARKS) == {mark for char in ALPHABET for mark in unicodedata.normalize("NFD", char)[1:]}


# Texts


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("It’s “here” – now…", 'It\'s "here" - now...'),
        ("5\u00a0OMR\u202fnow\u3000!", "5 OMR now !"),
        ("a\u200bb\ufeffc\u2060d\u200ee\u00adf", "abcdef"),
        ("cafe\u0301 n\u0303 U\u0308 C\u0327", "café ñ Ü Ç"),
        ("e\u200b\u0301", "é"),
        ("10−5 \u212b\u2126\u212a", "10-5 ÅΩK"),
        ("{€} It’s", "{€} It's"),
    ],
)
def test_characters_with_a_plain_replacement_are_replaced(text, plain):
    assert simplified(text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "It's plain",
        "عزيزي العميل – فاتورتك…",
        "Dear علي, it’s due",
        "\u0640It’s",
        "It’s 😀",
        "It’s `code`",
        "It’s á",  # GSM-7 has no such letter
        "It’s a\u0301",
        "ça – va",
        "«It’s»",
        "👩\u200d👩",
        "\u200fIt’s",  # what a right-to-left mark does can be seen
        "It’s \ud83d",
        "",
    ],
)
def test_a_text_that_would_still_not_fit_is_unchanged(text):
    assert simplified(text) == text


def test_a_text_that_would_need_more_parts_is_unchanged():
    assert simplified("…" * 70) == "…" * 70  # one part; 210 full stops take two
    assert simplified("…" * 53) == "..." * 53


@given(texts)
def test_a_simplified_text_fits_gsm7_without_more_parts(text):
    plain = simplified(text)
    if plain != text:
        assert first_not_gsm7(plain) is None
        assert first_not_gsm7(text) is not None
    assert parts(plain, language(plain)) <= parts(text, language(text))


@given(texts)
def test_simplifying_twice_equals_simplifying_once(text):
    assert simplified(simplified(text)) == simplified(text)


@given(texts)
def test_simplifying_does_not_make_a_text_blank(text):
    assert is_blank(simplified(text)) == is_blank(text)


@given(texts, st.characters(min_codepoint=0x600, max_codepoint=0x6FF), st.integers(0, 400))
def test_a_text_with_arabic_is_unchanged(text, arabic, at):
    mixed = text[:at] + arabic + text[at:]
    assert simplified(mixed) == mixed


# What it would save


def message(text):
    lang = language(text)
    return Message(text, lang, parts(text, lang))


def test_the_saving_counts_credits_and_names_the_characters():
    saving = find_saving([(message(LONG), 1200)])
    assert saving.credits == 1200
    assert saving.characters == ("– (U+2013)", "’ (U+2019)")
    assert str(saving) == "simplify_text=True would save 1,200 credits: – (U+2013), ’ (U+2019)"


def test_invisible_characters_are_shown_by_name():
    text = f"It\u00a0is due,\u200b cafe\u0301 {'x' * 60}"
    assert find_saving([(message(text), 1)]).characters == (
        "NO-BREAK SPACE (U+00A0)",
        "COMBINING ACUTE ACCENT (U+0301)",
        "ZERO WIDTH SPACE (U+200B)",
    )


@pytest.mark.parametrize("text", ["It’s", "Dear علي, it’s due" * 9, f"{LONG}😀", "x" * 200, "…" * 70])
def test_no_saving_is_reported_if_nothing_would_be_saved(text):
    assert find_saving([(message(text), 5)]) is None


@given(st.lists(st.tuples(texts.filter(lambda text: not is_blank(text)), st.integers(1, 9)), max_size=5))
def test_the_saving_equals_the_parts_that_simplifying_saves(cases):
    saving = find_saving([(message(text), count) for text, count in cases if language(text) is Lang.ARABIC])
    before = sum(message(text).parts * count for text, count in cases)
    after = sum(message(simplified(text)).parts * count for text, count in cases)
    assert (saving.credits if saving else 0) == before - after


@given(st.lists(texts, max_size=8), st.booleans())
def test_the_saving_of_a_plan_equals_the_difference_to_its_simplified_plan(found, deduplicate):
    table = columns_of(list(zip(numbers(len(found)), found, strict=True)))
    make = {"message": None, "message_column": "text", "deduplicate": deduplicate}
    # a text that is too long, and valid only when simplified, saves nothing
    table["text"] = [text if parts(text, language(text)) <= 5 else "x" for text in found]
    off, on = plan_of(table, **make), plan_of(table, simplify_text=True, **make)
    saving = find_saving(off.long_arabic)
    assert (saving.credits if saving else 0) == off.parts - on.parts
    assert find_saving(on.long_arabic) is None


# Planning


def told(planned):
    return [
        (group.message.text, int(group.message.lang), group.message.parts, list(group.msisdns))
        for group in planned.groups
    ]


A, B, C = numbers(3)


def test_texts_are_unchanged_without_the_option():
    assert told(plan_of([A], "It’s")) == [("It’s", 64, 1, [A])]


def test_a_shared_text_is_simplified():
    assert told(plan_of([A, B], "It’s", simplify_text=True)) == [("It's", 0, 1, [A, B])]


def test_a_template_is_simplified_after_inserting_values():
    people = {"msisdn": [A, B, C], "name": ["O’Neill", "علي", "Zoe"]}
    assert told(plan_of(people, "Dear {name} – hello", simplify_text=True)) == [
        ("Dear O'Neill - hello", 0, 1, [A]),
        ("Dear علي – hello", 64, 1, [B]),
        ("Dear Zoe - hello", 0, 1, [C]),
    ]


def test_personal_texts_are_simplified_before_they_are_compared():
    rows = {"msisdn": [A, A, B], "text": ["It’s", "It's", None]}
    planned = plan_of(rows, None, message_column="text", simplify_text=True)
    assert told(planned) == [("It's", 0, 1, [A])]
    assert [outcome.value for outcome in map(planned.outcomes.__getitem__, range(3))] == [
        "not_attempted",
        "duplicate",
        "invalid",
    ]


def test_texts_are_unchanged_if_arabic_is_forced():
    assert told(plan_of([A], "It’s", simplify_text=True, lang=LangChoice.ARABIC)) == [("It’s", 64, 1, [A])]


def test_with_forced_english_a_text_that_fits_when_simplified_is_valid():
    english = {"lang": LangChoice.ENGLISH}
    with pytest.raises(InputError, match="U\\+2019"):
        plan_of([A], "It’s", **english)
    assert told(plan_of([A], "It’s", simplify_text=True, **english)) == [("It's", 0, 1, [A])]
    with pytest.raises(InputError, match="U\\+0639"):
        plan_of([A], "علي", simplify_text=True, **english)
    people = {"msisdn": [A, B], "name": ["O’Neill", "علي"]}
    assert told(plan_of(people, "{name}", simplify_text=True, **english)) == [("O'Neill", 0, 1, [A])]


def test_a_text_that_is_short_enough_when_simplified_is_valid():
    text = "It’s " * 80
    with pytest.raises(InputError, match="6 parts"):
        plan_of([A], text)
    assert told(plan_of([A], text, simplify_text=True)) == [("It's " * 80, 0, 3, [A])]


def test_the_template_of_each_language_is_simplified():
    people = {"msisdn": [A, B], "lang": ["en", "ar"], "name": ["O’Neill", "علي"]}
    templates = {"en": "Dear {name} – hello", "ar": "مرحبا – {name}"}
    planned = plan_of(people, templates, language_column="lang", simplify_text=True)
    assert told(planned) == [("Dear O'Neill - hello", 0, 1, [A]), ("مرحبا – علي", 64, 1, [B])]
