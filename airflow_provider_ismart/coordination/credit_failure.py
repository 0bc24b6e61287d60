"""Pass a credit failure to callbacks, in the exception or in the failed task's XCom.

Airflow's DAG processor, which runs DAG-level callbacks, does not know why a task failed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_ismart.core.credit import ALERT_CODES
from airflow_provider_ismart.exceptions import ISmartError

if TYPE_CHECKING:
    from airflow_provider_ismart.sending.progress import Log

XCOM_KEY = "ismart_credit_failure"


class CreditFailure(NamedTuple):
    """A return code of kind credit, with the rows by outcome (empty after a sensor)."""

    code: int
    counts: Mapping[str, int]

    @classmethod
    def of(cls, error: BaseException | None) -> CreditFailure | None:
        """Return the credit failure that an error or one of its causes reports, if any."""
        while error is not None:
            if isinstance(error, ISmartError) and error.code in ALERT_CODES:
                outcomes = error.report.outcomes if error.report else {}
                return cls(code=error.code, counts={outcome.value: n for outcome, n in outcomes.items()})
            error = error.__cause__
        return None


def leave_for_callbacks(error: ISmartError, context: Mapping[str, Any], log: Log) -> None:
    """Push a credit failure to the XCom of the task of ``context``; ignore other errors.

    If this fails, it logs a warning.
    """
    found, ti = CreditFailure.of(error), context.get("ti")
    if found is None or ti is None:
        return
    try:
        ti.xcom_push(XCOM_KEY, {"code": found.code, "counts": dict(found.counts)})
    except Exception as trouble:  # noqa: BLE001  # whatever Airflow raises
        log.warning(
            "Could not pass the credit failure to the DAG's callbacks, so they send no credit alert: %s",
            type(trouble).__name__,
        )


def credit_failure(context: Mapping[str, Any]) -> CreditFailure | None:
    """Return the credit failure in a callback's context or in the XComs of its run, if any.

    If several tasks of the run had one, their counts are added up.

    :raises ISmartError: this is a callback of a DAG on Airflow 3.0.
    """
    error = context.get("exception")
    if isinstance(error, BaseException):
        return CreditFailure.of(error)
    ti = context.get("ti")
    if ti is None or "reason" not in context:  # only DAG-level callbacks have a reason
        return None
    if not _xcoms_can_be_read():
        raise ISmartError(
            "On Airflow 3.0, a DAG's callback cannot get the cause of a failure. Set ISmartCreditAlert on the "
            "tasks, with default_args."
        )
    left = [found for found in ti.xcom_pull(task_ids=list(context["dag"].task_ids), key=XCOM_KEY) if found]
    counts: Counter[str] = Counter()
    for one in left:
        counts.update(one["counts"])
    return CreditFailure(code=left[0]["code"], counts=counts) if left else None


def _xcoms_can_be_read() -> bool:
    """Return whether XComs can be read. In Airflow 3.0's DAG processor, this hangs (apache/airflow#55464)."""
    processor = sys.modules.get("airflow.dag_processing.processor")
    return not hasattr(processor, "ToManager") or hasattr(processor, "GetXCom")
