"""Report the metrics of sends and probes through Airflow. ``docs/metrics.md`` lists their names."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_ismart.core.outcomes import Fate

if TYPE_CHECKING:
    from airflow_provider_ismart.core.outcomes import CallOutcome
    from airflow_provider_ismart.core.report import Report


def count_call(outcome: CallOutcome) -> None:
    """Count a call by its outcome, and record its retries and duration.

    It never raises, because a failed metric must not make the call's outcome unknown.
    """
    with suppress(Exception):
        Stats.incr(f"ismart.calls.{_answer(outcome)}")
        if outcome.attempts > 1:
            Stats.incr("ismart.retries", outcome.attempts - 1)
        if outcome.seconds is not None:
            Stats.timing("ismart.call_duration", timedelta(seconds=outcome.seconds))


def count_probe(outcome: CallOutcome) -> None:
    """Count a probe by its outcome. It never raises."""
    with suppress(Exception):
        Stats.incr(f"ismart.probes.{_answer(outcome)}")


def count_numbers(report: Report) -> None:
    """Count the rows of one try by outcome. It never raises."""
    with suppress(Exception):
        for outcome, count in report.outcomes.items():
            if count:
                Stats.incr(f"ismart.numbers.{outcome.value}", count)


def _answer(outcome: CallOutcome) -> str:
    if outcome.code is not None:
        return f"code_{outcome.code}"
    return "uncertain" if outcome.fate is Fate.UNCERTAIN else "not_sent"
