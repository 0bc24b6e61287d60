"""The errors of sends that are refused because no ledger knows what earlier tries sent."""

from __future__ import annotations

from airflow_provider_ismart.coordination.task_identity import TaskIdentity
from airflow_provider_ismart.exceptions import ISmartUncertainFinalError


def records_elsewhere(ledger: str) -> ISmartUncertainFinalError:
    """Return the error of a task whose records are not in the ledger of this try."""
    return ISmartUncertainFinalError(
        f"This task has sent before, but {ledger} has no trace of it, so it is not known who got the message, "
        "and nothing is sent. Restore the database, or set ledger_conn_id and idempotency_key as they were when "
        "the run first sent. Otherwise find out who got the message (logs and results_path) and send to the "
        "others in a new run."
    )


def unknown_tries(task: TaskIdentity, why: str) -> ISmartUncertainFinalError:
    """Return the error of a later try that has no records of the tries before it."""
    return ISmartUncertainFinalError(
        f"This is try {task.try_number} of the task, {why}, so nothing is sent. Find out who got the message "
        "(logs and results_path) and send to the others in a new run. To have later tries resume, keep a ledger "
        "from the first try on: set ledger_conn_id to a PostgreSQL or SQLite connection, or run on Airflow 3.3, "
        "which needs no setup. Setting it now does not help this run: the ledger would be empty, and every "
        "recipient would get the message again."
    )
