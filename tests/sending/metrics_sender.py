"""Send and probe in processes whose Airflow reports metrics; print the outcomes of each send.

Each is a fork of one that has imported Airflow, and has its environment from a line of JSON.
"""

import json
import os
import sys
from contextlib import suppress

from airflow_provider_ismart.exceptions import ISmartError
from airflow_provider_ismart.gateway import client
from airflow_provider_ismart.hooks.ismart import ISmartHook

client.MAX_BACK_OFF_SECONDS = 0.01  # retry immediately instead of after seconds


def start_metrics():
    """Do what Airflow 3.3 does when a task's process starts; earlier versions start metrics themselves."""
    with suppress(ImportError):
        from airflow.sdk.observability import stats
        from airflow.sdk.observability.metrics import stats_utils

        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)


def send(count):
    start_metrics()
    hook = ISmartHook()
    numbers = [f"9689000{number:04}" for number in range(count)]
    try:
        report = hook.send([*numbers, "no number"], "Hello")
    except ISmartError as error:
        report = error.report.as_json()
    hook.probe()
    return report["outcomes"]


def answers():
    """Yield the pipe to the caller, and keep Airflow's logs on standard output out of it."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return pipe


if __name__ == "__main__":
    pipe = answers()
    for line in sys.stdin:
        count, environment = json.loads(line)
        pid = os.fork()
        if not pid:
            os.environ |= environment
            pipe.write(json.dumps(send(count)) + "\n")
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            sys.exit("a send failed in a way that it should not")
