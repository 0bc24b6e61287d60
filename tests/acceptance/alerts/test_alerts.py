"""Check who gets which alert, and how often, if credit runs out, a deadline passes or many tasks fail together."""

from __future__ import annotations

import pytest

#: poke, reschedule, deferred
MODES = 3


def test_notifiers_are_called_once_with_the_counts_if_the_credit_runs_out_during_a_send(events):
    [alert] = events.notes("alerts_of_task")
    assert (alert["ismart_code"], alert["ismart_description"]) == (4, "Credit is low")
    assert alert["ismart_help"]
    assert {outcome: count for outcome, count in alert["ismart_counts"].items() if count} == {
        "accepted": 50,
        "refused": 50,
        "not_attempted": 20,
    }


def test_callbacks_of_dags_get_the_same_although_they_get_no_exception(events):
    assert events.notes("alerts_of_dag") == events.notes("alerts_of_task")


def test_other_failures_send_no_credit_alert(events):
    assert events.notes("other_alerts") == []


def test_the_sensor_detects_trouble_and_its_end_in_each_mode_even_if_its_triggerer_is_killed(events):
    for code in (4, 13, 14):
        assert events.states(f"alert_{code}", "success") == MODES
        assert events.states(f"ok_{code}", "success") == MODES


def test_a_wrong_password_is_tried_at_most_once_per_sensor_run_and_does_not_lock_the_account(events):
    assert 1 <= events.gateways["mistyped"].calls() <= MODES
    assert not events.gateways["mistyped"].account()["locked"]


def test_the_hourly_monitor_tries_a_wrong_password_once_and_is_paused_after_three_runs(events):
    assert events.gateways["mistyped_for_monitor"].calls() == 1
    assert events.states("look", "failed") == MODES + 3


def test_40_failing_tasks_send_one_message(events):
    assert events.states("fail", "failed") == 40
    [text] = events.told("96890000001")
    assert text.startswith("Airflow: many_fail.fail[")
    assert "failed, try 1, run 2026-01-01 00:00Z, RuntimeError" in text


def test_their_failing_dag_sends_one_more_message(events):
    [text] = events.told("96890000002")
    assert text.startswith("Airflow: many_fail")
    assert "failed, run 2026-01-01 00:00Z" in text


def test_many_tasks_that_fail_together_try_a_wrong_password_once(events):
    assert events.gateways["mistyped_for_paging"].calls() == 1


def test_500_callbacks_in_four_processes_send_one_message_and_the_next_counts_the_others(events):
    first, second = events.told("96890000003")
    assert "suppressed" not in first
    assert second.endswith(" (+499 suppressed)")


def test_a_missed_deadline_sends_one_message(events, version):
    if version < (3, 1):
        pytest.skip("deadlines came with Airflow 3.1")
    [text] = events.told("96890000004")
    assert text.startswith("Airflow: late missed its deadline at ")


def test_a_dag_that_watches_the_credit_starts_when_trouble_starts(events, version):
    if version < (3, 1):
        pytest.skip("Airflow 2 has no asset watchers")
    seen = [code for codes in events.notes("asset_events") for code in codes]
    assert sorted(set(seen)) == [4, 13, 14]


def test_no_log_contains_a_password_or_a_number(events):
    assert not any(events.logs().values()), events.logs()
