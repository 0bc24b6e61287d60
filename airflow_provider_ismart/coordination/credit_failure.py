"""Let a callback find a credit failure: in the exception, or in the failed task's XCom.

Airflow's DAG processor, which runs a DAG's own callbacks, does not learn why a task failed.
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
    """The return code, and how many rows ended as which outcome until then; empty after a sensor."""

    code: int
    counts: Mapping[str, int]

    @classmethod
    def of(cls, error: BaseException | None) -> CreditFailure | None:
        """Find it in an error, or in what that was raised from."""
        while error is not None:
            if isinstance(error, ISmartError) and error.code in ALERT_CODES:
                outcomes = error.report.outcomes if error.report else {}
                return cls(code=error.code, counts={outcome.value: n for outcome, n in outcomes.items()})
            error = error.__cause__
        return None


def leave_for_callbacks(error: ISmartError, context: Mapping[str, Any], log: Log) -> None:
    """Put a failure for want of credit into the XCom of the task that ``context`` belongs to, if it is one.

    Where that fails, a warning is logged.
    """
    found, ti = CreditFailure.of(error), context.get("ti")
    if found is None or ti is None:
        return
    try:
        ti.xcom_push(XCOM_KEY, {"code": found.code, "counts": dict(found.counts)})
    except Exception as trouble:  # noqa: BLE001  # whatever Airflow raises
        log.warning("The DAG's callbacks will not learn that the credit has run out: %s", type(trouble).__name__)


def credit_failure(context: Mapping[str, Any]) -> CreditFailure | None:
    """Return what a callback's context, or the XComs of its run, say about a credit failure.

    Where several tasks of a run failed so, the counts are those of all together.

    :raises ISmartError: this is the callback of a DAG, on Airflow 3.0.
    """
    error = context.get("exception")
    if isinstance(error, BaseException):
        return CreditFailure.of(error)
    ti = context.get("ti")
    if ti is None or "reason" not in context:  # only the callbacks of a DAG have a reason
        return None
    if not _xcoms_can_be_read():
        raise ISmartError(
            "on Airflow 3.0 a DAG's callback cannot learn why a task failed: give ISmartCreditAlert to the tasks, "
            "by default_args."
        )
    left = [found for found in ti.xcom_pull(task_ids=list(context["dag"].task_ids), key=XCOM_KEY) if found]
    counts: Counter[str] = Counter()
    for one in left:
        counts.update(one["counts"])
    return CreditFailure(code=left[0]["code"], counts=counts) if left else None


def _xcoms_can_be_read() -> bool:
    """Tell Airflow 3.0's DAG processor, which never answers who asks for an XCom (apache/airflow#55464)."""
    processor = sys.modules.get("airflow.dag_processing.processor")
    return not hasattr(processor, "ToManager") or hasattr(processor, "GetXCom")
