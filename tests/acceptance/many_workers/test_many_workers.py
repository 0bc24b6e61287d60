"""Check one send over many tasks on two Celery workers, one of which was killed."""

from __future__ import annotations

from collections import Counter

import pytest

NUMBERS = 100_000
PIECES = 20
BATCH_SIZE = 50
MAX_CONCURRENCY = 4
POOL_SLOTS = 6


def test_the_kill_hit_tasks_during_their_sends(sent):
    assert sent.killed
    assert NUMBERS // 2 <= sent.accepted_before < NUMBERS
    assert sum(sent.reports[piece]["outcomes"]["already_sent"] for piece in sent.killed) > 0


def test_no_number_is_messaged_twice(sent):
    assert [number for number, times in sent.told.items() if times > 1] == []


def test_every_number_is_accepted_or_uncertain_in_one_report_and_the_journal_agrees(sent):
    everybody = {f"9689{number:07}" for number in range(NUMBERS)}
    assert sent.outcomes.keys() == everybody
    assert {len(outcomes) for outcomes in sent.outcomes.values()} == {1}
    outcomes = {number: outcome for number, [outcome] in sent.outcomes.items()}
    assert set(outcomes.values()) <= {"accepted", "already_sent", "uncertain"}
    sure = {number for number, outcome in outcomes.items() if outcome != "uncertain"}
    assert sure <= sent.told.keys() <= everybody


def test_the_reports_add_up(sent):
    summed = Counter()
    for report in sent.reports:
        assert report["rows"] == NUMBERS // PIECES == sum(report["outcomes"].values())
        summed.update(report["outcomes"])
    assert summed.total() == NUMBERS
    assert +summed == Counter(outcome for [outcome] in sent.outcomes.values())


def test_the_ledger_has_every_number(sent, postgres):
    states = dict(postgres.query("ledger", "SELECT state, sum(numbers) FROM ismart_ledger_call GROUP BY state"))
    uncertain = sum(report["outcomes"]["uncertain"] for report in sent.reports)
    assert states == {"accepted": NUMBERS - uncertain} | ({"uncertain": uncertain} if uncertain else {})


def test_a_killed_task_leaves_only_rows_in_flight_uncertain(sent):
    for piece, report in enumerate(sent.reports):
        most = 2 * MAX_CONCURRENCY * BATCH_SIZE if piece in sent.killed else 0
        assert report["outcomes"]["uncertain"] <= most


def test_the_pool_limits_concurrent_sends(sent):
    assert 1 < sent.most_at_once <= POOL_SLOTS


@pytest.fixture(autouse=True, scope="module")
def figures(sent):
    """Print the figures, for readers of the tests' output."""
    yield
    twice = sum(times > 1 for times in sent.told.values())
    uncertain = sum(report["outcomes"]["uncertain"] for report in sent.reports)
    print(  # noqa: T201
        f"many_workers: {len(sent.killed)} of {PIECES} tasks killed with their worker at"
        f" {sent.accepted_before:,} messages, {len(sent.told):,} told, {twice} twice, {uncertain:,} uncertain,"
        f" {sent.most_at_once} tasks at once"
    )
