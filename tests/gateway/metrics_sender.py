"""Sends and probes in a process of its own, whose Airflow keeps metrics; writes what the send came to."""

import json
import sys
from contextlib import suppress

from airflow_provider_ismart.exceptions import ISmartError
from airflow_provider_ismart.hooks.ismart import ISmartHook


def start_metrics():
    """Do what Airflow 3.3 does when a task's process starts; before it, metrics start by themselves."""
    with suppress(ImportError):
        from airflow.sdk.observability import stats
        from airflow.sdk.observability.metrics import stats_utils

        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)


if __name__ == "__main__":
    start_metrics()
    hook = ISmartHook()
    numbers = [f"9689000{number:04}" for number in range(int(sys.argv[1]))]
    try:
        report = hook.send([*numbers, "no number"], "Hello")
    except ISmartError as error:
        report = error.report.as_json()
    hook.probe()
    sys.stdout.write(json.dumps(report["outcomes"]))
