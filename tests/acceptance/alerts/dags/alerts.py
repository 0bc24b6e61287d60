"""Fail in ways that raise alerts: credit runs out, passwords are wrong, many tasks fail together."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG, chain, get_current_context, task

from airflow_provider_ismart.notifications.ismart import ISmartCreditAlert, ISmartNotifier
from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor

NOTES = Path(os.environ["ACCEPTANCE_NOTES"])
FAILURES = int(os.environ["ACCEPTANCE_FAILURES"])
SINCE = {"start_date": datetime(2026, 1, 1), "catchup": False}
HOUR = timedelta(hours=1)
MODES = {
    "poke": {"poke_interval": 0.5},
    "reschedule": {"poke_interval": 2, "mode": "reschedule"},
    "deferred": {"poke_interval": 0.5, "deferrable": True},
}


def note(name):
    """Return a callback that reports its context to the test."""

    def record(context):
        found = {key: context[key] for key in context if key.startswith("ismart_")}
        with (NOTES / name).open("a") as notes:
            notes.write(json.dumps(found) + "\n")

    return record


def broken(context):
    raise RuntimeError("this notifier fails")


tell_of_dag = ISmartCreditAlert(notifiers=[note("alerts_of_dag")])
with DAG("credit_runs_out", schedule="@once", on_failure_callback=tell_of_dag, **SINCE):
    ISmartSendOperator(
        task_id="send",
        recipients=[f"968901{number:05}" for number in range(120)],
        message="Your bill is ready.",
        ismart_conn_id="money",
        on_failure_callback=ISmartCreditAlert(notifiers=[broken, note("alerts_of_task")], cooldown=HOUR),
    )

tell = ISmartCreditAlert(notifiers=[note("other_alerts")])
with DAG("fails_otherwise", schedule="@once", on_failure_callback=tell, **SINCE):

    @task(on_failure_callback=tell)
    def fail_otherwise():
        raise RuntimeError("this has nothing to do with credit")

    fail_otherwise()

for mode, options in MODES.items():
    with DAG(f"watch_{mode}", schedule="@once", **SINCE):
        chain(
            *(
                ISmartCreditSensor(
                    task_id=f"{wait_for}_{code}",
                    wait_for=wait_for,
                    ismart_conn_id="watched",
                    retries=2,
                    retry_delay=timedelta(0),
                    **options,
                )
                for code in (4, 13, 14)
                for wait_for in ("alert", "ok")
            )
        )
    with DAG(f"mistyped_{mode}", schedule="@once", **SINCE):
        ISmartCreditSensor(
            task_id="look", ismart_conn_id="mistyped", retries=2, retry_delay=timedelta(0), **options
        )

# as the hourly monitor of the examples, with ten hours to make up for
with DAG(
    "monitor",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    end_date=datetime(2026, 1, 1, 9),
    catchup=True,
    max_active_runs=1,
    max_consecutive_failed_dag_runs=3,
):
    ISmartCreditSensor(task_id="look", ismart_conn_id="mistyped_for_monitor", wait_for="ok", timeout=0)

many = {"throttle": HOUR, "ismart_conn_id": "paging"}
page = ISmartNotifier(recipients="96890000002", **many)
with DAG("many_fail", schedule="@once", on_failure_callback=page, **SINCE):

    @task(
        on_failure_callback=[
            ISmartNotifier(recipients="96890000001", **many),
            ISmartNotifier(recipients="96890000001", ismart_conn_id="mistyped_for_paging"),
        ]
    )
    def fail(number):
        raise RuntimeError("this one fails, too")

    fail.expand(number=list(range(FAILURES)))

with DAG("storm", schedule="@once", **SINCE):
    alert = {"recipients": "96890000003", "throttle_key": "storm", "ismart_conn_id": "paging"}

    @task(retries=5, retry_delay=timedelta(0))  # a busy machine may not get it started at first
    def fire(number):
        notifier, context = ISmartNotifier(throttle=HOUR, **alert), get_current_context()
        for _ in range(125):
            notifier(context)

    @task
    def fire_when_the_period_is_over():
        ISmartNotifier(throttle=timedelta(microseconds=1), **alert)(get_current_context())

    fire.expand(number=list(range(4))) >> fire_when_the_period_is_over()
