"""Test every fault of the gateway, in the first try or a later one: what is sent again, and what never."""

from collections import Counter

import pytest

from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.exceptions import (
    ISmartCreditError,
    ISmartRefusedError,
    ISmartUnavailableError,
    ISmartUncertainError,
    ISmartUncertainFinalError,
)
from airflow_provider_ismart.gateway import client as client_module
from airflow_provider_ismart.sandbox import faults
from tests.ledgers.backings import backed_by, numbers

BEFORE, MET = numbers(5), numbers(3, first=100)

#: Faults after which nobody knows whether the call was accepted; each is met in both cases.
UNCERTAIN = {
    "hang": faults.Hang,
    "reset": faults.Reset,
    "drop": faults.Drop,
    "http 500": lambda **options: faults.HttpStatus(status=500, **options),
    "http 502": lambda **options: faults.HttpStatus(status=502, **options),
    "http 503": lambda **options: faults.HttpStatus(status=503, **options),
    "redirect": faults.Redirect,
    "garbage": faults.Garbage,
    "truncated body": faults.TruncatedBody,
    "truncated headers": faults.TruncatedHeaders,
    "code 11": lambda **options: faults.ReturnCode(code=11, **options),
}

#: Faults that prove that nobody got the message, with the error of the try that meets them.
NOT_SENT = {
    "http 503 that asks to wait": (
        faults.HttpStatus(status=503, headers={"Retry-After": "0"}, times=4),
        ISmartUnavailableError,
    ),
    "http 429": (faults.HttpStatus(status=429, times=4), ISmartUnavailableError),
    "http 404": (faults.HttpStatus(status=404), ISmartUnavailableError),
    "code 4": (faults.ReturnCode(code=4), ISmartCreditError),
    "code 14": (faults.ReturnCode(code=14), ISmartCreditError),
    "code 15": (faults.ReturnCode(code=15), ISmartRefusedError),
}


@pytest.fixture(autouse=True)
def _quick_back_off(monkeypatch):
    monkeypatch.setattr(client_module, "MAX_BACK_OFF_SECONDS", 0.01)


@pytest.fixture
def meet(send, make_backing, ismart_sandbox):
    """Let a try meet a fault, the first try or a later one; return its report and a function for another try."""
    backed = backed_by(make_backing("sqlite"))

    def meet(fault, met_by, error, **options):
        if met_by == "a later try":
            send(BEFORE, **backed, **options)
        ismart_sandbox.fail(fault)

        def try_again(number=3, **changed):
            return send(BEFORE + MET, try_number=number, **backed, **options | changed)

        first = MET if met_by == "the first try" else BEFORE + MET
        if error is None:
            report = send(first, **backed, **options)
        else:
            with pytest.raises(error) as caught:
                send(first, **backed, **options)
            assert caught.type is error
            report = caught.value.report
        return report, try_again

    return meet


@pytest.mark.parametrize("met_by", ["the first try", "a later try"])
@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize(
    ("on_uncertain", "error", "copies"),
    [("fail", ISmartUncertainFinalError, 0), ("resend", ISmartUncertainError, 1), ("accept", None, 0)],
)
@pytest.mark.parametrize("fault", UNCERTAIN)
def test_an_uncertain_call_is_sent_again_only_on_request(
    meet, told, ismart_default, fault, on_uncertain, error, copies, accepted, met_by
):
    if fault == "hang":  # the other faults do not wait for the time-out
        ismart_default(extra={"max_concurrency": 2, "read_timeout": 1})
    report, try_again = meet(UNCERTAIN[fault](accept=accepted), met_by, error, on_uncertain=on_uncertain)
    assert report.outcomes[Outcome.UNCERTAIN] == len(MET)
    if on_uncertain == "fail":
        with pytest.raises(ISmartUncertainFinalError):
            try_again()
    else:
        try_again()
    assert [told()[number] for number in MET] == [int(accepted) + copies] * len(MET)
    assert [told()[number] for number in BEFORE] == [1] * len(BEFORE)


@pytest.mark.parametrize("met_by", ["the first try", "a later try"])
@pytest.mark.parametrize("on_uncertain", ["fail", "resend", "accept"])
@pytest.mark.parametrize("fault", NOT_SENT)
def test_the_next_try_repeats_a_call_that_reached_nobody(meet, told, fault, on_uncertain, met_by):
    fault, error = NOT_SENT[fault]
    report, try_again = meet(fault, met_by, error, on_uncertain=on_uncertain)
    assert report.outcomes[Outcome.UNCERTAIN] == 0
    assert all(told()[number] == 0 for number in MET)
    try_again()
    assert set(told().values()) == {1}
    assert told().keys() == {*BEFORE, *MET}


@pytest.mark.parametrize("met_by", ["the first try", "a later try"])
@pytest.mark.parametrize("on_uncertain", ["fail", "resend", "accept"])
def test_a_late_answer_counts(meet, told, on_uncertain, met_by):
    report, try_again = meet(faults.Latency(seconds=0.05), met_by, None, on_uncertain=on_uncertain)
    assert report.outcomes[Outcome.ACCEPTED] == len(MET)
    try_again()
    assert set(told().values()) == {1}


def test_the_next_try_sends_after_an_outage(send, told, make_backing, ismart_sandbox):
    backed = backed_by(make_backing("sqlite"))
    with ismart_sandbox.pause(), pytest.raises(ISmartUnavailableError):
        send(MET, **backed)
    send(MET, try_number=2, **backed)
    assert list(told().values()) == [1] * len(MET)


def test_a_failed_resend_leaves_a_row_uncertain(send, told, make_backing, ismart_sandbox):
    backed = backed_by(make_backing("sqlite"))
    ismart_sandbox.fail(faults.Drop())  # it was accepted, but that nobody knows
    with pytest.raises(ISmartUncertainError):
        send(MET, on_uncertain="resend", **backed)
    with ismart_sandbox.pause(), pytest.raises(ISmartUncertainError):
        send(MET, try_number=2, on_uncertain="resend", **backed)
    report = send(MET, try_number=3, on_uncertain="accept", **backed)
    assert report.outcomes[Outcome.UNCERTAIN] == len(MET)
    assert list(told().values()) == [1] * len(MET)


def test_every_fault_of_the_sandbox_is_tested():
    met = [make() for make in UNCERTAIN.values()] + [fault for fault, _ in NOT_SENT.values()]
    assert {fault.kind for fault in met} | {"latency"} == set(faults.KINDS)


class TestChangedInput:
    """The input of a later try can differ from that of the first."""

    @pytest.fixture
    def backed(self, lasting):
        return backed_by(lasting)

    def test_added_rows_are_sent_and_removed_rows_are_ignored(self, send, told, backed):
        send(BEFORE, **backed)
        report = send([*BEFORE[2:], *MET], try_number=2, **backed)
        assert set(told().values()) == {1}
        assert report.outcomes[Outcome.ALREADY_SENT] == len(BEFORE) - 2
        assert report.outcomes[Outcome.ACCEPTED] == len(MET)

    def test_a_changed_text_is_not_sent_to_recipients_of_the_old_text(self, send, told, backed):
        send(BEFORE, **backed)
        report = send(BEFORE + MET, message="Changed", try_number=2, **backed)
        assert set(told().values()) == {1}
        assert report.reasons == {"accepted in an earlier try, with another text": len(BEFORE)}

    @pytest.mark.parametrize("was_on", [False, True])
    def test_switching_simplify_text_sends_nothing_again(self, was_on, send, told, backed, ismart_sandbox):
        send(BEFORE, message="It’s due", simplify_text=was_on, **backed)
        report = send(BEFORE + MET, message="It’s due", simplify_text=not was_on, try_number=2, **backed)
        assert set(told().values()) == {1}
        assert Counter(message.text for message in ismart_sandbox.messages) == {
            "It's due": len(BEFORE) if was_on else len(MET),
            "It’s due": len(MET) if was_on else len(BEFORE),
        }
        assert report.reasons == {"accepted in an earlier try, with another text": len(BEFORE)}

    def test_an_additional_row_of_a_number_with_another_text_is_sent(self, send, told, backed):
        send([{"msisdn": BEFORE[0], "text": "One"}], message_column="text", **backed)
        rows = [{"msisdn": BEFORE[0], "text": text} for text in ("One", "Two")]
        report = send(rows, message_column="text", try_number=2, **backed)
        assert told()[BEFORE[0]] == 2
        assert report.outcomes[Outcome.ALREADY_SENT] == 1

    def test_kept_duplicates_are_sent_once_per_row(self, send, told, backed):
        send([MET[0]], deduplicate=False, **backed)
        send([MET[0]] * 3, deduplicate=False, try_number=2, **backed)
        send([MET[0]] * 3, deduplicate=False, try_number=3, **backed)
        assert told()[MET[0]] == 3
