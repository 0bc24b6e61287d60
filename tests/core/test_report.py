import json
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.languages import LanguageCounts
from airflow_provider_ismart.core.outcomes import Outcome, RowOutcomes
from airflow_provider_ismart.core.report import Report, Sample, in_one_line
from airflow_provider_ismart.core.simplification import Saving


def report(**changes):
    values = {
        "outcomes": dict.fromkeys(Outcome, 0) | {Outcome.ACCEPTED: 1200, Outcome.REFUSED: 2},
        "codes": {1: 1200, 9: 1, 99: 1},
        "reasons": {"Invalid mobile number": 2},
        "calls": 30,
        "planned_calls": 25,
        "parts": 2400,
        "planned_parts": 2404,
        "push_at": None,
        "stopped_by": None,
        "dry_run": False,
        "started_at": "2030-01-31T14:30:00+04:00",
        "seconds": 1.23456,
    }
    return Report(**(values | changes))


def test_rows_are_not_attempted_at_first():
    outcomes = RowOutcomes(3)
    assert len(outcomes) == 3
    assert [outcomes[row] for row in range(3)] == [Outcome.NOT_ATTEMPTED] * 3
    assert outcomes.codes() == {}
    assert outcomes.reasons() == {}


def test_accepted_rows_have_code_1_and_others_the_recorded_code():
    outcomes = RowOutcomes(4)
    outcomes.set([0, 2], Outcome.ACCEPTED)
    outcomes.set([1], Outcome.REFUSED, code=9, reason="Invalid mobile number")
    assert [outcomes.code(row) for row in range(4)] == [1, 9, 1, None]
    assert outcomes.codes() == {1: 2, 9: 1}
    assert [outcomes.reason(row) for row in range(2)] == ["", "Invalid mobile number"]
    assert list(outcomes.rows(Outcome.ACCEPTED)) == [0, 2]


def test_the_most_frequent_reason_comes_first():
    outcomes = RowOutcomes(3)
    outcomes.set([0], Outcome.INVALID, reason="empty")
    outcomes.set([1, 2], Outcome.INVALID, reason="too short")
    assert list(outcomes.reasons().items()) == [("too short", 2), ("empty", 1)]


@given(st.data(), st.integers(0, 30))
def test_counts_always_add_up_to_the_rows(data, total):
    outcomes = RowOutcomes(total)
    row = st.integers(0, max(0, total - 1))
    rows = st.lists(row) | st.builds(range, row, row) if total else st.just([])
    for changed, outcome in data.draw(st.lists(st.tuples(rows, st.sampled_from(Outcome)))):
        outcomes.set(changed, outcome)
    assert sum(outcomes.counts().values()) == total
    assert {outcome: len(list(outcomes.rows(outcome))) for outcome in Outcome} == outcomes.counts()


def test_a_report_is_one_line_of_text():
    assert str(report()) == "1,202 rows: 1,200 accepted, 2 refused"
    assert str(report(outcomes=dict.fromkeys(Outcome, 0))) == "0 rows"


def test_a_report_of_two_languages_counts_each():
    nothing = dict.fromkeys(Outcome, 0)
    unused = LanguageCounts(rows=nothing, parts=nothing)
    planned = LanguageCounts(
        rows=nothing | {Outcome.NOT_ATTEMPTED: 1201}, parts=nothing | {Outcome.NOT_ATTEMPTED: 2402}
    )
    sent = LanguageCounts(
        rows=nothing | {Outcome.ACCEPTED: 1200, Outcome.REFUSED: 1},
        parts=nothing | {Outcome.ACCEPTED: 2400, Outcome.REFUSED: 2},
    )
    found = report(languages={"ar": sent, "en": unused}, planned_languages={"ar": planned, "en": unused})
    assert str(found) == "1,202 rows: 1,200 accepted, 2 refused (ar: 1,200 accepted, 1 refused)"
    as_json = found.as_json()["languages"]
    assert as_json["ar"] == {
        "rows": 1201,
        "outcomes": {outcome.value: 0 for outcome in Outcome} | {"accepted": 1200, "refused": 1},
        "parts": 2400,
        "planned_parts": 2402,
    }
    assert as_json["en"]["rows"] == as_json["en"]["planned_parts"] == 0
    assert "languages" not in report().as_json()


def test_a_report_is_plain_json_with_every_outcome():
    found = report().as_json()
    assert json.loads(json.dumps(found)) == found
    assert found["rows"] == 1202
    assert set(found["outcomes"]) == {outcome.value for outcome in Outcome}
    assert found["return_codes"]["9"] == {"rows": 1, "description": "Invalid mobile number"}
    assert "not in the gateway document" in found["return_codes"]["99"]["description"]
    assert found["credits_estimated"] == found["parts"] == 2400
    assert found["seconds"] == 1.235


def test_a_report_says_what_simplify_text_would_save():
    saving = Saving(credits=1200, characters=("’ (U+2019)",))
    assert report().as_json()["simplify_text_saves"] is None
    found = report(saving=saving).as_json()
    assert found["simplify_text_saves"] == {"credits": 1200, "characters": ["’ (U+2019)"]}
    assert json.loads(json.dumps(found)) == found


def test_only_the_report_of_a_dry_run_contains_texts():
    sample = Sample(msisdn="968******34", text="Dear Ali", lang=0, parts=1)
    shown = [{"msisdn": "968******34", "text": "Dear Ali", "lang": 0, "parts": 1}]
    assert report(dry_run=True, samples=(sample,)).as_json()["samples"] == shown
    assert report(dry_run=True).as_json()["samples"] == []
    assert "samples" not in report(samples=(sample,)).as_json()
    assert "Ali" not in str(report(dry_run=True, samples=(sample,)))


def test_a_limited_number_of_reasons_is_shown_with_counts():
    assert in_one_line({"Invalid mobile number": 2}) == "2 x Invalid mobile number"
    many = in_one_line({f"reason {number}": 1500 for number in range(12)})
    assert many.startswith("1,500 x reason 0; ")
    assert many.endswith("1,500 x reason 9; …")


def test_reasons_can_be_limited_to_one_outcome():
    outcomes = RowOutcomes(3)
    outcomes.set([0], Outcome.UNCERTAIN, reason="no answer came")
    outcomes.set([1, 2], Outcome.ALREADY_SENT, reason="accepted in an earlier try")
    assert outcomes.reasons(Outcome.UNCERTAIN) == {"no answer came": 1}


def test_a_report_counts_the_rows_that_quiet_hours_scheduled():
    morning = datetime.fromisoformat("2030-02-01T08:00:00+04:00")
    scheduled = report(scheduled=1100, scheduled_for=morning)
    assert str(scheduled).endswith("1,200 accepted, 2 refused, 1,100 scheduled for 2030-02-01T08:00:00+04:00")
    assert scheduled.as_json()["scheduled_for"] == "2030-02-01T08:00:00+04:00"
    assert "scheduled" not in str(report())


def test_reasons_of_accepted_rows_are_not_counted():
    outcomes = RowOutcomes(2)
    outcomes.set([0], Outcome.ACCEPTED, reason="scheduled for the morning")
    assert outcomes.reason(0) == "scheduled for the morning"
    assert outcomes.reasons() == {}
