"""Create the errors for sends that are refused because no ledger shows what earlier tries sent."""

from __future__ import annotations

from airflow_provider_ismart.coordination.task_identity import TaskIdentity
from airflow_provider_ismart.exceptions import ISmartUncertainFinalError


def records_elsewhere(ledger: str) -> ISmartUncertainFinalError:
    """Return the error of a task whose records are missing in the ledger of this try."""
    return ISmartUncertainFinalError(
        f"This task has already sent, but {ledger} has no record of it. It is unknown who got the message, so "
        "this try sends nothing. Restore the database, or set ledger_conn_id and idempotency_key as they were "
        "when the run first sent. Otherwise find out who got the message (logs and results files), and send to "
        "the others in a new run."
    )


def unknown_tries(task: TaskIdentity, why: str) -> ISmartUncertainFinalError:
    """Return the error of a later try that has no records of the earlier tries."""
    return ISmartUncertainFinalError(
        f"This is try {task.try_number} of the task, {why}, so it sends nothing. Find out who got the message "
        "(logs and results files), and send to the others in a new run. So that later tries can resume, keep a "
        "ledger from the first try on: set ledger_conn_id to a PostgreSQL or SQLite connection, or use Airflow "
        "3.3 or later, which needs no setup. Setting it now does not help this run: the ledger would be empty, "
        "and every recipient would get the message again."
    )
