"""Check what a mapped index may send if its ledger does not include the sends of the other indexes.

When an upstream list changes and the run is cleared, an index can get numbers that another index had before. A
ledger of only one index does not show whether the other one has sent to them. So after a clear, an index sends
only what it planned when the mapped send made its first call, in the same generation of the run. It refuses
everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from secrets import token_hex
from typing import TYPE_CHECKING

from airflow_provider_ismart.coordination.task_identity import TaskIdentity
from airflow_provider_ismart.coordination.task_records import MappedSendStart
from airflow_provider_ismart.exceptions import ISmartUncertainFinalError
from airflow_provider_ismart.ledgers.state_store import TaskStateStore, store_forever

if TYPE_CHECKING:
    from airflow_provider_ismart.core.plan import Plan
    from airflow_provider_ismart.ledgers.current_try import CurrentTry

PLANS_KEY = "ismart_index_plans"
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPlan:
    """A salted digest of how many messages each number of a plan gets, regardless of order and texts.

    ``generation`` is the generation of the run when the plan was made.
    """

    generation: str
    salt: str
    digest: str

    @classmethod
    def of(cls, plan: Plan, generation: str, salt: str | None = None) -> IndexPlan:
        """Return the digest of a plan. This takes about a microsecond per number, and constant memory."""
        salt = salt or token_hex(_DIGEST_BYTES)
        key = salt.encode()
        total = 0  # a sum, because it does not depend on the order
        for group in plan.groups:
            for msisdn in group.msisdns:
                hashed = blake2b(msisdn.encode(), key=key, digest_size=_DIGEST_BYTES).digest()
                total += int.from_bytes(hashed)
        return cls(generation=generation, salt=salt, digest=f"{total:x}")

    def matches(self, plan: Plan) -> bool:
        """Return whether a plan sends equally many messages to each number."""
        return IndexPlan.of(plan, self.generation, self.salt) == self

    def as_json(self) -> dict[str, str]:
        """Return the digest as JSON values, for :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, str] | None) -> IndexPlan | None:
        """Read a stored digest; ``None`` if there is none."""
        return cls(**found) if found else None


class StoredIndexPlans:
    """Store the plans of an index's sends in its task state store, in the order of the sends."""

    def __init__(self, store: TaskStateStore) -> None:
        self._store = store
        self._plans: list[dict[str, str]] = store.get(PLANS_KEY) or []

    def plan(self, send: int) -> IndexPlan | None:
        """Return the plan of the index's n-th send, counted from 0; ``None`` if it is not on record."""
        return IndexPlan.from_json(self._plans[send]) if send < len(self._plans) else None

    def record(self, send: int, plan: IndexPlan) -> None:
        """Record the plan of a send, and remove plans that an earlier try recorded for this and later sends."""
        plans = [*self._plans[:send], plan.as_json()]
        store_forever(self._store, PLANS_KEY, plans)
        self._plans = plans


def check_index(task: TaskIdentity, start: MappedSendStart, plan: Plan, known: IndexPlan | None) -> IndexPlan:
    """Check that no other index can have sent to the numbers in an index's plan.

    :param start: how the mapped send started.
    :param known: the plan that the index has on record, if any.
    :returns: the plan to keep on record: ``known`` if it is still valid.
    :raises ISmartUncertainFinalError: another index can have sent to them.
    """
    started = start.generation
    if start.ledger:
        what = "this mapped send made its first call with a SQL ledger, which is no longer set"
    elif started and known and known.generation == started:
        if known.matches(plan):
            return known
        what = "its list has changed since this mapped send made its first call"
    elif started in {None, task.generation}:  # all calls belong to this generation and its lists
        return IndexPlan.of(plan, task.generation)
    else:
        what = "tasks of the run were cleared after this mapped send made its first call, and it has no record"
    raise ISmartUncertainFinalError(
        f"This send of mapped index {task.map_index} made no call: {what}. Without a SQL ledger, an index cannot "
        "know what the others sent. Find out who got the message (logs and results files of all indexes), and "
        "send to the others in a new run. To prevent this, set ledger_conn_id to a PostgreSQL or SQLite "
        "connection before the first send; if texts can also change between tries, add an idempotency_key."
    )


def index_start_recorder(
    this_try: CurrentTry, task: TaskIdentity, plan: Plan, planned: IndexPlan
) -> Callable[[], None]:
    """Return a function that checks the plan again and records the start, to run before the first call."""

    def before_first_call() -> None:
        start = this_try.mapped_send_start(task)
        check_index(task, start, plan, planned)  # again, because another index may have started meanwhile
        start.record()
        this_try.mark_first_call()

    return before_first_call
