"""Run the same send under different names, so that the acceptance tests can attack each in its own way."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow import __version__
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_ismart.operators.ismart import ISmartSendOperator

NOTES = Path(os.environ["ACCEPTANCE_NOTES"])
SENDS = json.loads(os.environ["ACCEPTANCE_SENDS"])
IS_AIRFLOW_2 = __version__.startswith("2.")
NUMBERS = [f"9689{number:07}" for number in range(int(os.environ["ACCEPTANCE_NUMBERS"]))]


def note_try(context):
    """Report the processes of this try to the test."""
    task_instance = context["ti"]
    note = {"try": task_instance.try_number, "process": os.getpid(), "supervisor": os.getppid()}
    with (NOTES / f"{task_instance.dag_id}.tries").open("a") as tries:
        tries.write(json.dumps(note) + "\n")


def note_report(context, report):
    """Pass the report of the successful try to the test."""
    (NOTES / f"{context['ti'].dag_id}.report").write_text(json.dumps(report))


for name, ledger_conn_id in SENDS.items():
    with DAG(name, schedule=None if IS_AIRFLOW_2 else "@once", start_date=datetime(2026, 1, 1)):  # any will do
        ISmartSendOperator(
            task_id="send",
            recipients=NUMBERS,
            message=f"Acceptance of {name}",
            on_uncertain="accept",
            results_path=str(NOTES / f"{name}.csv"),
            ledger_conn_id=ledger_conn_id,
            retries=300,
            retry_delay=timedelta(0),
            pre_execute=note_try,
            post_execute=note_report,
        )
