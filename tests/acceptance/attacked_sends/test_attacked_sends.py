"""Check sends that were repeatedly killed or disconnected and then finished by Airflow's retries."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.acceptance.attacked_sends.conftest import KILLS

NUMBERS = 8_000
BATCH_SIZE = 50
MAX_CONCURRENCY = 2

SENDS = [
    "killed_with_postgres",
    "killed_with_sqlite",
    "killed_with_task_state",
    "killed_with_its_supervisor_with_postgres",
    "killed_with_its_supervisor_with_task_state",
    "cut_off_from_postgres",
    "cut_off_from_the_api_server",
]


@pytest.fixture(params=SENDS)
def run(request, version, runs):
    if request.param not in runs:
        pytest.skip("the task state store came with Airflow 3.3")
    return runs[request.param]


def test_no_number_is_messaged_twice(run, gateway, record_property):
    told = gateway.told(f"Acceptance of {run.name}")
    record_property("numbers told", len(told))
    assert [number for number, times in told.items() if times > 1] == []


def test_every_row_ends_accepted_or_uncertain_and_the_journal_agrees(run, gateway):
    told, outcomes = gateway.told(f"Acceptance of {run.name}").keys(), run.outcomes()
    assert len(outcomes) == NUMBERS
    assert set(outcomes.values()) <= {"accepted", "already_sent", "uncertain"}
    sure = {number for number, outcome in outcomes.items() if outcome != "uncertain"}
    assert sure <= told
    assert told - sure <= outcomes.keys()


def test_the_report_adds_up(run):
    report = run.report()
    counts = Counter(run.outcomes().values())
    assert report["rows"] == NUMBERS == sum(report["outcomes"].values())
    assert {outcome: count for outcome, count in report["outcomes"].items() if count} == dict(counts)


def test_a_killed_try_leaves_only_rows_in_flight_uncertain(run):
    tries_that_died = len(run.tries()) - 1
    assert run.report()["outcomes"]["uncertain"] <= tries_that_died * 2 * MAX_CONCURRENCY * BATCH_SIZE


def test_the_kills_hit_running_sends(runs):
    for name, run in runs.items():
        if name in {"killed_with_postgres", "killed_with_sqlite", "killed_with_task_state"}:
            assert run.kills == KILLS
            assert len(run.tries()) > KILLS


@pytest.fixture(autouse=True, scope="module")
def figures(runs, gateway):
    """Print the figures, for readers of the tests' output."""
    yield
    for name, run in runs.items():
        told = gateway.told(f"Acceptance of {name}")
        twice = sum(times > 1 for times in told.values())
        print(  # noqa: T201
            f"{name}: {run.kills} processes killed, {len(run.tries())} tries, {len(told):,} told,"
            f" {twice} twice, {run.report()['outcomes']['uncertain']:,} uncertain"
        )


def test_clearing_a_finished_task_makes_no_call(airflow, runs, gateway):
    calls, tries = gateway.calls(), {name: len(run.tries()) for name, run in runs.items()}
    airflow.clear_all()
    for name, run in runs.items():
        run.wait_for_try(tries[name] + 1)
        run.wait_for_end()
        outcomes = run.report()["outcomes"]
        assert outcomes["already_sent"] + outcomes["uncertain"] == NUMBERS
    assert gateway.calls() == calls
