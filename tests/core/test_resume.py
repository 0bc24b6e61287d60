import pytest

from airflow_provider_ismart.core.batching import batches
from airflow_provider_ismart.core.dispatch import Submission
from airflow_provider_ismart.core.ledger import MemoryLedger
from airflow_provider_ismart.core.other_tasks import RowsOfOtherTasks
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate, Outcome
from airflow_provider_ismart.core.resume import unsent
from tests.core.scripted import (
    ACCEPTED,
    NOT_SENT,
    UNCERTAIN,
    ScriptedGateway,
    counts,
    limits,
    numbers,
    plan_of,
    plan_of_rows,
    refused,
    run,
    send,
)

A, B, C = numbers(3)


def after(rows, outcome=ACCEPTED, **options):
    """Return the ledger that a first try of these rows leaves."""
    ledger = MemoryLedger()
    send(plan_of_rows(rows, **options), ScriptedGateway.saying(then=outcome), ledger=ledger)
    return ledger


def after_a_crash(rows):
    """Return the ledger of a try that died during a call."""
    ledger = MemoryLedger()
    submission = Submission(plan_of_rows(rows), ledger, limits())
    submission.record({}, submission.take(0, 1))
    return ledger


def second(rows, ledger, gateway=None, **options):
    """Return what a second try sends, and the outcomes of its rows."""
    deduplicate = options.pop("deduplicate", True)
    gateway = gateway or ScriptedGateway()
    planned = plan_of_rows(rows, deduplicate=deduplicate)
    send(planned, gateway, ledger=ledger, **options)
    return gateway.handed, [planned.outcomes[row].value for row in range(len(rows))]


def test_a_second_try_repeats_nothing():
    rows = [(A, "x"), (B, "x"), (A, "y")]
    assert second(rows, after(rows)) == ({}, ["already_sent"] * 3)


def test_a_second_try_sends_only_the_remaining_rows():
    ledger = MemoryLedger()
    first = plan_of(numbers(10))
    send(first, ScriptedGateway.saying(ACCEPTED, ACCEPTED, refused(4)), ledger=ledger, batch_size=2)
    assert counts(first) == {"accepted": 4, "refused": 2, "not_attempted": 4}
    again, gateway = plan_of(numbers(10)), ScriptedGateway()
    send(again, gateway, ledger=ledger, batch_size=2)
    assert counts(again) == {"already_sent": 4, "accepted": 6}
    assert set(gateway.handed) == set(numbers(10)[4:])


@pytest.mark.parametrize("outcome", [refused(9), refused(4), NOT_SENT])
def test_the_next_try_sends_refused_and_unsent_rows(outcome):
    assert second([(A, "x")], after([(A, "x")], outcome)) == ({A: ["x"]}, ["accepted"])


def test_uncertain_rows_stay_uncertain():
    ledger = after([(A, "x")], UNCERTAIN)
    assert second([(A, "x")], ledger) == ({}, ["uncertain"])
    assert second([(A, "x")], ledger) == ({}, ["uncertain"])


def test_uncertain_rows_are_sent_again_with_resend():
    ledger = after([(A, "x")], UNCERTAIN)
    assert second([(A, "x")], ledger, resend_uncertain=True) == ({A: ["x"]}, ["accepted"])
    assert second([(A, "x")], ledger, resend_uncertain=True) == ({}, ["already_sent"])


def test_calls_in_flight_at_a_crash_are_uncertain():
    rows = [(A, "x"), (B, "x"), (C, "y")]
    ledger = after_a_crash(rows)
    assert second(rows, ledger) == ({C: ["y"]}, ["uncertain", "uncertain", "accepted"])


def test_calls_in_flight_at_a_crash_are_sent_again_with_resend():
    rows = [(A, "x"), (B, "x")]
    ledger = after_a_crash(rows)
    assert second(rows, ledger, resend_uncertain=True) == ({A: ["x"], B: ["x"]}, ["accepted"] * 2)
    assert second(rows, ledger, resend_uncertain=True) == ({}, ["already_sent"] * 2)


def test_a_changed_text_is_not_sent_to_recipients_of_the_old_text():
    ledger = after([(A, "x")])
    planned = plan_of_rows([(A, "new"), (B, "new")])
    gateway = ScriptedGateway()
    send(planned, gateway, ledger=ledger)
    assert gateway.handed == {B: ["new"]}
    assert planned.outcomes[0] is Outcome.ALREADY_SENT
    assert planned.outcomes.reason(0) == "accepted in an earlier try, with another text"


@pytest.mark.parametrize("was_on", [False, True])
def test_switching_simplify_text_between_tries_sends_nothing_twice(was_on):
    ledger, gateway = MemoryLedger(), ScriptedGateway.saying(ACCEPTED, refused(4))
    for is_on, answers in ((was_on, gateway), (not was_on, again := ScriptedGateway())):
        planned = plan_of([A, B], "It’s due", simplify_text=is_on)
        send(planned, answers, ledger=ledger, batch_size=1)
    assert gateway.handed == {A: ["It's due" if was_on else "It’s due"]}
    assert again.handed == {B: ["It’s due" if was_on else "It's due"]}
    assert counts(planned) == {"already_sent": 1, "accepted": 1}


def test_a_changed_text_of_an_uncertain_row_stays_uncertain():
    assert second([(A, "new")], after([(A, "x")], UNCERTAIN)) == ({}, ["uncertain"])
    assert second([(A, "new")], after_a_crash([(A, "x")])) == ({}, ["uncertain"])


def test_a_changed_text_of_an_uncertain_row_is_sent_with_resend():
    ledger = after_a_crash([(A, "x")])
    assert second([(A, "new")], ledger, resend_uncertain=True) == ({A: ["new"]}, ["accepted"])
    assert second([(A, "new")], ledger, resend_uncertain=True) == ({}, ["already_sent"])


def test_an_uncertain_text_is_not_resent_after_another_text_was_accepted_instead():
    ledger = after([(A, "old")], UNCERTAIN)
    second([(A, "new")], ledger, resend_uncertain=True)
    handed, outcomes = second([(A, "old")], ledger, resend_uncertain=True)
    assert (handed, outcomes) == ({}, ["already_sent"])


def test_a_changed_text_of_a_refused_row_is_sent():
    assert second([(A, "new")], after([(A, "x")], refused(6))) == ({A: ["new"]}, ["accepted"])


def test_a_recorded_text_replaces_only_one_row():
    rows = [(A, "x"), (A, "y")]
    assert second([(A, "x"), (A, "z")], after(rows)) == ({}, ["already_sent", "already_sent"])
    assert second([(A, "z"), (A, "x"), (A, "w")], after(rows)) == (
        {A: ["w"]},
        ["already_sent", "already_sent", "accepted"],
    )


def test_added_rows_are_sent_and_removed_rows_are_ignored():
    ledger = after([(A, "x"), (B, "x")])
    assert second([(C, "x"), (A, "x"), (A, "y")], ledger) == (
        {C: ["x"], A: ["y"]},
        ["accepted", "already_sent", "accepted"],
    )


def test_the_order_of_rows_does_not_matter():
    rows = [(A, "x"), (B, "y"), (C, "x")]
    assert second(rows[::-1], after(rows)) == ({}, ["already_sent"] * 3)


def test_the_notation_of_a_number_does_not_matter():
    assert second([("+968 9000 0000", "x")], after([(A, "x")])) == ({}, ["already_sent"])


def test_each_kept_copy_is_sent_once():
    rows = [(A, "x")] * 3
    assert second(rows, after(rows, deduplicate=False), deduplicate=False) == ({}, ["already_sent"] * 3)
    assert second(rows, after(rows), deduplicate=False) == (
        {A: ["x", "x"]},
        ["already_sent", "accepted", "accepted"],
    )


def test_rows_that_another_task_is_sending_are_left_to_it():
    ledger = after_a_crash([(A, "x")])
    planned = plan_of_rows([(A, "x"), (B, "x")])
    other_tasks = RowsOfOtherTasks(planned.outcomes, ledger)
    for resend in (False, True):
        left = unsent(planned, ledger, limits(), other_tasks, resend_uncertain=resend)()
        assert [batch.rows for batch in left] == [(1,)]
    assert planned.outcomes[0] is Outcome.UNCERTAIN


@pytest.mark.parametrize(
    ("state", "outcome", "goes_on"),
    [
        ("submitting", "uncertain", True),
        ("accepted", "already_sent", False),
        ("uncertain", "uncertain", False),
        ("refused", "not_attempted", False),
        ("not_sent", "not_attempted", False),
    ],
)
def test_outcomes_of_another_tasks_rows_are_read_from_the_ledger(state, outcome, goes_on):
    ledger = after_a_crash([(A, "x")])
    planned = plan_of_rows([(A, "x")])
    other_tasks = RowsOfOtherTasks(planned.outcomes, ledger)
    assert list(unsent(planned, ledger, limits(), other_tasks)()) == []
    assert other_tasks.poll()
    for fate in Fate:
        if fate.value == state:
            (in_flight,) = batches(plan_of_rows([(A, "x")]).groups, limits())
            ledger.write([(in_flight, CallOutcome(fate=fate))], [])
    assert other_tasks.poll() is goes_on
    assert planned.outcomes[0].value == outcome
    assert other_tasks.poll() is goes_on


@pytest.mark.parametrize("text", ["x", "a corrected x"])
def test_the_reason_says_whether_another_task_is_sending_a_different_text(text):
    ledger = after_a_crash([(A, "x")])
    planned = plan_of_rows([(A, text)])
    other_tasks = RowsOfOtherTasks(planned.outcomes, ledger)
    assert list(unsent(planned, ledger, limits(), other_tasks)()) == []
    assert (", with another text" in planned.outcomes.reason(0)) is (text != "x")
    (in_flight,) = batches(plan_of_rows([(A, "x")]).groups, limits())
    ledger.write([(in_flight, UNCERTAIN)], [])
    other_tasks.poll()
    assert (", with another text" in planned.outcomes.reason(0)) is (text != "x")


def test_another_tasks_message_does_not_replace_other_texts_to_the_number():
    ledger = MemoryLedger()
    (theirs,) = batches(plan_of_rows([(A, "x")]).groups, limits())
    ledger.write([], [theirs])
    planned = plan_of_rows([(A, "x"), (A, "y")])
    other_tasks = RowsOfOtherTasks(planned.outcomes, ledger)
    (mine,) = unsent(planned, ledger, limits(), other_tasks)()
    ledger.write([], [mine])
    ledger.write([(mine, ACCEPTED), (theirs, NOT_SENT)], [])
    assert not other_tasks.poll()
    assert planned.outcomes[0] is Outcome.NOT_ATTEMPTED


class SharedLedger(MemoryLedger):
    """Grant no number for which ``others`` have recorded an intent."""

    def __init__(self, others):
        super().__init__()
        self._others = others

    def write(self, settled, intents):
        granted = [batch for batch in intents if not set(batch.msisdns) & self._others]
        return super().write(settled, granted)


def test_numbers_that_another_task_claimed_meanwhile_are_not_sent():
    planned, gateway = plan_of(numbers(6)), ScriptedGateway()
    submission = Submission(planned, SharedLedger(set(numbers(6)[:3])), limits(batch_size=1))
    run(submission, gateway)
    assert set(gateway.handed) == set(numbers(6)[3:])
    assert counts(planned) == {"uncertain": 3, "accepted": 3}
    assert "another task was sending this message" in planned.outcomes.reason(0)
    assert not submission.other_tasks.poll()  # the ledger says that they got another text
    assert counts(planned) == {"not_attempted": 3, "accepted": 3}
