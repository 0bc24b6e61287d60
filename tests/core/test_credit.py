import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.credit import ALERT_CODES, ProbeVerdict, Watch, in_words, seen
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate
from airflow_provider_ismart.core.return_codes import RETURN_CODES
from tests.return_codes import ACCOUNT, CREDIT, LOGIN

watched = st.sets(st.sampled_from(sorted(ACCOUNT | CREDIT)), min_size=1)
any_code = st.one_of(st.sampled_from(sorted(RETURN_CODES)), st.integers(0, 9999))
both_ways = st.sampled_from(["alert", "ok"])


@given(watched, both_ways, st.sampled_from(sorted(LOGIN)))
def test_a_refused_login_ends_every_watch_regardless_of_its_options(alert_codes, wait_for, code):
    assert Watch(alert_codes, wait_for).verdict(code) is ProbeVerdict.LOGIN_REFUSED


@given(watched, any_code)
def test_alert_and_ok_have_opposite_verdicts(alert_codes, code):
    alert, ok = (Watch(alert_codes, wait_for).verdict(code) for wait_for in ("alert", "ok"))
    assert not (alert is ok is ProbeVerdict.FOUND)
    if ProbeVerdict.FOUND in {alert, ok}:
        assert {alert, ok} == {ProbeVerdict.FOUND, ProbeVerdict.NOT_YET}
    else:
        assert alert is ok


@given(watched, any_code)
def test_only_alert_codes_are_an_alert(alert_codes, code):
    assert (Watch(alert_codes, "alert").verdict(code) is ProbeVerdict.FOUND) == (code in alert_codes)


@given(watched, any_code)
def test_only_codes_1_and_9_mean_no_trouble(alert_codes, code):
    assert (Watch(alert_codes, "ok").verdict(code) is ProbeVerdict.FOUND) == (code in {1, 9})


@given(watched, both_ways, st.sampled_from(sorted(ACCOUNT)))
def test_an_account_code_ends_the_watch_unless_it_is_an_alert_code(alert_codes, wait_for, code):
    verdict = Watch(alert_codes, wait_for).verdict(code)
    assert (verdict is ProbeVerdict.ACCOUNT_REFUSED) == (code not in alert_codes)


@pytest.mark.parametrize("code", [None, 0, 5, 11, 15, 24, 77, 99])
def test_an_answer_that_says_nothing_about_the_account_is_no_verdict(code):
    assert {Watch(ALERT_CODES, wait_for).verdict(code) for wait_for in ("alert", "ok")} == {
        ProbeVerdict.NO_VERDICT
    }


def test_credit_codes_that_are_not_alert_codes_keep_the_watch_waiting():
    assert {Watch((4,), wait_for).verdict(13) for wait_for in ("alert", "ok")} == {ProbeVerdict.NOT_YET}


@pytest.mark.parametrize("codes", [(), (4, 3), (1,), (9,), (77,), ("4",), "4"])
def test_only_account_and_credit_codes_can_be_alert_codes(codes):
    with pytest.raises(
        InputError,
        match=f"alert_codes is .* must be one or more of {', '.join(map(str, sorted(ACCOUNT | CREDIT)))}",
    ):
        Watch(codes, "alert")


def test_an_unknown_wait_for_is_refused():
    with pytest.raises(InputError, match="wait_for is 'good'; it must be 'alert' or 'ok'"):
        Watch(ALERT_CODES, "good")


@given(any_code)
def test_a_check_reports_code_description_and_help(code):
    told = seen(CallOutcome(fate=Fate.REFUSED, code=code))
    assert told["code"] == code
    assert told["description"] in in_words(CallOutcome(fate=Fate.REFUSED, code=code))
    if code in RETURN_CODES and code not in {1, 9}:
        assert (told["description"], told["help"]) == (RETURN_CODES[code].description, RETURN_CODES[code].help)


def test_a_good_check_is_not_described_as_an_invalid_number():
    assert seen(CallOutcome(fate=Fate.REFUSED, code=9))["description"] == "No trouble was seen"


def test_a_check_without_a_code_reports_the_cause():
    told = seen(CallOutcome(fate=Fate.NOT_SENT, detail="HTTP 503"))
    assert (told["code"], told["description"]) == (None, "HTTP 503")
