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
    """The ledger that a first try of these rows leaves."""
    ledger = MemoryLedger()
    send(plan_of_rows(rows, **options), ScriptedGateway.saying(then=outcome), ledger=ledger)
    return ledger


def after_a_crash(rows):
    """The ledger of a try that died in mid-call."""
    ledger = MemoryLedger()
    submission = Submission(plan_of_rows(rows), ledger, limits())
    submission.record({}, submission.take(0, 1))
    return ledger


def second(rows, ledger, gateway=None, **options):
    """What a second try sends, and what it makes of its rows."""
    deduplicate = options.pop("deduplicate", True)
    gateway = gateway or ScriptedGateway()
    planned = plan_of_rows(rows, deduplicate=deduplicate)
    send(planned, gateway, ledger=ledger, **options)
    return gateway.handed, [planned.outcomes[row].value for row in range(len(rows))]


def test_a_second_try_sends_nothing_again():
    rows = [(A, "x"), (B, "x"), (A, "y")]
    assert second(rows, after(rows)) == ({}, ["already_sent"] * 3)


def test_a_second_try_finishes_what_the_first_began():
    ledger = MemoryLedger()
    first = plan_of(numbers(10))
    send(first, ScriptedGateway.saying(ACCEPTED, ACCEPTED, refused(4)), ledger=ledger, batch_size=2)
    assert counts(first) == {"accepted": 4, "refused": 2, "not_attempted": 4}
    again, gateway = plan_of(numbers(10)), ScriptedGateway()
    send(again, gateway, ledger=ledger, batch_size=2)
    assert counts(again) == {"already_sent": 4, "accepted": 6}
    assert set(gateway.handed) == set(numbers(10)[4:])


@pytest.mark.parametrize("outcome", [refused(9), refused(4), NOT_SENT])
def test_what_nobody_got_is_sent_by_the_next_try(outcome):
    assert second([(A, "x")], after([(A, "x")], outcome)) == ({A: ["x"]}, ["accepted"])


def test_what_is_uncertain_stays_so():
    ledger = after([(A, "x")], UNCERTAIN)
    assert second([(A, "x")], ledger) == ({}, ["uncertain"])
    assert second([(A, "x")], ledger) == ({}, ["uncertain"])


def test_what_is_uncertain_is_sent_again_when_that_is_asked_for():
    ledger = after([(A, "x")], UNCERTAIN)
    assert second([(A, "x")], ledger, resend_uncertain=True) == ({A: ["x"]}, ["accepted"])
    assert second([(A, "x")], ledger, resend_uncertain=True) == ({}, ["already_sent"])


def test_what_a_crash_left_in_mid_call_is_uncertain():
    rows = [(A, "x"), (B, "x"), (C, "y")]
    ledger = after_a_crash(rows)
    assert second(rows, ledger) == ({C: ["y"]}, ["uncertain", "uncertain", "accepted"])


def test_what_a_crash_left_in_mid_call_is_sent_again_when_that_is_asked_for():
    rows = [(A, "x"), (B, "x")]
    ledger = after_a_crash(rows)
    assert second(rows, ledger, resend_uncertain=True) == ({A: ["x"], B: ["x"]}, ["accepted"] * 2)
    assert second(rows, ledger, resend_uncertain=True) == ({}, ["already_sent"] * 2)


def test_a_text_that_was_changed_between_two_tries_is_not_sent_to_who_got_the_old_one():
    ledger = after([(A, "x")])
    planned = plan_of_rows([(A, "new"), (B, "new")])
    gateway = ScriptedGateway()
    send(planned, gateway, ledger=ledger)
    assert gateway.handed == {B: ["new"]}
    assert planned.outcomes[0] is Outcome.ALREADY_SENT
    assert planned.outcomes.reason(0) == "accepted in an earlier try, with another text"


@pytest.mark.parametrize("was_on", [False, True])
def test_simplify_text_that_was_changed_between_two_tries_sends_to_nobody_twice(was_on):
    ledger, gateway = MemoryLedger(), ScriptedGateway.saying(ACCEPTED, refused(4))
    for is_on, answers in ((was_on, gateway), (not was_on, again := ScriptedGateway())):
        planned = plan_of([A, B], "It’s due", simplify_text=is_on)
        send(planned, answers, ledger=ledger, batch_size=1)
    assert gateway.handed == {A: ["It's due" if was_on else "It’s due"]}
    assert again.handed == {B: ["It’s due" if was_on else "It's due"]}
    assert counts(planned) == {"already_sent": 1, "accepted": 1}


def test_an_uncertain_text_that_was_changed_is_uncertain_still():
    assert second([(A, "new")], after([(A, "x")], UNCERTAIN)) == ({}, ["uncertain"])
    assert second([(A, "new")], after_a_crash([(A, "x")])) == ({}, ["uncertain"])


def test_an_uncertain_text_that_was_changed_is_sent_in_its_new_form_with_resend_uncertain():
    ledger = after_a_crash([(A, "x")])
    assert second([(A, "new")], ledger, resend_uncertain=True) == ({A: ["new"]}, ["accepted"])
    assert second([(A, "new")], ledger, resend_uncertain=True) == ({}, ["already_sent"])


def test_an_uncertain_text_is_not_resent_once_another_text_was_accepted_in_its_place():
    ledger = after([(A, "old")], UNCERTAIN)
    second([(A, "new")], ledger, resend_uncertain=True)
    handed, outcomes = second([(A, "old")], ledger, resend_uncertain=True)
    assert (handed, outcomes) == ({}, ["already_sent"])


def test_a_refused_text_that_was_changed_is_sent_in_its_new_form():
    assert second([(A, "new")], after([(A, "x")], refused(6))) == ({A: ["new"]}, ["accepted"])


def test_a_changed_text_stands_for_one_row_alone():
    rows = [(A, "x"), (A, "y")]
    assert second([(A, "x"), (A, "z")], after(rows)) == ({}, ["already_sent", "already_sent"])
    assert second([(A, "z"), (A, "x"), (A, "w")], after(rows)) == (
        {A: ["w"]},
        ["already_sent", "already_sent", "accepted"],
    )


def test_a_row_that_was_added_is_sent_and_one_that_is_gone_does_not_matter():
    ledger = after([(A, "x"), (B, "x")])
    assert second([(C, "x"), (A, "x"), (A, "y")], ledger) == (
        {C: ["x"], A: ["y"]},
        ["accepted", "already_sent", "accepted"],
    )


def test_rows_in_another_order_are_the_same_rows():
    rows = [(A, "x"), (B, "y"), (C, "x")]
    assert second(rows[::-1], after(rows)) == ({}, ["already_sent"] * 3)


def test_a_number_that_is_written_in_another_way_is_the_same_number():
    assert second([("+968 9000 0000", "x")], after([(A, "x")])) == ({}, ["already_sent"])


def test_copies_that_are_kept_are_sent_once_each():
    rows = [(A, "x")] * 3
    assert second(rows, after(rows, deduplicate=False), deduplicate=False) == ({}, ["already_sent"] * 3)
    assert second(rows, after(rows), deduplicate=False) == (
        {A: ["x", "x"]},
        ["already_sent", "accepted", "accepted"],
    )


def test_what_another_task_is_sending_is_left_to_it():
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
def test_the_outcome_of_what_another_task_was_sending_is_read_from_the_ledger(state, outcome, goes_on):
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


def test_what_another_task_tells_a_number_stands_for_no_other_text_of_it():
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
    """Grants no number that ``others`` have recorded their intent for."""

    def __init__(self, others):
        super().__init__()
        self._others = others

    def write(self, settled, intents):
        granted = [batch for batch in intents if not set(batch.msisdns) & self._others]
        return super().write(settled, granted)


def test_numbers_that_another_task_took_meanwhile_are_not_sent():
    planned, gateway = plan_of(numbers(6)), ScriptedGateway()
    submission = Submission(planned, SharedLedger(set(numbers(6)[:3])), limits(batch_size=1))
    run(submission, gateway)
    assert set(gateway.handed) == set(numbers(6)[3:])
    assert counts(planned) == {"uncertain": 3, "accepted": 3}
    assert "another task was sending this message" in planned.outcomes.reason(0)
    assert not submission.other_tasks.poll()  # the ledger says that they got another text
    assert counts(planned) == {"not_attempted": 3, "accepted": 3}
