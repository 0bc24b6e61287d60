"""Open a ledger in memory, for sends without a stored ledger."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from airflow_provider_ismart.coordination.task_identity import TaskIdentity
from airflow_provider_ismart.core.ledger import Ledger, MemoryLedger
from airflow_provider_ismart.ledgers.base import LedgerRequest, OpenLedger
from airflow_provider_ismart.ledgers.current_try import CurrentTry
from airflow_provider_ismart.ledgers.index_plans import IndexPlan, check_index, index_start_recorder
from airflow_provider_ismart.ledgers.refusals import unknown_tries


def open_memory(request: LedgerRequest) -> AbstractContextManager[OpenLedger]:
    """Open a ledger in memory, unless earlier tries of the task may have submitted something.

    :raises ISmartUncertainFinalError: no ledger shows what earlier tries, or other indexes of a mapped task, sent.
    """
    this_try, task = request.this_try, request.this_try.task
    if task is None:
        return nullcontext(OpenLedger(ledger=MemoryLedger(), before_first_call=this_try.mark_first_call))
    before_first_call = _before_first_call(request, this_try, task)
    ledger: Ledger = MemoryLedger()
    if not this_try.attempt:  # includes this try's earlier sends
        ledger = this_try.ledgers.setdefault((None, None), ledger)
    return nullcontext(OpenLedger(ledger=ledger, before_first_call=before_first_call))


def _before_first_call(request: LedgerRequest, this_try: CurrentTry, task: TaskIdentity) -> Callable[[], None]:
    unsent = this_try.unsent_tries(task)
    if not unsent.include_all_earlier:
        raise unknown_tries(task, "and no ledger shows what the earlier tries sent")
    mark_start = this_try.mark_first_call
    if task.is_mapped and request.plan.parts:
        known = IndexPlan.from_json(unsent.plan)
        planned = check_index(task, this_try.mapped_send_start(task), request.plan, known)
        mark_start = index_start_recorder(this_try, task, request.plan, planned)

    def before_first_call() -> None:
        unsent.forget()
        mark_start()

    return before_first_call
