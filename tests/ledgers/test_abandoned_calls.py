"""One key, and a call that another task is making, or was when it died."""

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
    """Another task of the key, which has recorded an intent for the first number and no outcome."""
    ledger = opened(database, scope=f"key:{KEY}", task="task:dag/run/piece/7")
    intent = batch(ONE, text="Hello")
    ledger.write([], [intent])
    return ledger, intent


def test_who_was_left_in_mid_call_by_a_task_that_is_gone_is_uncertain_for_the_others(
    other_task, send, database, told
):
    report = send([ONE, TWO], ledger=database.connection, key=KEY, on_uncertain="accept")
    assert (report.outcomes[Outcome.UNCERTAIN], report.outcomes[Outcome.ACCEPTED]) == (1, 1)
    assert told() == {TWO: 1}


def test_a_task_that_finds_such_a_call_fails_as_with_an_uncertain_one_of_its_own(other_task, send, database, told):
    with pytest.raises(ISmartUncertainFinalError):
        send([ONE, TWO], ledger=database.connection, key=KEY)
    assert told() == {TWO: 1}


@pytest.mark.parametrize("fate", [Fate.ACCEPTED, Fate.UNCERTAIN])
def test_a_call_of_another_task_that_has_ended_counts_as_what_it_ended_as(fate, other_task, send, database, told):
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
def test_a_call_of_a_task_that_is_alive_is_waited_for(fate, outcome_here, other_task, send, database, told):
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
