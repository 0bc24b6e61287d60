"""Map the same send in every way that Airflow offers, and send from a function in another interpreter."""

import json
import os
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from airflow import __version__
from airflow.providers.common.compat.sdk import DAG, task, task_group

from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.transfers.sql_to_ismart import SqlToISmartOperator

NOTES = Path(os.environ["ACCEPTANCE_NOTES"])
IS_AIRFLOW_2 = __version__.startswith("2.")
OPTIONS = {"retries": 1, "retry_delay": timedelta(0)}
#: By their ending: the ledger's connection, or none for what Airflow has.
LEDGERS = {"sql": "ledger", "airflow": None}


def dag(name):
    return DAG(name, schedule=None if IS_AIRFLOW_2 else "@once", start_date=datetime(2026, 1, 1))  # any will do


@task
def lists():
    return json.loads((NOTES / "lists.json").read_text())


@task
def as_parameters(lists):
    return [[json.dumps(one)] for one in lists]


@task
def as_kwargs(lists):
    return [{"recipients": one} for one in lists]


@task
def hold():
    """Keep the run running until the test ends it."""
    while not (NOTES / "let_runs_end").exists():
        time.sleep(0.5)


for ending, ledger in LEDGERS.items():
    send = {"ledger_conn_id": ledger, **OPTIONS}

    with dag(f"expand_{ending}") as made:
        message = f"Acceptance of {made.dag_id}"
        ISmartSendOperator.partial(task_id="send", message=message, **send).expand(recipients=lists())

    with dag(f"running_{ending}") as made:
        message = f"Acceptance of {made.dag_id}"
        ISmartSendOperator.partial(task_id="send", message=message, **send).expand(recipients=lists())
        hold()

    with dag(f"kwargs_{ending}") as made:
        message = f"Acceptance of {made.dag_id}"
        ISmartSendOperator.partial(task_id="send", message=message, **send).expand_kwargs(as_kwargs(lists()))

    with dag(f"group_{ending}") as made:
        options = {"message": f"Acceptance of {made.dag_id}", **send}

        @task_group
        def group(numbers, options=options):
            ISmartSendOperator(task_id="send", recipients=numbers, **options)

        group.expand(numbers=lists())

    with dag(f"taskflow_{ending}") as made:

        @task.ismart(task_id="send", message=f"Acceptance of {made.dag_id}", **send)
        def numbers_of(numbers):
            return numbers

        numbers_of.expand(numbers=lists())

    with dag(f"transfer_{ending}") as made:
        SqlToISmartOperator.partial(
            task_id="send",
            sql="SELECT value AS msisdn FROM json_each(?)",
            conn_id="numbers",
            message=f"Acceptance of {made.dag_id}",
            **send,
        ).expand(parameters=as_parameters(lists()))

    with dag(f"hook_{ending}") as made:

        @task(task_id="send", **OPTIONS)
        def send_by_hook(numbers, message=f"Acceptance of {made.dag_id}", conn_id=f"ismart_{ending}"):
            from airflow_provider_ismart.hooks.ismart import ISmartHook

            return ISmartHook(conn_id).send(numbers, message)["outcomes"]

        send_by_hook.expand(numbers=lists())

with dag("external") as made:

    @task.external_python(
        task_id="send",
        python=sys.executable,
        retries=2,
        retry_delay=timedelta(0),
        expect_airflow=False,
    )
    def send_elsewhere(numbers):
        from airflow_provider_ismart.hooks.ismart import ISmartHook

        ISmartHook("ismart_sql").send(numbers[0], "Acceptance of external")
        raise ValueError("something fails after the send")

    send_elsewhere(lists())
