"""Test what each end of a call proves, compared with the sandbox's records."""

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_ismart.core.outcomes import Fate
from airflow_provider_ismart.core.return_codes import RETURN_CODES
from airflow_provider_ismart.gateway.client import MAX_ATTEMPTS
from airflow_provider_ismart.sandbox import faults

HTML = "<html><body>No.</body></html>"


def test_a_call_answered_with_1_is_accepted(submit, ismart_sandbox):
    outcome = submit()
    assert (outcome.fate, outcome.code, outcome.attempts) == (Fate.ACCEPTED, 1, 1)
    (message,) = ismart_sandbox.messages
    assert (message.msisdn, message.text) == ("96890000001", "Your water is off on Monday.")
    assert (message.lang, message.flash, message.push_at) == (0, False, None)


def test_flash_and_schedule_reach_the_gateway(submit, ismart_sandbox):
    submit(flash=True, push_at=datetime(2090, 1, 31, 14, 30, tzinfo=UTC))
    (message,) = ismart_sandbox.messages
    assert (message.flash, message.push_date_time) == (True, "01/31/2090 14:30:00")


def test_a_late_answer_counts(submit, ismart_sandbox):
    ismart_sandbox.fail(faults.Latency(seconds=0.3))
    assert submit(extra={"read_timeout": 10}).fate is Fate.ACCEPTED


@pytest.mark.parametrize(
    "fault",
    [
        faults.Latency(seconds=5),
        faults.Hang(),
        faults.Hang(accept=True),
        faults.Reset(),
        faults.Reset(accept=True),
        faults.Drop(),
        faults.Drop(accept=False),
        faults.TruncatedBody(),
        faults.TruncatedHeaders(),
        faults.Redirect(),
        faults.Redirect(accept=True),
        faults.Garbage(),
        faults.Garbage(accept=True),
    ],
    ids=lambda fault: f"{fault.kind}-{'accepted' if fault.accept else 'not accepted'}",
)
def test_a_call_without_a_complete_answer_is_uncertain_and_not_repeated(fault, submit, ismart_sandbox):
    ismart_sandbox.fail(fault)
    outcome = submit(extra={"read_timeout": 0.3})
    assert (outcome.fate, outcome.code, outcome.attempts) == (Fate.UNCERTAIN, None, 1)
    assert outcome.detail
    assert len(ismart_sandbox.calls) == 1
    assert len(ismart_sandbox.messages) == fault.accept


@pytest.mark.parametrize("status", [402, 406, 408, 409, 410, 418, 451, 500, 501, 502, 503, 504, 599])
def test_a_status_that_proves_nothing_is_uncertain(status, submit, ismart_sandbox):
    ismart_sandbox.fail(faults.HttpStatus(status=status))
    outcome = submit()
    assert (outcome.fate, outcome.http_status, outcome.attempts) == (Fate.UNCERTAIN, status, 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 413, 414, 431])
def test_a_rejecting_status_is_not_sent_and_not_retried(status, submit, ismart_sandbox):
    ismart_sandbox.fail(faults.HttpStatus(status=status))
    outcome = submit()
    assert (outcome.fate, outcome.http_status, outcome.attempts) == (Fate.NOT_SENT, status, 1)
    assert outcome.detail == f"HTTP {status}"
    assert len(ismart_sandbox.calls) == 1


@pytest.mark.parametrize(
    "fault",
    [
        faults.HttpStatus(status=429, times=9),
        faults.HttpStatus(status=429, times=9, headers={"Retry-After": "0"}),
        faults.HttpStatus(status=503, times=9, headers={"Retry-After": "0"}),
        faults.HttpStatus(status=503, times=9, headers={"Retry-After": "Wed, 21 Oct 2065 07:28:00 GMT"}),
    ],
    ids=str,
)
def test_a_busy_server_is_retried_a_few_times(fault, submit, ismart_sandbox, quick_back_off):
    ismart_sandbox.fail(fault)
    outcome = submit()
    assert (outcome.fate, outcome.attempts) == (Fate.NOT_SENT, MAX_ATTEMPTS)
    assert len(ismart_sandbox.calls) == MAX_ATTEMPTS


def test_a_call_that_succeeds_after_retries_is_accepted_once(submit, ismart_sandbox, quick_back_off):
    ismart_sandbox.fail(faults.HttpStatus(status=429, times=MAX_ATTEMPTS - 1))
    outcome = submit()
    assert (outcome.fate, outcome.attempts) == (Fate.ACCEPTED, MAX_ATTEMPTS)
    assert len(ismart_sandbox.messages) == 1


def test_a_call_that_becomes_uncertain_on_a_retry_is_not_repeated(submit, ismart_sandbox, quick_back_off):
    ismart_sandbox.fail(faults.HttpStatus(status=429), faults.Drop())
    outcome = submit()
    assert (outcome.fate, outcome.attempts) == (Fate.UNCERTAIN, 2)
    assert len(ismart_sandbox.messages) == 1


def test_retry_after_is_respected(submit, ismart_sandbox):
    ismart_sandbox.fail(faults.HttpStatus(status=503, headers={"Retry-After": "1"}))
    submit()
    first, second = ismart_sandbox.calls
    assert datetime.fromisoformat(second.at) - datetime.fromisoformat(first.at) >= timedelta(seconds=1)


@pytest.mark.parametrize("location", ["/iBulkSMS/HttpWS/SMSDynamicAPI.aspx", "/_sandbox/calls"])
def test_a_redirect_is_not_followed(location, submit, ismart_sandbox):
    ismart_sandbox.fail(faults.Redirect(location=location))
    outcome = submit()
    assert (outcome.fate, outcome.http_status) == (Fate.UNCERTAIN, 302)
    assert len(ismart_sandbox.calls) == 1


@pytest.mark.parametrize("body", ["1", "1\r\n", " 1 ", "\n1\n", "\ufeff1", " \ufeff\r\n1\n"])
def test_white_space_around_the_code_and_a_byte_order_mark_before_it_do_not_matter(body, submit, ismart_sandbox):
    ismart_sandbox.fail(faults.Garbage(body=body))
    assert submit().fate is Fate.ACCEPTED


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "1 1",
        "1,1",
        "01",
        "+1",
        "-1",
        "1.0",
        "1;",
        "OK",
        "true",
        "١",
        "１",
        "12345",
        "1\ufeff",
        "\ufeff",
        HTML,
    ],
)
def test_a_body_that_is_not_one_whole_number_is_uncertain(body, submit, ismart_sandbox):
    ismart_sandbox.fail(faults.Garbage(body=body, accept=True))
    assert (submit().fate, submit().fate) == (Fate.UNCERTAIN, Fate.ACCEPTED)


@pytest.mark.parametrize("code", [0, *range(2, 34), 99, 9999])
def test_every_code_but_1_and_11_is_refused_and_not_repeated(code, submit, ismart_sandbox):
    ismart_sandbox.fail(faults.ReturnCode(code=code))
    outcome = submit()
    assert outcome.fate is (Fate.UNCERTAIN if code == 11 else Fate.REFUSED)
    assert (outcome.code, outcome.attempts) == (code, 1)
    assert f"return code {code}" in outcome.detail
    assert code not in RETURN_CODES or RETURN_CODES[code].description in outcome.detail
    assert len(ismart_sandbox.calls) == 1


def test_a_code_with_a_status_other_than_200_is_ignored(submit, ismart_sandbox):
    ismart_sandbox.fail(faults.HttpStatus(status=500, body="1"))
    assert submit().fate is Fate.UNCERTAIN


def test_a_probe_is_never_retried(client, ismart_sandbox):
    ismart_sandbox.fail(faults.HttpStatus(status=429, times=9))
    assert client().probe().fate is Fate.NOT_SENT
    assert len(ismart_sandbox.calls) == 1
