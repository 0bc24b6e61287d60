"""Check what each number got from mapped sends cleared after their lists had changed, on a real scheduler."""

from __future__ import annotations

import pytest

from tests.acceptance.mapped_sends.conftest import A, B, C

#: A hundred tasks run, each in a process of its own, on as few cores as there may be.
pytestmark = pytest.mark.timeout(1800)

WAYS = ("expand", "running", "kwargs", "group", "taskflow", "transfer", "hook")


def test_the_first_runs_send_once_to_each_number(runs):
    for way in WAYS:
        for ending in ("sql", "airflow"):
            assert runs.states(f"{way}_{ending}") == ["success", "success"], f"{way}_{ending}"
            assert runs.messages(f"{way}_{ending}") == dict.fromkeys(A + B, 1)


def test_a_function_in_another_interpreter_sends_once_over_all_tries(runs):
    assert runs.states("external") == ["failed"]
    assert runs.messages("external") == dict.fromkeys(A, 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_clear_with_a_sql_ledger_sends_the_remaining_rows(cleared, way):
    assert cleared.states(f"{way}_sql") == ["success"] * 3
    assert cleared.messages(f"{way}_sql") == dict.fromkeys(A + B + C, 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_clear_without_a_sql_ledger_sends_nothing_and_fails(cleared, way):
    assert cleared.states(f"{way}_airflow") == ["failed"] * 3
    assert cleared.messages(f"{way}_airflow") == dict.fromkeys(A + B, 1)
