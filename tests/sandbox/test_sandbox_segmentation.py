import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_ismart.sandbox.segmentation import Lang, as_shown, count_parts, segments

#: Gateway document, table of lengths.
DOCUMENTED = {Lang.ENGLISH: [160, 306, 459, 612, 765], Lang.ARABIC: [70, 134, 201, 268, 335]}
CHARACTER = {Lang.ENGLISH: "a", Lang.ARABIC: "\u0633"}
WIDE = {Lang.ENGLISH: "€", Lang.ARABIC: "\U0001f600"}


@pytest.mark.parametrize("lang", Lang)
@pytest.mark.parametrize("parts", [1, 2, 3, 4, 5])
def test_the_longest_texts_by_parts_match_the_document(lang, parts):
    longest = DOCUMENTED[lang][parts - 1]
    assert count_parts(CHARACTER[lang] * longest, lang) == parts
    assert count_parts(CHARACTER[lang] * (longest + 1), lang) == parts + 1


@pytest.mark.parametrize("char", "^{}\\[~]|€\f")
def test_an_extension_character_counts_as_two(char):
    assert count_parts(char * 80, Lang.ENGLISH) == 1
    assert count_parts(char * 80 + "a", Lang.ENGLISH) == 2


def test_an_extension_character_is_not_split_across_parts():
    assert count_parts("a" * 152 + "€" + "a" * 152, Lang.ENGLISH) == 3  # though 306 septets


def test_a_surrogate_pair_is_not_split_across_parts():
    assert count_parts("س" * 66 + "😀" + "س" * 66, Lang.ARABIC) == 3  # though 134 code units


def test_a_text_of_one_part_is_not_split():
    assert count_parts("a" * 152 + "€" + "a" * 6, Lang.ENGLISH) == 1


def test_an_empty_text_is_one_part():
    assert count_parts("", Lang.ENGLISH) == 1


def test_characters_outside_gsm7_are_shown_as_question_marks():
    assert as_shown("a±س😀`é€", Lang.ENGLISH) == "a????é€"


def test_arabic_shows_every_character():
    assert as_shown("a±س😀`é€", Lang.ARABIC) == "a±س😀`é€"


def fewest_parts(widths, single, joined):
    """Try every way to split the text between its characters, and return the fewest parts."""
    if sum(widths) <= single:
        return 1
    best = [0]
    for end in range(1, len(widths) + 1):
        room, options = joined, []
        for start in range(end - 1, -1, -1):
            room -= widths[start]
            if room < 0:
                break
            options.append(best[start] + 1)
        best.append(min(options))
    return best[-1]


@st.composite
def texts(draw):
    lang = draw(st.sampled_from(Lang))
    runs = st.tuples(st.sampled_from([CHARACTER[lang], WIDE[lang]]), st.integers(0, 160))
    text = "".join(char * count for char, count in draw(st.lists(runs, max_size=8)))
    return lang, text


@settings(max_examples=settings.default.max_examples * 3 // 5)
@given(texts())
def test_no_other_split_has_fewer_parts(case):
    lang, text = case
    widths = [2 if char == WIDE[lang] else 1 for char in text]
    single, joined = (160, 153) if lang is Lang.ENGLISH else (70, 67)
    assert count_parts(text, lang) == fewest_parts(widths, single, joined)


@given(st.sampled_from(Lang), st.text(alphabet="aس€^\U0001f600 ", max_size=400))
def test_joined_segments_are_the_text_and_their_count_is_its_parts(lang, text):
    assert "".join(segments(text, lang)) == text
    assert len(segments(text, lang)) == count_parts(text, lang)


def test_a_segment_ends_before_a_character_that_does_not_fit():
    assert segments("a" * 152 + "€" + "b" * 152, Lang.ENGLISH) == ["a" * 152, "€" + "b" * 151, "b"]
