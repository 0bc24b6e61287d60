from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.message import InvalidTextError, LangChoice, Message, compose
from airflow_provider_ismart.core.schedule import PUSH_AT_FORMAT, read_push_at
from airflow_provider_ismart.core.segmentation import Lang, parts
from airflow_provider_ismart.core.template import Template
from tests.core.strategies import any_texts, gsm7_texts

MUSCAT = ZoneInfo("Asia/Muscat")


def written_time(push_at, timezone):
    return read_push_at(push_at, timezone).strftime(PUSH_AT_FORMAT)


def fill(template, **values):
    made = Template(template)
    return made.fill([values[name] for name in made.columns])


# Languages


@pytest.mark.parametrize(
    ("lang", "choice"),
    [
        ("auto", LangChoice.AUTO),
        ("AUTO", LangChoice.AUTO),
        ("english", LangChoice.ENGLISH),
        ("Arabic", LangChoice.ARABIC),
        (0, LangChoice.ENGLISH),
        (64, LangChoice.ARABIC),
        ("0", LangChoice.ENGLISH),
        (" 64 ", LangChoice.ARABIC),
        (Lang.ARABIC, LangChoice.ARABIC),
    ],
)
def test_a_language_can_be_a_name_or_the_gateways_number(lang, choice):
    assert LangChoice.of(lang) is choice


@pytest.mark.parametrize("lang", ["", "en", "1", 1, 8, True, None, [], 0.5])
def test_any_other_language_is_refused(lang):
    with pytest.raises(InputError, match="it must be 'auto', 'english', 'arabic', 0 or 64"):
        LangChoice.of(lang)


# Messages


def test_a_message_has_a_language_and_parts():
    assert compose("Hello", LangChoice.AUTO, 5) == Message(text="Hello", lang=Lang.ENGLISH, parts=1)
    assert compose("ا" * 71, LangChoice.AUTO, 5) == Message(text="ا" * 71, lang=Lang.ARABIC, parts=2)
    assert compose("Hello", LangChoice.ARABIC, 5) == Message(text="Hello", lang=Lang.ARABIC, parts=1)


@pytest.mark.parametrize(
    ("text", "lang", "max_parts", "why"),
    [
        ("", "auto", 5, "the text is blank"),
        (" \n\u2003", "auto", 5, "the text is blank"),
        ("\u200b\u200f \u2060", "auto", 5, "the text is blank"),
        ("\u3164", "arabic", 5, "the text is blank"),
        ("a\ud83d", "auto", 5, "half a character"),
        ("a\ud83d", "english", 5, "half a character"),
        ("فاتورتك", "english", 5, "lang is english, but the text has U+0641, which needs lang 64"),
        ("a`b", "english", 5, "U+0060"),
        ("a" * 766, "auto", 5, "the text has 6 parts, but max_parts is 5"),
        ("ا" * 336, "auto", 5, "the text has 6 parts, but max_parts is 5"),
        ("a" * 161, "auto", 1, "the text has 2 parts, but max_parts is 1"),
        ("a" * 71, "arabic", 1, "the text has 2 parts, but max_parts is 1"),
    ],
)
def test_unsendable_texts_are_refused_with_a_reason(text, lang, max_parts, why):
    with pytest.raises(InvalidTextError) as caught:
        compose(text, LangChoice.of(lang), max_parts)
    assert why in str(caught.value)


@given(st.one_of(any_texts, gsm7_texts), st.sampled_from(LangChoice), st.integers(1, 5))
def test_a_message_keeps_its_text_and_its_limit(text, choice, max_parts):
    try:
        message = compose(text, choice, max_parts)
    except InvalidTextError:
        return
    assert message.text == text
    assert message.parts == parts(text, message.lang) <= max_parts
    assert choice is LangChoice.AUTO or message.lang is Lang[choice.name]


def test_a_digest_distinguishes_texts_without_showing_them():
    hello, again, other = (compose(text, LangChoice.AUTO, 5) for text in ("Hello", "Hello", "Hello!"))
    assert hello.digest == again.digest != other.digest
    assert compose("Hello", LangChoice.ARABIC, 5).digest == hello.digest
    assert len(hello.digest) == 12
    assert "Hello" not in hello.digest


# Templates


@pytest.mark.parametrize(
    ("template", "values", "text"),
    [
        ("Hello", {}, "Hello"),
        ("Dear {name}", {"name": "Ali"}, "Dear Ali"),
        ("{a}{b}{a}", {"a": 1, "b": 2}, "121"),
        ("{due:.3f} OMR", {"due": 1.5}, "1.500 OMR"),
        ("{due:,.2f}", {"due": Decimal(1234)}, "1,234.00"),
        ("{due:>6}|", {"due": "x"}, "     x|"),
        ("{on:%d/%m/%Y}", {"on": date(2030, 1, 31)}, "31/01/2030"),
        ("{on:%H:%M}", {"on": pd.Timestamp("2030-01-31 14:30")}, "14:30"),
        ("{{{name}}} {{}}", {"name": "Ali"}, "{Ali} {}"),
        ("{name}", {"name": "{other} {0}"}, "{other} {0}"),
        ("عزيزي {الاسم}", {"الاسم": "علي"}, "عزيزي علي"),
        ("{first name}", {"first name": "Ali"}, "Ali"),
        ("{0} {10}", {"0": "a", "10": "b"}, "a b"),
        ("{class}{amount (OMR)}", {"class": 1, "amount (OMR)": 2}, "12"),
        ("{ok}", {"ok": False}, "False"),
        ("{text}", {"text": ""}, ""),
    ],
)
def test_placeholders_insert_the_rows_values(template, values, text):
    assert fill(template, **values) == text


def test_a_template_names_its_columns_once_and_in_order():
    assert Template("{b} {a} {b:>3}").columns == ("b", "a")
    assert Template("{{a}}").columns == ()


def test_a_templates_literal_is_its_text_without_placeholders():
    assert Template("{{Dear}} {name}!").literal == "{Dear} !"


@pytest.mark.parametrize(
    "template",
    [
        "{name.__class__}",
        "{name[0]}",
        "{name!r}",
        "{name!s:>5}",
        "{name:{width}}",
        "{name:>{width}}",
        "{a.b}",
    ],
)
def test_placeholders_cannot_access_attributes_or_items(template):
    with pytest.raises(InputError, match="a placeholder can have a column name and a format spec"):
        Template(template)


@pytest.mark.parametrize("template", ["{}", "{ }", "{:>5}", "Dear {}"])
def test_a_placeholder_needs_a_name(template):
    with pytest.raises(InputError, match="without a column name"):
        Template(template)


@pytest.mark.parametrize("template", ["{", "}", "{name", "name}", "{name}}", "{name!}"])
def test_an_unmatched_brace_is_refused(template):
    with pytest.raises(InputError, match="message is not a valid template"):
        Template(template)


@pytest.mark.parametrize("nothing", [None, float("nan"), pd.NA, pd.NaT, Decimal("NaN")], ids=repr)
def test_missing_values_are_never_inserted(nothing):
    with pytest.raises(InvalidTextError, match=r"^no value for \{name\}, \{due\}$"):
        fill("{name} {on} {due}", name=nothing, on="x", due=nothing)


@pytest.mark.parametrize("value", [b"Ali", bytearray(b"Ali"), memoryview(b"Ali"), np.bytes_(b"Ali")], ids=type)
def test_nobody_reads_how_python_prints_bytes(value):
    with pytest.raises(InvalidTextError, match=r"^\{name\} has bytes, not text$"):
        fill("{name} {on}", name=value, on="x")


@pytest.mark.parametrize(
    ("template", "value"),
    [("{a:.2f}", "x"), ("{a:d}", 1.5), ("{a:%Y}", 5), ("{a:>5}", [1]), ("{a:.2f}", 10**400), ("{a:c}", -1)],
)
def test_an_error_names_a_value_that_does_not_fit_its_format_without_showing_it(template, value):
    with pytest.raises(InvalidTextError, match=r"^a value of \{a\} does not fit its format$"):
        fill(template, a=value)


@given(st.text(), st.text())
def test_text_without_placeholders_is_unchanged(before, value):
    escaped = before.replace("{", "{{").replace("}", "}}")
    assert Template(escaped).fill(()) == before
    assert fill(escaped + "{a}", a=value) == before + value


# Schedules


@pytest.mark.parametrize(
    ("push_at", "written"),
    [
        (datetime(2030, 1, 31, 14, 30), "01/31/2030 14:30:00"),
        (datetime(2030, 1, 31, 14, 30, tzinfo=UTC), "01/31/2030 18:30:00"),
        (datetime(2030, 1, 31, 22, 30, tzinfo=UTC), "02/01/2030 02:30:00"),
        (datetime(2030, 2, 1, 0, 0, 9, tzinfo=MUSCAT), "02/01/2030 00:00:09"),
        (datetime(2030, 7, 1, 9, tzinfo=ZoneInfo("America/New_York")), "07/01/2030 17:00:00"),
        ("2030-01-31T14:30", "01/31/2030 14:30:00"),
        ("2030-01-31 14:30:15", "01/31/2030 14:30:15"),
        (" 2030-01-31T14:30:00+00:00 ", "01/31/2030 18:30:00"),
        ("2030-01-31T14:30:00Z", "01/31/2030 18:30:00"),
        ("2030-02-01", "02/01/2030 00:00:00"),
        (pd.Timestamp("2030-01-31 14:30"), "01/31/2030 14:30:00"),
    ],
)
def test_a_time_is_written_in_the_documents_format_in_the_time_zone(push_at, written):
    assert written_time(push_at, MUSCAT) == written


def test_no_push_at_means_immediately():
    assert read_push_at(None, MUSCAT) is None


def test_another_time_zone_gives_another_time():
    assert written_time("2030-07-01T00:00Z", ZoneInfo("Europe/Berlin")) == "07/01/2030 02:00:00"
    assert written_time("2030-07-01T00:00", ZoneInfo("Europe/Berlin")) == "07/01/2030 00:00:00"


@pytest.mark.parametrize("push_at", ["", "tomorrow", "None", "03/04/2030 07:30:00", "2030-02-30"])
def test_an_unreadable_time_is_refused_with_an_example(push_at):
    with pytest.raises(InputError, match="write it as ISO 8601, such as 2030-01-31T14:30"):
        written_time(push_at, MUSCAT)


@pytest.mark.parametrize("push_at", [5, date(2030, 2, 1), timedelta(hours=1), b"2030-02-01"])
def test_a_value_that_is_not_a_time_is_refused(push_at):
    with pytest.raises(InputError, match="it must be a datetime or ISO 8601 text"):
        written_time(push_at, MUSCAT)


def test_a_time_outside_the_calendar_is_refused():
    with pytest.raises(InputError, match="not in the calendar"):
        written_time("9999-12-31T23:59:59Z", MUSCAT)


zones = st.sampled_from([UTC, MUSCAT, ZoneInfo("America/St_Johns"), ZoneInfo("Pacific/Kiritimati")])


@given(st.datetimes(datetime(2031, 1, 1), datetime(2100, 1, 1), timezones=zones))
def test_a_written_time_can_be_read_back(push_at):
    written = written_time(push_at, MUSCAT)
    read_back = datetime.strptime(written, "%m/%d/%Y %H:%M:%S").replace(tzinfo=MUSCAT)
    assert (
        read_back.timestamp() == push_at.replace(microsecond=0).timestamp()
    )  # also at an hour that a clock skips
