"""Test that invalid input is found before anything is sent, and named in the error."""

import json
import re
import warnings
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import numpy
import pandas
import polars
import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)

from airflow_provider_ismart.exceptions import ISmartInputError, ISmartSourceError

AIRFLOW_VERSION = tuple(int(number) for number in version("apache-airflow").split(".")[:2])

ROW = {"msisdn": "96890000001", "name": "Ali", "balance": 25.5}
FRAME = pandas.DataFrame([ROW])


@pytest.mark.parametrize(
    ("recipients", "options", "named"),
    [
        (FRAME, {"recipient_column": "mobile"}, "mobile"),
        ([ROW], {"recipient_column": "mobile"}, "mobile"),
        (FRAME, {"message": "Dear {nmae}"}, "nmae"),
        (["96890000001"], {"message": "Dear {name}"}, "name"),
        (FRAME, {"message": None, "message_column": "text"}, "text"),
        (FRAME, {"message": "Dear {name.__class__}"}, "attribute"),
        (FRAME, {"message": "Dear {name[0]}"}, "index"),
        (FRAME, {"message": "Dear {name!r}"}, "conversion"),
        (FRAME, {"message": "Dear {name:{balance}}"}, "nested"),
        (FRAME, {"message": "Dear {}"}, "placeholder"),
        (FRAME, {"message": "Dear {name"}, "template"),
        (FRAME, {"message": "100 } off"}, "template"),
        (ROW, {"message": ""}, "blank"),
        (ROW, {"message": " \n\t"}, "blank"),
        (ROW, {"message": "\ud83d"}, "surrogate"),
        (ROW, {"message": "a" * 766}, "6 parts"),
        (ROW, {"message": "ا" * 336}, "6 parts"),
        (ROW, {"message": "a" * 161, "max_parts": 1}, "2 parts"),
        (ROW, {"message": "مرحبا", "lang": "english"}, "english"),
        (ROW, {"message": "مرحبا", "lang": 0}, "english"),
        (ROW, {"message": None}, "message"),
        (ROW, {"message": "Hello", "message_column": "name"}, "message_column"),
        (ROW, {"message": 5}, "message"),
        (ROW, {"message": {"en": "Hello"}}, "language_column"),
        (ROW, {"language_column": "name"}, "language_column"),
        (FRAME, {"message": {"en": "Hello"}, "language_column": "lang"}, "language_column is 'lang'"),
        (ROW, {"message": {}, "language_column": "name"}, "message is an empty dict"),
        (ROW, {"message": {"fr": "Bonjour"}, "language_column": "name"}, "a key of message is 'fr'"),
        (ROW, {"message": {"en": "a", "EN": "b"}, "language_column": "name"}, "'en' and 'EN'"),
        (ROW, {"message": {"en": "Hello", "ar": " "}, "language_column": "name"}, r"message\['ar'\] is blank"),
        (ROW, {"message": {"default": "{nmae}"}, "language_column": "name"}, r"message\['default'\] .*nmae"),
        (ROW, {"message": {"ar": "ا" * 336}, "language_column": "name"}, r"message\['ar'\].*6 parts"),
        (
            ROW,
            {"message": {"ar": "مرحبا"}, "language_column": "name", "lang": "english"},
            r"message\['ar'\].*english",
        ),
        (ROW, {"push_at": "2020-01-01T00:00"}, "passed"),
        (ROW, {"push_at": datetime.now(UTC) - timedelta(seconds=1)}, "passed"),
        (ROW, {"push_at": "tomorrow"}, "push_at"),
        (ROW, {"push_at": "01/31/2090 14:30:00"}, "push_at"),
        (ROW, {"push_at": 1893456000}, "push_at"),
        (FRAME.assign(msisdn=numpy.float32(96890000001)), {}, "float32"),
        ({"msisdn": numpy.array([96890000001], dtype="float32")}, {}, "float32"),
        (pandas.Series([96890000001], dtype="float32"), {}, "float32"),
        (polars.DataFrame({"msisdn": [96890000001]}, schema={"msisdn": polars.Float32}), {}, "Float32"),
        (ROW, {"batch_size": 51}, "batch_size"),
        (ROW, {"batch_size": 0}, "batch_size"),
        (ROW, {"batch_size": True}, "batch_size"),
        (ROW, {"batch_size": "50"}, "batch_size"),
        (ROW, {"max_parts": 0}, "max_parts"),
        (ROW, {"max_parts": 6}, "max_parts"),
        (ROW, {"lang": "french"}, "lang"),
        (ROW, {"lang": 1}, "lang"),
        (ROW, {"lang": None}, "lang"),
        (ROW, {"on_empty": "ignore"}, "on_empty"),
        (ROW, {"on_invalid": None}, "on_invalid"),
        (ROW, {"on_refused": "retry"}, "on_refused"),
        (ROW, {"on_uncertain": "yes"}, "on_uncertain"),
        (ROW, {"flash": "yes"}, "flash"),
        (ROW, {"deduplicate": None}, "deduplicate"),
        (ROW, {"simplify_text": "yes"}, "simplify_text"),
        (ROW, {"simplify_text": None}, "simplify_text"),
        (ROW, {"message": "Dear علي, it’s due", "lang": "english", "simplify_text": True}, "english"),
        (ROW, {"dry_run": "no"}, "dry_run"),
        (ROW, {"results_path": "results.xlsx"}, "results_path"),
        (ROW, {"results_path": "nowhere://bucket/results.csv"}, "results_path"),
        (ROW, {"results_path": "/proc/no/results.csv"}, "results_path"),
        (ROW, {"results_path": 5}, "results_path"),
        (ROW, {"idempotency_key": 5}, "idempotency_key"),
        (ROW, {"idempotency_key": b"bills"}, "idempotency_key"),
        (ROW, {"ledger_conn_id": 0}, "ledger_conn_id"),
        (ROW, {"ledger_conn_id": ""}, "ledger_conn_id"),
        (ROW, {"ismart_conn_id": None}, "ismart_conn_id"),
        (ROW, {"ismart_conn_id": 5}, "ismart_conn_id"),
        (ROW, {"push_at": ["2090-01-31"]}, "push_at"),
        (ROW, {"max_credits": -1}, "max_credits"),
        (ROW, {"max_credits": 1.5}, "max_credits"),
        (ROW, {"max_credits": "many"}, "max_credits"),
        (ROW, {"max_credits": 0}, "max_credits is 0, .* cost 1 credit for 1 recipient"),
        (ROW, {"exclude": ["96890000002", "nobody"]}, "1 of 2 entries in exclude is not .*entry 2: has letters"),
        (ROW, {"exclude": object()}, "exclude: .*object"),
        (ROW, {"exclude": b"96890000002"}, "exclude: .*bytes"),
        (ROW, {"exclude": [Path("opt-outs.csv"), "96890000002"]}, "exclude mixes paths"),
        (ROW, {"exclude": pandas.DataFrame({"a": [1], "b": [2]})}, "exclude: it needs a column 'msisdn'"),
        (None, {}, "None"),
        (b"96890000001", {}, "bytes"),
        (object(), {}, "object"),
        ([ROW, "96890000001"], {}, "mixes"),
        ([("96890000001", "Ali")], {}, "column names"),
        ({"msisdn": ["96890000001"], "name": ["Ali", "Zoe"]}, {}, "different lengths"),
        ("[{'msisdn': ", {}, "list"),
        (pandas.DataFrame([["96890000001", "96890000002"]], columns=["msisdn", "msisdn"]), {}, "msisdn"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else type(value).__name__,
)
def test_bad_input_ends_the_task_before_anything_is_sent(recipients, options, named, send, ismart_sandbox):
    with pytest.raises(ISmartInputError, match=named) as error:
        send(recipients, **options)
    assert isinstance(error.value, AirflowFailException)  # trying again cannot help
    assert re.search("Nothing was sent|This send made no call|No call was made", str(error.value))
    assert not ismart_sandbox.calls


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"host": "http://gateway.invalid"}, "plain http"),
        ({"extra": {"read_timeout": 0}}, "read_timeout"),
        ({"extra": {"allowed_numbers": []}}, "allowed_numbers.*has no number"),
        ({"extra": {"allowed_numbers": " , "}}, "allowed_numbers.*has no number"),
        ({"extra": {"allowed_numbers": "[]"}}, "allowed_numbers.*has no number"),
        ({"extra": {"allowed_numbers": "['90000001']"}}, "allowed_numbers.*starts like a JSON list, but is none"),
        ({"extra": {"allowed_numbers": 96890000001}}, "allowed_numbers.*text or a list"),
        ({"extra": {"allowed_numbers": {"a": 1}}}, "allowed_numbers.*text or a list"),
        ({"extra": {"allowed_numbers": "90000001, 9000"}}, "allowed_numbers.*entry 2 is .*too short"),
        ({"extra": {"allowed_numbers": ["90000001", None]}}, "allowed_numbers.*entry 2 is .*empty"),
        ({"login": None}, "login"),
        ({"login": "a\nb"}, "login.* control character"),
        ({"password": "opens-nothing\n"}, "password ends with a line break"),
        ({"password": "opens-nothing\r\n"}, "password ends with a line break"),
        ({"password": "opens\x00nothing"}, "password contains .* control character"),
        ({"password": "\ufeffopens-nothing"}, "password contains .* invisible"),
        ({"login": "not-a-user\u200f"}, "login.* contains .* invisible"),
        ({"login": " "}, "needs login"),
        ({"password": "  "}, "needs login"),
        ({"extra": {"ledger_conn_id": "  "}}, "ledger_conn_id.* id of a connection"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_bad_connection_ends_the_task(fields, named, dry_run, send, ismart_default, ismart_sandbox):
    ismart_default(**fields)
    with pytest.raises(ISmartInputError, match=named):
        send(ROW, dry_run=dry_run)
    assert not ismart_sandbox.calls


@pytest.mark.parametrize("as_uri", [False, True], ids=["json", "uri"])
@pytest.mark.parametrize("extra", ['"{}"', "[1]", "null", "5", "{oops", "ca_bundle=x"])
def test_an_extra_that_is_not_a_json_object_is_an_error(
    extra, as_uri, send, ismart_default, ismart_sandbox, monkeypatch
):
    described = {"conn_type": "ismart", "login": "not-a-user", "password": "not-a-password", "extra": extra}
    uri = f"ismart://not-a-user:not-a-password@/?__extra__={quote(extra)}"
    monkeypatch.setenv("AIRFLOW_CONN_ISMART_DEFAULT", uri if as_uri else json.dumps(described))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow 2.11 warns of it, too
        with pytest.raises(AirflowException) as caught:
            send(ROW)
    assert not ismart_sandbox.calls
    if AIRFLOW_VERSION in {(3, 0), (3, 1)} and isinstance(caught.value, AirflowNotFoundException):
        return  # this Airflow finds no such connection
    assert isinstance(caught.value, ISmartInputError)
    assert "extra must be a JSON object" in str(caught.value)


REASONS = {
    "empty": ["", None, float("nan"), pandas.NA, pandas.NaT, "  "],
    "letters": ["96890000abc", "call me"],
    "too short": ["9000000", "9689000", 9000000],
    "too long": ["968900000011", 968900000011],
    "several numbers": ["96890000001/96890000002", "90000001 or 90000002"],
    "fraction": [96890000001.5, Decimal("90000001.5")],
    "boolean": [True],
}


@pytest.mark.parametrize(
    ("reason", "cell"), [(reason, cell) for reason, cells in REASONS.items() for cell in cells], ids=repr
)
def test_an_invalid_number_is_skipped_and_reported_and_the_others_get_the_message(
    reason, cell, send, ismart_sandbox
):
    report = send([{"msisdn": cell}, {"msisdn": "96890000002"}])
    assert [message.msisdn for message in ismart_sandbox.messages] == ["96890000002"]
    assert (report["outcomes"]["invalid"], report["outcomes"]["accepted"]) == (1, 1)
    (found,) = report["reasons"]
    assert reason in found or (reason == "several numbers" and "characters" in found)
    assert "9000" not in found


@pytest.mark.parametrize("missing", [None, float("nan"), pandas.NA, pandas.NaT])
def test_rows_with_a_missing_value_are_skipped(missing, send, ismart_sandbox):
    rows = [{"msisdn": "96890000001", "name": missing}, {"msisdn": "96890000002", "name": "Zoe"}]
    report = send(rows, "Dear {name}")
    assert [message.text for message in ismart_sandbox.messages] == ["Dear Zoe"]
    assert report["reasons"] == {"message: no value for {name}": 1}


def test_a_personal_text_with_too_many_parts_is_skipped(send, ismart_sandbox):
    rows = [{"msisdn": "96890000001", "name": "x" * 160}, {"msisdn": "96890000002", "name": "Zoe"}]
    report = send(rows, "Dear {name}", max_parts=1)
    assert [message.text for message in ismart_sandbox.messages] == ["Dear Zoe"]
    assert report["reasons"] == {"message: the text has 2 parts, but max_parts is 1": 1}


def test_a_row_with_a_value_that_does_not_fit_its_format_is_skipped(send, ismart_sandbox):
    rows = [{"msisdn": "96890000001", "due": "soon"}, {"msisdn": "96890000002", "due": 2.5}]
    report = send(rows, "Pay {due:.3f}")
    assert [message.text for message in ismart_sandbox.messages] == ["Pay 2.500"]
    assert report["outcomes"]["invalid"] == 1


@pytest.mark.parametrize("on_invalid", ["skip", "fail"])
def test_the_task_fails_if_all_rows_are_invalid(on_invalid, send, ismart_sandbox):
    with pytest.raises(ISmartInputError, match="no row can be sent") as error:
        send(["nobody", ""], on_invalid=on_invalid)
    assert error.value.report.total == 2
    assert not ismart_sandbox.calls


def test_on_invalid_fail_sends_nothing_if_one_row_is_invalid(send, ismart_sandbox):
    with pytest.raises(ISmartInputError, match="has letters"):
        send(["96890000001", "nobody"], on_invalid="fail")
    assert not ismart_sandbox.calls


EMPTY = [[], (), "", "  ", "[]", {}, {"msisdn": []}, pandas.DataFrame({"msisdn": []}), pandas.DataFrame()]


@pytest.mark.parametrize("nobody", EMPTY, ids=repr)
def test_an_empty_list_skips_the_task(nobody, send, ismart_sandbox):
    with pytest.raises(AirflowSkipException):
        send(nobody)
    assert not ismart_sandbox.calls


@pytest.mark.parametrize("nobody", EMPTY, ids=repr)
def test_an_empty_list_fails_the_task_with_on_empty_fail(nobody, send):
    with pytest.raises(ISmartInputError, match="on_empty"):
        send(nobody, on_empty="fail")


SAME_TWO = [
    ["96890000001", "96890000002"],
    ("96890000001", 96890000002),
    {"96890000001", "96890000002"},
    "96890000001,96890000002",
    "+968 9000 0001; 00968-90000002\n",
    "90000001\n90000002",
    "['96890000001', '96890000002']",
    "[96890000001, 96890000002]",
    '[{"msisdn": "96890000001"}, {"msisdn": 96890000002}]',
    [96890000001.0, Decimal(96890000002)],
    ["٩٦٨٩٠٠٠٠٠٠١", "۹۶۸۹۰۰۰۰۰۰۲"],
    [("96890000001",), ("96890000002",)],
    [["96890000001"], ["96890000002"]],
    [[{"msisdn": "96890000001"}], [{"msisdn": "96890000002"}]],
    {"msisdn": ["96890000001", "96890000002"]},
    pandas.Series([96890000001, 96890000002]),
    numpy.array([96890000001, 96890000002]),
    pandas.DataFrame({"msisdn": ["96890000001", "96890000002"]}),
    pandas.DataFrame({"msisdn": [96890000001.0, 96890000002.0]}),
    [pandas.DataFrame({"msisdn": ["96890000001"]}), pandas.DataFrame({"msisdn": ["96890000002"]})],
    polars.DataFrame({"msisdn": ["96890000001", "96890000002"]}),
]


@pytest.mark.parametrize("recipients", SAME_TWO, ids=lambda value: type(value).__name__)
def test_recipients_can_have_many_forms(recipients, send, ismart_sandbox):
    report = send(recipients)
    assert sorted(message.msisdn for message in ismart_sandbox.messages) == ["96890000001", "96890000002"]
    assert report["calls"] == 1


@pytest.mark.parametrize("one", ["96890000001", 96890000001, 96890000001.0, "(968) 9000-0001", ROW, "90000001"])
def test_recipients_can_be_one_number(one, send, ismart_sandbox):
    send(one)
    assert [message.msisdn for message in ismart_sandbox.messages] == ["96890000001"]


def test_a_number_in_two_rows_gets_one_message(send, ismart_sandbox):
    report = send(["96890000001", "+968 9000 0001", 90000001, "96890000002"])
    assert sorted(message.msisdn for message in ismart_sandbox.messages) == ["96890000001", "96890000002"]
    assert report["outcomes"]["duplicate"] == 2


def test_kept_duplicates_are_never_in_one_call(send, ismart_sandbox):
    report = send(["96890000001", "90000001"], deduplicate=False)
    assert [message.msisdn for message in ismart_sandbox.messages] == ["96890000001"] * 2
    assert (report["calls"], report["outcomes"]["accepted"]) == (2, 2)


def test_personal_texts_reach_the_right_numbers(send, ismart_sandbox):
    frame = pandas.DataFrame(
        {"phone": ["96890000001", "96890000002"], "name": ["Ali", "زينب"], "due": [1.5, 20.0]}
    )
    send(frame, "{name}: {due:.3f} OMR {{today}}", recipient_column="phone")
    assert {message.msisdn: (message.text, message.lang) for message in ismart_sandbox.messages} == {
        "96890000001": ("Ali: 1.500 OMR {today}", 0),
        "96890000002": ("زينب: 20.000 OMR {today}", 64),
    }


def test_each_row_can_have_its_own_text(send, ismart_sandbox):
    rows = [{"msisdn": "96890000001", "text": "One {x}"}, {"msisdn": "96890000002", "text": "Two"}]
    send(rows, None, message_column="text")
    texts = {message.msisdn: message.text for message in ismart_sandbox.messages}
    assert texts == {"96890000001": "One {x}", "96890000002": "Two"}


BOTH = {"Arabic": "فاتورتك {name}", "en": "Your bill, {name}"}
TWO_LANGUAGES = [
    {"msisdn": "96890000001", "lang": "ar-OM", "name": "مريم"},
    {"msisdn": "96890000002", "lang": " EN ", "name": "Zoe"},
    {"msisdn": "96890000003", "lang": "عربي", "name": "خالد"},
    {"msisdn": "96890000004", "lang": "fr", "name": "Anne"},
    {"msisdn": "96890000005", "lang": None, "name": "Ali"},
    {"msisdn": "96890000002", "lang": "english", "name": "Zoe"},
    {"msisdn": "nobody", "lang": "ar", "name": "زهرة"},
]
TO_ARABIC = {"96890000001": ("فاتورتك مريم", 64), "96890000003": ("فاتورتك خالد", 64)}


def texts_and_langs(sandbox):
    return {message.msisdn: (message.text, message.lang) for message in sandbox.messages}


def test_each_row_gets_the_text_of_its_language_and_one_report_counts_both(send, ismart_sandbox):
    report = send(TWO_LANGUAGES, BOTH, language_column="lang")
    assert texts_and_langs(ismart_sandbox) == TO_ARABIC | {"96890000002": ("Your bill, Zoe", 0)}
    assert report["reasons"] == {
        "no message for language 'fr'": 1,
        "no language": 1,
        "number: has letters; write 9XXXXXXX or 9689XXXXXXX": 1,
    }
    none = dict.fromkeys(report["outcomes"], 0)
    assert report["languages"] == {
        "ar": {"rows": 3, "outcomes": none | {"accepted": 2, "invalid": 1}, "parts": 2, "planned_parts": 2},
        "en": {"rows": 2, "outcomes": none | {"accepted": 1, "duplicate": 1}, "parts": 1, "planned_parts": 1},
    }
    assert json.loads(json.dumps(report)) == report


def test_the_default_template_is_for_rows_with_no_or_another_language(send, ismart_sandbox):
    report = send(TWO_LANGUAGES, BOTH | {"DEFAULT": "Bill: {name}"}, language_column="lang")
    assert texts_and_langs(ismart_sandbox) == TO_ARABIC | {
        "96890000002": ("Your bill, Zoe", 0),
        "96890000004": ("Bill: Anne", 0),
        "96890000005": ("Bill: Ali", 0),
    }
    assert report["languages"]["default"]["outcomes"]["accepted"] == 2
    assert sum(counts["rows"] for counts in report["languages"].values()) == report["rows"] == 7


def test_the_encoding_depends_on_the_text_unless_it_is_forced(send, ismart_sandbox):
    rows = [{"msisdn": "96890000001", "lang": "en", "name": "مريم"}]
    send(rows, BOTH, language_column="lang")
    assert texts_and_langs(ismart_sandbox) == {"96890000001": ("Your bill, مريم", 64)}
    rows = [{"msisdn": "96890000002", "lang": "en", "name": "Zoe"}]
    send(rows, BOTH, language_column="lang", lang="arabic")
    assert texts_and_langs(ismart_sandbox)["96890000002"] == ("Your bill, Zoe", 64)


def test_a_dry_run_shows_three_texts_of_each_language(send, ismart_sandbox, numbers):
    rows = [
        {"msisdn": number, "lang": "ar" if index > 4 else "en", "name": f"no. {index}"}
        for index, number in enumerate(numbers(10))
    ]
    report = send(rows, BOTH | {"default": "{name}"}, language_column="lang", dry_run=True)
    assert [(sample["language"], sample["text"]) for sample in report["samples"]] == [
        *(("ar", f"فاتورتك no. {index}") for index in (5, 6, 7)),
        *(("en", f"Your bill, no. {index}") for index in (0, 1, 2)),
    ]
    planned = {
        language: (counts["outcomes"]["not_attempted"], counts["planned_parts"])
        for language, counts in report["languages"].items()
    }
    assert planned == {"ar": (5, 5), "en": (5, 5), "default": (0, 0)}
    assert not ismart_sandbox.calls


def test_a_file_with_two_languages_is_sent_like_records(send, ismart_sandbox, tmp_path):
    people = tmp_path / "people.csv"
    lines = ["msisdn,lang,name", *(f"{row['msisdn']},{row['lang'] or ''},{row['name']}" for row in TWO_LANGUAGES)]
    people.write_text("\n".join(lines), encoding="utf-8")
    in_file = send(people, BOTH, language_column="lang")
    sent = texts_and_langs(ismart_sandbox)
    in_memory = send(TWO_LANGUAGES, BOTH, language_column="lang")
    assert sent == texts_and_langs(ismart_sandbox)
    assert (in_file["languages"], in_file["reasons"]) == (in_memory["languages"], in_memory["reasons"])


def test_names_in_the_language_column_are_not_shown(send, numbers):
    rows = [{"msisdn": number, "lang": f"Salim {index}", "name": "x"} for index, number in enumerate(numbers(20))]
    with pytest.raises(ISmartInputError, match="20 x no message for its language") as error:
        send(rows, BOTH, language_column="lang")
    assert "Salim" not in str(error.value)


def test_a_report_of_one_template_has_no_languages(send):
    assert "languages" not in send(ROW)
    assert "language" not in send(ROW, dry_run=True)["samples"][0]


def test_a_long_arabic_text_has_fewer_numbers_per_call_to_stay_below_the_servers_limit(
    send, ismart_sandbox, numbers
):
    ismart_sandbox.configure(max_query_length=2048)
    report = send(numbers(60), "ا" * 300)
    assert report["outcomes"]["accepted"] == len(ismart_sandbox.messages) == 60
    assert max(call.query_length for call in ismart_sandbox.calls) <= 2048


def test_a_text_that_fits_into_no_call_makes_its_row_invalid(send, ismart_sandbox, ismart_default):
    ismart_sandbox.configure(max_query_length=512)
    ismart_default(extra={"max_query_length": 512})
    rows = [{"msisdn": "96890000001", "text": "ا" * 300}, {"msisdn": "96890000002", "text": "Short"}]
    report = send(rows, "{text}")
    assert [message.text for message in ismart_sandbox.messages] == ["Short"]
    assert report["outcomes"]["invalid"] == 1
    assert "does not fit" in json.dumps(report["reasons"])


def test_the_fewest_calls_are_made(send, ismart_sandbox, numbers):
    rows = [{"msisdn": number, "text": "AB"[index % 2]} for index, number in enumerate(numbers(202))]
    report = send(rows, "Group {text}")
    assert report["calls"] == len(ismart_sandbox.calls) == 6  # 101 numbers for each of two texts
    assert report["parts"] == report["credits_estimated"] == 202


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_results_path_among_the_files_of_recipients_is_refused(scheme, send, ismart_sandbox, tmp_path):
    (tmp_path / "people.csv").write_text("msisdn\n96890000001\n")
    for results in (tmp_path / "results.csv", tmp_path / "sub" / "results.csv", tmp_path / "people.csv"):
        with pytest.raises(ISmartInputError, match="results_path is among the files of recipients"):
            send(tmp_path, results_path=f"{scheme}{results}")
    assert ismart_sandbox.calls == []


@pytest.mark.parametrize("option", ["results_path", "settlements_path"])
def test_a_path_in_an_unknown_storage_is_refused_before_anything_is_sent(option, send, ismart_sandbox):
    with pytest.raises((ISmartInputError, ISmartSourceError), match="bogus"):  # Airflow 2 notices it when it reads
        send("96890000001", **{option: "bogus://folder/file.csv"})
    assert ismart_sandbox.calls == []
