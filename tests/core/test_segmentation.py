import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.segmentation import (
    GSM7_BASIC,
    GSM7_EXTENSION,
    Lang,
    are_one_english_part,
    first_not_gsm7,
    is_blank,
    is_encodable,
    language,
    parts,
    shorten,
)
from tests.core.strategies import any_texts, gsm7_texts

#: Gateway document, "Length": what 1 to 5 parts hold.
LENGTHS = {Lang.ENGLISH: (160, 306, 459, 612, 765), Lang.ARABIC: (70, 134, 201, 268, 335)}
LETTERS = {Lang.ENGLISH: "a", Lang.ARABIC: "ا"}


@pytest.mark.parametrize("lang", Lang)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_text_has_the_documented_number_of_parts(lang, count):
    longest = LENGTHS[lang][count - 1]
    assert parts(LETTERS[lang] * longest, lang) == count
    assert parts(LETTERS[lang] * (longest + 1), lang) == count + 1


@pytest.mark.parametrize("lang", Lang)
def test_an_empty_text_has_no_parts(lang):
    assert parts("", lang) == 0


def test_the_gsm_7_alphabet_has_128_characters():
    assert len(set(GSM7_BASIC)) == 127  # and the escape
    assert len(set(GSM7_EXTENSION)) == 10
    assert not set(GSM7_BASIC) & set(GSM7_EXTENSION)


@pytest.mark.parametrize("char", list("@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà^{}\\[~]|€\n\r\f"))
def test_gsm_7_characters_are_sent_as_english(char):
    assert language(f"a{char}") is Lang.ENGLISH
    assert first_not_gsm7(f"a{char}") is None


@pytest.mark.parametrize("char", list("`ç’\u00a0\t“–…áÁâ\u200fا😀\x1b\x00"))
def test_other_characters_are_sent_as_arabic(char):
    assert language(f"a{char}") is Lang.ARABIC
    assert first_not_gsm7(f"a{char}b`") == char


@pytest.mark.parametrize("char", GSM7_EXTENSION)
def test_an_extension_character_counts_as_two(char):
    assert parts(char * 80, Lang.ENGLISH) == 1
    assert parts(char * 80 + "a", Lang.ENGLISH) == 2


def test_an_emoji_counts_as_two():
    assert parts("😀" * 35, Lang.ARABIC) == 1
    assert parts("😀" * 35 + "ا", Lang.ARABIC) == 2


def test_a_two_unit_character_is_not_split():
    assert parts("a" * 152 + "€" + "a" * 152, Lang.ENGLISH) == 3  # 306 septets, which else fit into two
    assert parts("ا" * 66 + "😀" + "ا" * 66, Lang.ARABIC) == 3  # 134 code units, which else fit into two
    assert parts("a" * 151 + "€" + "a" * 153, Lang.ENGLISH) == 2


def test_half_a_surrogate_pair_cannot_be_sent():
    assert not is_encodable("a\ud83d")
    assert is_encodable("a😀")


def _packed_one_by_one(text, lang):
    """Count the parts of a text by filling them character by character."""
    single, several = (160, 153) if lang is Lang.ENGLISH else (70, 67)
    sizes = [2 if (char in GSM7_EXTENSION if lang is Lang.ENGLISH else ord(char) > 0xFFFF) else 1 for char in text]
    if sum(sizes) <= single:
        return bool(sizes)
    count, room = 1, several
    for size in sizes:
        if size > room:
            count, room = count + 1, several
        room -= size
    return count


# Long runs with the characters of two places where parts meet.
_near_boundaries = st.lists(
    st.tuples(st.integers(60, 160), st.sampled_from(["€", "😀", "€€", "a😀", ""])), max_size=6
).map(lambda runs: "".join("a" * length + tail for length, tail in runs))


@given(st.one_of(gsm7_texts, _near_boundaries))
def test_parts_of_an_english_text_match_a_naive_packer(text):
    assert parts(text, Lang.ENGLISH) == _packed_one_by_one(text, Lang.ENGLISH)


@given(st.one_of(any_texts, _near_boundaries))
def test_parts_of_an_arabic_text_match_a_naive_packer(text):
    assert parts(text, Lang.ARABIC) == _packed_one_by_one(text, Lang.ARABIC)


@given(any_texts)
def test_the_language_is_arabic_only_if_necessary(text):
    foreign = [char for char in text if char not in GSM7_BASIC + GSM7_EXTENSION]
    assert language(text) is (Lang.ARABIC if foreign else Lang.ENGLISH)
    assert first_not_gsm7(text) == (foreign[0] if foreign else None)


@given(st.one_of(any_texts, gsm7_texts), st.integers(0, 800))
def test_a_longer_text_never_has_fewer_parts(text, length):
    lang = language(text)
    assert parts(text[:length], lang) <= parts(text, lang)


# --- shortening

_graphemes = ["e\u0301", "👩🏽", "👩\u200d🚒", "❤\ufe0f", "كُ"]
_alerts = st.one_of(
    any_texts,
    gsm7_texts,
    _near_boundaries,
    st.lists(st.sampled_from([*_graphemes, "a", "€", "ا", " "]), max_size=200).map("".join),
)
_tails = st.sampled_from(["", " (+499 suppressed)"])


@given(_alerts, st.integers(1, 5), _tails)
def test_a_shortened_text_never_exceeds_the_allowed_parts(text, max_parts, tail):
    short = shorten(text, max_parts, tail=tail)
    assert parts(short, language(short)) <= max_parts
    assert is_encodable(short)


@given(_alerts, st.integers(1, 5), _tails)
def test_a_text_that_fits_is_unchanged_and_a_cut_text_ends_with_an_ellipsis(text, max_parts, tail):
    short, whole = shorten(text, max_parts, tail=tail), text + tail
    if parts(whole, language(whole)) <= max_parts:
        assert short == whole
    else:
        beginning = short.removesuffix(tail)
        ellipsis = "…" if language(short) is Lang.ARABIC else "..."
        assert beginning.endswith(ellipsis)
        assert text.startswith(beginning.removesuffix(ellipsis))


@given(st.lists(st.sampled_from([*_graphemes, "a", "ا"]), min_size=20, max_size=200), st.integers(1, 5))
def test_a_text_is_cut_between_visible_characters(characters, max_parts):
    beginning = shorten("".join(characters), max_parts).removesuffix("…").removesuffix("...")
    seen = ["".join(characters[:count]) for count in range(len(characters) + 1)]
    assert beginning in seen


@given(st.text(st.sampled_from("a€ا😀"), max_size=400), st.integers(1, 2))
def test_a_text_is_cut_as_late_as_possible_in_either_language(text, max_parts):
    short = shorten(text, max_parts)
    if short != text:
        kept = len(short.removesuffix("…").removesuffix("..."))
        one_more = text[: kept + 1]
        assert parts(one_more + "…", Lang.ARABIC) > max_parts
        assert language(one_more) is Lang.ARABIC or parts(one_more + "...", Lang.ENGLISH) > max_parts


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("a" * 161, "a" * 157 + "..."),
        ("€" * 81, "€" * 78 + "..."),
        ("ا" * 71, "ا" * 69 + "…"),
        ("😀" * 36, "😀" * 34 + "…"),
        ("a" * 120 + "😀" + "a" * 40, "a" * 120 + "..."),  # longer in English than in Arabic
        ("😀" + "a" * 100, "😀" + "a" * 67 + "…"),
        ("a" * 68 + "e\u0301" + "a" * 100, "a" * 68 + "..."),  # an accent stays with its letter
        ("word " * 40, ("word " * 32)[:157].rstrip() + "..."),
    ],
)
def test_a_text_is_shortened_to_one_part(text, short):
    assert shorten(text, 1) == short
    assert parts(short, language(short)) == 1


#: Unicode's Default_Ignorable_Code_Point at its borders, white space, controls, and empty glyphs.
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180e\u180f\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060\u2064"
    "\u206f\u3164\ufe00\ufe0f\ufeff\uffa0\ufff0\ufff8\U0001bca0\U0001bca3\U0001d173\U0001d17a\U000e0001\U000e0020\U000e0fff"
    "\u2800\u0000\u007f\u0085\u00a0\u1680\u2003\u2028\u2029\u3000\t\n\r\f\x1b\U00013441\U00013442\U00016fe4\U0001d159"
)


@pytest.mark.parametrize("char", INVISIBLE, ids=ascii)
def test_a_text_of_invisible_characters_is_blank(char):
    assert is_blank(char)
    assert is_blank(f" {char}{char}\n")
    assert not is_blank(f"{char}a")
    assert not is_blank(f"\u0639{char}")
    assert not are_one_english_part(["a", char])


@pytest.mark.parametrize("char", "a7.\u0639\u20ac\u00d7\u0600\u06dd\u0301\ud83d\U0001f44d\ue000\u25a1", ids=ascii)
def test_a_text_with_a_visible_character_is_not_blank(char):
    assert not is_blank(char)


def test_a_text_of_white_space_and_controls_is_blank():
    assert is_blank("")


@given(st.text(max_size=3))
def test_no_blank_text_counts_as_one_english_part(text):
    assert not (are_one_english_part([text]) and is_blank(text))
