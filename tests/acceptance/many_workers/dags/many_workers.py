"""Send many numbers in mapped tasks that share one idempotency key."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG, task

NOTES = Path(os.environ["ACCEPTANCE_NOTES"])
NUMBERS = int(os.environ["ACCEPTANCE_NUMBERS"])
PIECES = int(os.environ["ACCEPTANCE_PIECES"])


def note_try(context):
    """Report the process of this try to the test."""
    task_instance = context["ti"]
    note = {"piece": task_instance.map_index, "try": task_instance.try_number, "process": os.getpid()}
    (NOTES / f"{task_instance.map_index}.{task_instance.try_number}.try").write_text(json.dumps(note))


def note_report(context, report):
    """Pass the report of the successful try to the test."""
    (NOTES / f"{context['ti'].map_index}.report").write_text(json.dumps(report))


with DAG("many_workers", schedule="@once", start_date=datetime(2026, 1, 1)):  # any will do

    @task.ismart(
        message="Acceptance of many workers",
        on_uncertain="accept",
        results_path=str(NOTES / "{{ ti.map_index }}.csv"),
        ledger_conn_id="ledger",
        idempotency_key="many-workers",
        pool="ismart",
        retries=5,
        retry_delay=timedelta(0),
        pre_execute=note_try,
        post_execute=note_report,
    )
    def tell(piece):
        return [f"9689{number:07}" for number in range(piece, NUMBERS, PIECES)]

    tell.expand(piece=list(range(PIECES)))
