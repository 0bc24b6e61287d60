"""Test one key, with a call that another task is making, or was making when it died."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from airflow_provider_ismart.core.outcomes import Fate, Outcome
from airflow_provider_ismart.exceptions import ISmartUnavailableError, ISmartUncertainFinalError
from tests.ledgers.backings import batch, numbers, opened, outcome

KEY = "bills-2026-11"
ONE, TWO = numbers(2)


@pytest.fixture
def other_task(database):
    """Another task with the key, which has recorded an intent for the first number, but no outcome."""
    ledger = opened(database, scope=f"key:{KEY}", task="task:dag/run/piece/7")
    intent = batch(ONE, text="Hello")
    ledger.write([], [intent])
    return ledger, intent


def test_numbers_in_flight_at_a_dead_task_are_uncertain_for_other_tasks(other_task, send, database, told):
    report = send([ONE, TWO], ledger=database.connection, key=KEY, on_uncertain="accept")
    assert (report.outcomes[Outcome.UNCERTAIN], report.outcomes[Outcome.ACCEPTED]) == (1, 1)
    assert told() == {TWO: 1}


def test_an_abandoned_call_fails_other_tasks_like_their_own_uncertain_calls(other_task, send, database, told):
    with pytest.raises(ISmartUncertainFinalError):
        send([ONE, TWO], ledger=database.connection, key=KEY)
    assert told() == {TWO: 1}


@pytest.mark.parametrize("fate", [Fate.ACCEPTED, Fate.UNCERTAIN])
def test_the_outcome_of_another_tasks_ended_call_applies(fate, other_task, send, database, told):
    ledger, intent = other_task
    ledger.write([(intent, outcome(fate))], [])
    report = send([ONE, TWO], ledger=database.connection, key=KEY, on_uncertain="accept")
    expected = {Fate.ACCEPTED: Outcome.ALREADY_SENT, Fate.UNCERTAIN: Outcome.UNCERTAIN}[fate]
    assert (report.outcomes[expected], report.outcomes[Outcome.ACCEPTED]) == (1, 1)
    assert told() == {TWO: 1}


@pytest.mark.parametrize(
    ("fate", "outcome_here"),
    [(Fate.ACCEPTED, Outcome.ALREADY_SENT), (Fate.REFUSED, Outcome.NOT_ATTEMPTED)],
)
def test_a_task_waits_for_calls_of_other_running_tasks(fate, outcome_here, other_task, send, database, told):
    ledger, intent = other_task

    def end_once_this_task_waits():
        while not told():  # once the second number is sent to, this task has read the ledger
            sleep(0.01)
        ledger.write([(intent, outcome(fate))], [])

    with ThreadPoolExecutor(1) as other_process:
        ended = other_process.submit(end_once_this_task_waits)
        try:
            report = send([ONE, TWO], ledger=database.connection, key=KEY)
        except ISmartUnavailableError as error:  # a retry sends what the other task did not
            report = error.report
        ended.result()
    assert (report.outcomes[outcome_here], report.outcomes[Outcome.ACCEPTED]) == (1, 1)
    assert told() == {TWO: 1}
