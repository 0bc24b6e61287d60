import itertools
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_ismart.core.dispatch import MAX_REFUSED_BEFORE_ACCEPTED, OnRefused, Submission
from airflow_provider_ismart.core.ledger import LedgerConflictError, MemoryLedger, State
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate, Outcome
from airflow_provider_ismart.sending.executor import submit_all
from tests import return_codes
from tests.core.scripted import (
    ACCEPTED,
    NOT_FOUND,
    NOT_SENT,
    UNCERTAIN,
    ScriptedGateway,
    SynchronousExecutor,
    counts,
    describe,
    limits,
    numbers,
    plan_of,
    plan_of_rows,
    refused,
    run,
    send,
)
from tests.core.strategies import rows

DOOMING_CODES = sorted(return_codes.LOGIN | return_codes.ACCOUNT | return_codes.CREDIT)
RECIPIENT_CODES = sorted(return_codes.RECIPIENT)
MESSAGE_CODES = sorted(return_codes.MESSAGE)
OTHER_CODES = sorted(return_codes.REQUEST | return_codes.UNKNOWN)
PATIENCE_SECONDS = 20


class NotingLedger(MemoryLedger):
    """Remember how many outcomes and intents each write had; it can fail."""

    def __init__(self, *, fails_at=None, after_applying=False):
        super().__init__()
        self.writes = []
        self._fails_at = fails_at
        self._after_applying = after_applying

    def write(self, settled, intents):
        self.writes.append((len(settled), len(intents)))
        fails = len(self.writes) == self._fails_at
        if fails and not self._after_applying:
            raise OSError("the ledger is gone")
        granted = super().write(settled, intents)
        if fails:
            raise OSError("the ledger is gone")
        return granted

    def states(self):
        """Count the test's numbers by state."""
        return Counter(entry.state for entries in self.recorded(numbers(1000)).values() for entry in entries)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.fixture(params=["one after the other", "in threads"])
def executor(request):
    if request.param == "in threads":
        with ThreadPoolExecutor(4) as pool:
            yield pool
    else:
        yield SynchronousExecutor()


# Order


def test_every_number_gets_one_message(executor):
    gateway = ScriptedGateway()
    submission = send(plan_of(numbers(501)), gateway, executor=executor)
    assert counts(submission) == {"accepted": 501}
    assert gateway.handed == {number: ["Hello"] for number in numbers(501)}
    assert sorted(gateway.sizes) == [1] + [50] * 10
    assert submission.calls == 11
    assert submission.stopped_by is None


def test_the_first_batch_goes_alone_and_the_others_follow_together_once_it_is_accepted(executor):
    ledger = NotingLedger()
    send(plan_of(numbers(20)), ScriptedGateway(), ledger=ledger, batch_size=1, executor=executor)
    assert ledger.writes[0] == (0, 1)
    assert ledger.writes[1] == (1, 8)


def test_calls_are_concurrent_after_one_is_accepted(pool):
    together = Barrier(4)
    gateway = ScriptedGateway()

    def submit(batch):
        if 0 not in batch.rows:
            together.wait(PATIENCE_SECONDS)
        return gateway(batch)

    submission = send(plan_of(numbers(9)), submit, batch_size=1, executor=pool)
    assert counts(submission) == {"accepted": 9}


def test_the_next_batch_also_goes_alone_if_the_first_is_not_accepted():
    ledger = NotingLedger()
    gateway = ScriptedGateway.saying(refused(9), refused(9), ACCEPTED)
    send(plan_of(numbers(20)), gateway, ledger=ledger, batch_size=1)
    assert ledger.writes[:4] == [(0, 1), (1, 1), (1, 1), (1, 8)]


def test_batches_are_sent_in_input_order():
    gateway = ScriptedGateway()
    send(plan_of(numbers(30)), gateway, batch_size=4)
    assert [row for batch in gateway.batches for row in batch.rows] == list(range(30))


def test_nothing_is_recorded_if_there_is_nothing_to_send():
    ledger = NotingLedger()
    submission = send(plan_of(["x"]), ScriptedGateway(), ledger=ledger)
    assert counts(submission) == {"invalid": 1}
    assert ledger.writes == []


def test_repeated_calls_are_counted():
    thrice = CallOutcome(fate=Fate.ACCEPTED, code=1, attempts=3)
    assert send(plan_of(numbers(2)), ScriptedGateway.saying(thrice), batch_size=1).calls == 4


# What stops a send


@pytest.mark.parametrize("code", DOOMING_CODES)
def test_a_login_account_or_credit_code_stops_the_send_immediately(code, executor):
    gateway = ScriptedGateway.saying(refused(code))
    submission = send(plan_of(numbers(200)), gateway, executor=executor)
    assert gateway.sizes == [50]
    assert counts(submission) == {"refused": 50, "not_attempted": 150}
    assert submission.stopped_by == refused(code)
    assert submission.refused_texts == {code}
    assert submission.outcomes.code(0) == code
    assert submission.outcomes.reason(0) == describe(code)


@pytest.mark.parametrize("code", DOOMING_CODES)
def test_a_login_account_or_credit_code_also_stops_the_send_after_an_acceptance(code):
    gateway = ScriptedGateway.saying(ACCEPTED, ACCEPTED, refused(code))
    submission = send(plan_of(numbers(20)), gateway, batch_size=1)
    assert len(gateway.batches) == 3
    assert counts(submission) == {"accepted": 2, "refused": 1, "not_attempted": 17}
    assert submission.stopped_by == refused(code)


def test_after_a_stop_calls_in_flight_finish_and_no_new_calls_start(pool):
    halted, together, ledger = Event(), Barrier(4), NotingLedger()
    gateway = ScriptedGateway(lambda batch: refused(4) if 2 in batch.rows else ACCEPTED)

    def submit(batch):
        if 0 not in batch.rows:
            together.wait(PATIENCE_SECONDS)
        if batch.rows[0] in {1, 3, 4}:
            assert halted.wait(PATIENCE_SECONDS)
        return gateway(batch)

    planned = plan_of(numbers(50))
    submission = send(planned, submit, ledger=ledger, batch_size=1, executor=pool, halted=halted)
    assert len(gateway.batches) == 5
    assert counts(submission) == {"accepted": 4, "refused": 1, "not_attempted": 45}
    assert ledger.states()[State.SUBMITTING] == 0


def test_a_call_that_was_not_sent_stops_the_send(executor):
    gateway = ScriptedGateway.saying(ACCEPTED, then=NOT_SENT)
    submission = send(plan_of(numbers(200)), gateway, executor=executor, at_once=1)
    assert counts(submission) == {"accepted": 50, "not_attempted": 150}
    assert submission.stopped_by == NOT_SENT
    assert "no connection could be made" in submission.outcomes.reasons()


def test_three_uncertain_calls_in_a_row_stop_the_send(executor):
    gateway = ScriptedGateway.saying(then=UNCERTAIN)
    submission = send(plan_of(numbers(20)), gateway, batch_size=1, executor=executor)
    assert counts(submission) == {"uncertain": 3, "not_attempted": 17}
    assert submission.stopped_by == UNCERTAIN


def test_uncertain_calls_that_are_not_in_a_row_do_not_stop_the_send():
    script = [UNCERTAIN, UNCERTAIN, ACCEPTED] * 3
    submission = send(plan_of(numbers(9)), ScriptedGateway.saying(*script), batch_size=1, at_once=1)
    assert counts(submission) == {"accepted": 3, "uncertain": 6}
    assert submission.stopped_by is None


def test_calls_go_one_at_a_time_after_an_uncertain_call(executor):
    in_flight = []

    def submit(batch):
        in_flight.append(ledger.states()[State.SUBMITTING])
        return gateway(batch)

    ledger = NotingLedger()
    gateway = ScriptedGateway.saying(ACCEPTED, UNCERTAIN, UNCERTAIN, ACCEPTED)
    send(plan_of(numbers(8)), submit, ledger=ledger, batch_size=1, at_once=1, executor=executor)
    assert in_flight[:5] == [1, 2, 1, 1, 2]  # the third call, which was waiting, was withdrawn and recorded again
    assert ledger.writes[:4] == [(0, 1), (1, 2), (2, 1), (1, 1)]


def test_no_call_starts_before_an_uncertain_one_is_recorded():
    class SlowExecutor(ThreadPoolExecutor):
        def submit(self, *arguments):
            future = super().submit(*arguments)
            time.sleep(0.05)  # until the thread has begun
            return future

    class SlowLedger(NotingLedger):
        def write(self, settled, intents):
            if self.writes == [(0, 1), (1, 4)]:
                writing.set()
                time.sleep(0.2)  # until the call to row 2 has ended
            granted = super().write(settled, intents)
            if self.states()[State.UNCERTAIN]:
                recorded.set()
            return granted

    def submit(batch):
        (row,) = batch.rows
        if row == 2:
            writing.wait(PATIENCE_SECONDS)
            return UNCERTAIN
        if row == 3:
            recorded.wait(PATIENCE_SECONDS)
        elif row > 3:
            was_recorded.append(recorded.is_set())
        return ACCEPTED

    writing, recorded, was_recorded, ledger = Event(), Event(), [], SlowLedger()
    with SlowExecutor(4) as executor:
        submission = send(plan_of(numbers(8)), submit, ledger=ledger, batch_size=1, at_once=2, executor=executor)
    assert was_recorded == [True] * 4
    assert counts(submission) == {"accepted": 7, "uncertain": 1}


def test_code_11_is_uncertain_and_keeps_its_code():
    unknown = CallOutcome(fate=Fate.UNCERTAIN, code=11, detail="return code 11")
    submission = send(plan_of(numbers(1)), ScriptedGateway.saying(unknown))
    assert counts(submission) == {"uncertain": 1}
    assert submission.outcomes.codes() == {11: 1}


@pytest.mark.parametrize("code", OTHER_CODES)
def test_a_request_or_unknown_code_stops_the_send_before_an_acceptance(code):
    submission = send(plan_of(numbers(3)), ScriptedGateway.saying(refused(code)), batch_size=1)
    assert counts(submission) == {"refused": 1, "not_attempted": 2}
    assert submission.stopped_by == refused(code)


@pytest.mark.parametrize("code", OTHER_CODES)
def test_a_request_or_unknown_code_affects_only_its_batch_after_an_acceptance(code):
    gateway = ScriptedGateway.saying(ACCEPTED, refused(code))
    submission = send(plan_of(numbers(6)), gateway, batch_size=2)
    assert counts(submission) == {"accepted": 4, "refused": 2}
    assert submission.stopped_by is None
    assert submission.refused_texts == {code}


# Recipients that are refused


@pytest.mark.parametrize("code", [8, 9, 23])
def test_refused_numbers_are_isolated_and_the_others_get_their_message(code, executor):
    guilty = set(numbers(120)[3:100:40])
    gateway = ScriptedGateway.refusing(guilty, code)
    submission = send(plan_of(numbers(120)), gateway, executor=executor)
    assert counts(submission) == {"accepted": 117, "refused": 3}
    assert set(gateway.handed) == set(numbers(120)) - guilty
    assert submission.refused_texts == set()
    assert submission.stopped_by is None
    assert submission.outcomes.code(3) == code


@given(
    st.integers(1, 60).flatmap(lambda count: st.tuples(st.just(count), st.sets(st.integers(0, count - 1)))),
    st.integers(1, 50),
)
def test_only_the_refused_numbers_are_left_out(case, batch_size):
    count, guilty = case
    gateway = ScriptedGateway.refusing({numbers(count)[row] for row in guilty})
    submission = send(plan_of(numbers(count)), gateway, batch_size=batch_size)
    if submission.stopped_by:  # nobody was accepted, and many were not
        assert len(guilty) >= 50
        assert not gateway.handed
    else:
        assert set(submission.outcomes.rows(Outcome.REFUSED)) == guilty
        assert set(submission.outcomes.rows(Outcome.ACCEPTED)) == set(range(count)) - guilty
        assert all(texts == ["Hello"] for texts in gateway.handed.values())


def test_a_call_with_too_many_numbers_is_split():
    gateway = ScriptedGateway(lambda batch: refused(24) if len(batch.rows) > 10 else ACCEPTED)
    submission = send(plan_of(numbers(50)), gateway)
    assert counts(submission) == {"accepted": 50}


def test_fifty_refused_numbers_stop_the_send_if_none_is_accepted():
    gateway = ScriptedGateway.saying(then=refused(9))
    submission = send(plan_of(numbers(200)), gateway)
    assert counts(submission) == {"refused": 50, "not_attempted": 150}
    assert submission.stopped_by == refused(9)


@pytest.mark.parametrize("code", RECIPIENT_CODES)
def test_skip_skips_a_refused_batch_as_a_whole(code):
    gateway = ScriptedGateway.saying(ACCEPTED, refused(code))
    submission = send(plan_of(numbers(150)), gateway, on_refused=OnRefused.SKIP)
    assert counts(submission) == {"accepted": 100, "refused": 50}
    assert gateway.sizes == [50, 50, 50]
    assert submission.stopped_by is None


@pytest.mark.parametrize("code", [*RECIPIENT_CODES, *MESSAGE_CODES, *OTHER_CODES])
def test_fail_stops_the_send_after_any_refusal(code):
    gateway = ScriptedGateway.saying(ACCEPTED, refused(code))
    submission = send(plan_of(numbers(150)), gateway, on_refused=OnRefused.FAIL)
    assert counts(submission) == {"accepted": 50, "refused": 50, "not_attempted": 50}
    assert submission.stopped_by == refused(code)


# Texts that are refused


@pytest.mark.parametrize("code", MESSAGE_CODES)
def test_a_message_code_skips_only_rows_with_the_same_text(code):
    planned = plan_of_rows([(number, "xy"[row % 2]) for row, number in enumerate(numbers(12))])
    gateway = ScriptedGateway(lambda batch: refused(code) if batch.message.text == "x" else ACCEPTED)
    submission = send(planned, gateway, batch_size=2)
    assert counts(submission) == {"accepted": 6, "refused": 2, "not_attempted": 4}
    assert submission.outcomes.reason(4) == f"the gateway refused this text with code {code}"
    assert submission.refused_texts == {code}
    assert submission.stopped_by is None


@pytest.mark.parametrize("status", [400, 404, 414])
def test_a_row_is_invalid_if_its_call_is_too_long_with_one_number(status):
    planned = plan_of_rows([(number, "ا" * 335 if row == 1 else "x") for row, number in enumerate(numbers(3))])
    too_long = CallOutcome(fate=Fate.NOT_SENT, http_status=status, detail=f"HTTP {status}")
    gateway = ScriptedGateway(lambda batch: too_long if batch.oversize else ACCEPTED)
    submission = send(planned, gateway)
    assert counts(submission) == {"accepted": 2, "invalid": 1}
    assert (
        submission.outcomes.reason(1) == f"message: the text does not fit into a call (HTTP {status}); shorten it"
    )
    assert submission.stopped_by is None


TOO_LONG = CallOutcome(fate=Fate.NOT_SENT, http_status=404, detail="HTTP 404")


def test_a_text_that_was_too_long_is_not_tried_again():
    gateway = ScriptedGateway(lambda batch: TOO_LONG if batch.oversize else ACCEPTED)
    submission = send(plan_of_rows([(number, "ا" * 335) for number in numbers(60)]), gateway)
    assert len(gateway.batches) == 1
    assert counts(submission) == {"invalid": 60}
    assert submission.had_too_long_text
    assert not submission.reached_anybody


def test_the_send_stops_after_several_too_long_texts():
    gateway = ScriptedGateway(lambda batch: TOO_LONG)
    rows = [(number, "ا" * 330 + f"{row:03}") for row, number in enumerate(numbers(200))]
    assert send(plan_of_rows(rows), gateway).stopped_by == TOO_LONG
    assert len(gateway.batches) == MAX_REFUSED_BEFORE_ACCEPTED


@pytest.mark.parametrize(("outcome", "message"), [(NOT_FOUND, "Hello"), (NOT_SENT, "ا" * 335)])
def test_any_other_rejected_call_stops_the_send(outcome, message):
    submission = send(plan_of(numbers(2), message), ScriptedGateway.saying(outcome), batch_size=1)
    assert counts(submission) == {"not_attempted": 2}
    assert submission.stopped_by == outcome


def test_an_accepted_oversize_call_counts_as_accepted():
    assert counts(send(plan_of(numbers(2), "ا" * 335), ScriptedGateway())) == {"accepted": 2}


FORBIDDEN = CallOutcome(fate=Fate.NOT_SENT, http_status=403, detail="HTTP 403")
#: What can stop a send, the gravest first: login, account, credit, uncertain, refused, not sent.
GRAVITY = [refused(3), refused(12), refused(7), refused(20), refused(4), refused(13), refused(15), FORBIDDEN]


@pytest.mark.parametrize(("graver", "other"), list(itertools.combinations(GRAVITY, 2)))
@pytest.mark.parametrize("order", [1, -1])
def test_the_gravest_outcome_decides_in_whatever_order_calls_end(graver, other, order):
    submission = Submission(plan_of(numbers(2)), MemoryLedger(), limits(batch_size=1))
    submission.is_proven = True
    for batch, outcome in zip(submission.take(0, 2), [graver, other][::order], strict=True):
        submission.settle(batch, outcome)
    assert submission.stopped_by == graver


def test_a_refused_login_outweighs_uncertain_calls():
    submission = Submission(plan_of(numbers(5)), MemoryLedger(), limits(batch_size=1))
    submission.is_proven = True
    for batch, outcome in zip(submission.take(0, 5), [UNCERTAIN] * 3 + [refused(3), NOT_SENT], strict=True):
        submission.settle(batch, outcome)
    assert submission.stopped_by == refused(3)


# What goes wrong around the calls


@pytest.mark.parametrize("after_applying", [False, True], ids=["before applying it", "after applying it"])
@pytest.mark.parametrize("fails_at", [1, 2, 3, 4, 5, 6])
def test_a_failed_write_ends_the_send_without_making_its_calls(fails_at, after_applying):
    ledger = NotingLedger(fails_at=fails_at, after_applying=after_applying)
    gateway = ScriptedGateway.saying(ACCEPTED, UNCERTAIN, ACCEPTED, UNCERTAIN, ACCEPTED)
    planned = plan_of(numbers(20))
    with pytest.raises(OSError, match="the ledger is gone"):
        send(planned, gateway, ledger=ledger, batch_size=1, at_once=1)
    granted = sum(intents for _, intents in ledger.writes[: fails_at - 1])
    assert len(gateway.batches) <= granted
    assert _matches(planned, gateway)


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4])
@pytest.mark.parametrize("after_applying", [False, True], ids=["before applying it", "after applying it"])
def test_the_error_of_the_failed_write_is_raised(fails_at, after_applying):
    ledger = NotingLedger(fails_at=fails_at, after_applying=after_applying)
    with pytest.raises(OSError, match="the ledger is gone"):
        send(plan_of(numbers(20)), ScriptedGateway(), ledger=ledger, batch_size=1, at_once=1)


def test_outcomes_of_a_failed_write_are_written_again():
    ledger = NotingLedger(fails_at=2)
    with pytest.raises(OSError, match="the ledger is gone"):
        send(plan_of(numbers(20)), ScriptedGateway(), ledger=ledger, batch_size=1)
    assert ledger.writes == [(0, 1), (1, 8), (1, 0)]
    assert ledger.states() == {State.ACCEPTED: 1}


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
def test_a_call_that_raises_is_uncertain_and_its_error_ends_the_send(error, executor):
    def submit(batch):
        if 3 in batch.rows:
            raise error
        return gateway(batch)

    gateway, planned, ledger = ScriptedGateway(), plan_of(numbers(100)), NotingLedger()
    with pytest.raises(error):
        send(planned, submit, ledger=ledger, batch_size=1, at_once=1, executor=executor)
    found = counts(planned)
    assert found["uncertain"] == 1
    assert found["accepted"] == len(gateway.batches)
    assert planned.outcomes.reason(3) == f"the client failed with {error.__name__}"
    assert ledger.states()[State.SUBMITTING] == 0


def test_an_executor_that_refuses_a_call_ends_the_send(pool):
    gateway, planned, ledger = ScriptedGateway(), plan_of(numbers(100)), NotingLedger()

    def submit(batch):
        pool.shutdown(wait=False)
        return gateway(batch)

    with pytest.raises(RuntimeError, match="after shutdown"):
        send(planned, submit, ledger=ledger, executor=pool, batch_size=50)
    assert counts(planned) == {"accepted": 50, "not_attempted": 50}


def test_a_send_halted_before_it_begins_makes_no_call():
    halted, gateway = Event(), ScriptedGateway()
    halted.set()
    submission = send(plan_of(numbers(3)), gateway, halted=halted)
    assert gateway.batches == []
    assert counts(submission) == {"not_attempted": 3}
    assert submission.stopped_by is None


def test_a_halted_send_makes_no_more_calls(executor):
    halted, gateway = Event(), ScriptedGateway()

    def submit(batch):
        halted.set()
        return gateway(batch)

    submission = send(plan_of(numbers(30)), submit, batch_size=1, halted=halted, executor=executor)
    assert len(gateway.batches) == 1
    assert counts(submission) == {"accepted": 1, "not_attempted": 29}


def test_a_call_that_the_client_did_not_start_is_not_counted():
    not_started = CallOutcome(fate=Fate.NOT_SENT, detail="stopped before the call", attempts=0)
    halted = Event()

    def submit(batch):
        halted.set()
        return not_started

    submission = send(plan_of(numbers(3)), submit, batch_size=1, halted=halted)
    assert submission.calls == 0
    assert submission.stopped_by is None
    assert counts(submission) == {"not_attempted": 3}


def test_an_outcome_is_recorded_soon_although_other_calls_take_long(pool):
    class WaitingLedger(MemoryLedger):
        def write(self, settled, intents):
            if any(2 in batch.rows for batch, _ in settled):
                recorded.set()
            return super().write(settled, intents)

    def submit(batch):
        return ACCEPTED if batch.rows[0] in {0, 2} or recorded.wait(PATIENCE_SECONDS) else UNCERTAIN

    recorded = Event()
    submission = send(plan_of(numbers(40)), submit, ledger=WaitingLedger(), batch_size=1, executor=pool)
    assert counts(submission) == {"accepted": 40}


def test_each_outcome_is_reported_once():
    seen = []
    submission = Submission(plan_of(numbers(4)), MemoryLedger(), limits(batch_size=1))
    submit_all(
        submission,
        ScriptedGateway(),
        SynchronousExecutor(),
        max_in_flight=1,
        halted=Event(),
        paused=Event(),
        on_outcome=seen.append,
    )
    assert seen == [ACCEPTED] * 4


# Whatever happens


def _matches(planned, gateway):
    """Return whether the report agrees with the gateway, and nobody got more messages than rows."""
    allowed = Counter(msisdn for group in planned.groups for _, msisdn in group.numbers)
    handed = {msisdn: len(texts) for msisdn, texts in gateway.handed.items()}
    assert all(count <= allowed[msisdn] for msisdn, count in handed.items())
    found = planned.outcomes.counts()
    assert sum(found.values()) == len(planned.rows.msisdns)
    assert found[Outcome.ACCEPTED] + found[Outcome.UNCERTAIN] == sum(handed.values())
    for row, msisdn in enumerate(planned.rows.msisdns):
        if planned.outcomes[row] in {Outcome.ACCEPTED, Outcome.UNCERTAIN}:
            assert planned.rows.texts[row] in gateway.handed[msisdn]
    return True


_outcomes = st.one_of(
    st.just(ACCEPTED),
    st.sampled_from([ACCEPTED, UNCERTAIN, NOT_SENT, NOT_FOUND]),
    st.sampled_from([refused(code) for code in DOOMING_CODES + RECIPIENT_CODES + MESSAGE_CODES + OTHER_CODES]),
)


@given(
    st.lists(rows, max_size=30),
    st.lists(_outcomes, max_size=30),
    st.sampled_from(OnRefused),
    st.integers(1, 5),
    st.integers(1, 4),
    st.booleans(),
)
def test_counts_add_up_and_no_number_is_messaged_twice_whatever_the_gateway_answers(
    cases, script, on_refused, batch_size, at_once, deduplicate
):
    planned = plan_of_rows([(written, text) for (written, _), text in cases], deduplicate=deduplicate)
    gateway = ScriptedGateway.saying(*script)
    submission = send(planned, gateway, batch_size=batch_size, at_once=at_once, on_refused=on_refused)
    assert _matches(planned, gateway)
    assert submission.calls == len(gateway.batches)
    if not submission.stopped_by and len(gateway.batches) >= len(script):
        left = [planned.outcomes.reason(row) for row in planned.outcomes.rows(Outcome.NOT_ATTEMPTED)]
        assert all(reason.startswith("the gateway refused this text") for reason in left)


@settings(max_examples=settings.default.max_examples // 2)
@given(st.lists(_outcomes, max_size=20), st.integers(1, 3), st.integers(1, 40))
def test_counts_also_add_up_with_threads(script, batch_size, count):
    planned, gateway = plan_of(numbers(count)), ScriptedGateway.saying(*script)
    with ThreadPoolExecutor(3) as pool:
        submission = send(planned, gateway, batch_size=batch_size, at_once=3, executor=pool)
    assert _matches(planned, gateway)
    assert submission.calls == len(gateway.batches)


def test_two_submissions_of_one_plan_cannot_both_send_with_the_same_ledger():
    ledger, gateway = MemoryLedger(), ScriptedGateway()
    one, other = (Submission(plan_of(numbers(10)), ledger, limits(batch_size=1)) for _ in range(2))
    run(one, gateway)
    with pytest.raises(LedgerConflictError):
        run(other, gateway)
    assert gateway.handed == {number: ["Hello"] for number in numbers(10)}
