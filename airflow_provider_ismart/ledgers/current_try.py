"""Share state between all sends of one try of a task.

A task can send in a loop, so the connection and other records are read once per try, not once per send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_ismart.coordination.task_identity import TaskIdentity
from airflow_provider_ismart.coordination.task_records import MappedSendStart, UnsentTries
from airflow_provider_ismart.core.attempt import Attempt
from airflow_provider_ismart.core.ledger import Ledger, MemoryLedger
from airflow_provider_ismart.core.outcomes import Outcome, RowOutcomes
from airflow_provider_ismart.ledgers.index_plans import IndexPlan, StoredIndexPlans

if TYPE_CHECKING:
    from airflow_provider_ismart.core.plan import Plan
    from airflow_provider_ismart.gateway.settings import Settings

#: How long a check for a refused login is valid, in seconds. A check reads a Variable, which is as slow as a write
#: to the task state store, so a loop of single sends must not repeat it for each send.
LOGIN_CHECK_SECONDS = 10.0


class EarlierRecords(NamedTuple):
    """Where earlier tries have left records."""

    in_sql: bool
    in_store: bool


class CurrentTry:
    """The state of one try, from its first send to its end; outside a task, of one send."""

    def __init__(self, task: TaskIdentity | None) -> None:
        self.task = task
        #: The messages of its sends; ``None`` unless the try may send several times.
        self.attempt: Attempt | None = None
        #: The ledgers by connection and key, so that later sends need not read everything again.
        self.ledgers: dict[tuple[str | None, str | None], Ledger] = {}
        #: How many sends a mapped index has opened. It checks the plan of each.
        self.sends = 0
        self.has_lasting_ledger = False
        #: The settings by connection, so that hooks in a loop read each connection only once.
        self.settings: dict[str, Settings] = {}
        #: The plans of a mapped index's sends, if it has a task state store.
        self.index_plans: StoredIndexPlans | None = None
        self._mapped_send_start: MappedSendStart | None = None
        #: When each connection's login was last found not to be refused.
        self._login_checks: dict[str, float] = {}
        self.earlier_records: EarlierRecords | None = None
        self._is_recording = False
        self._may_have_submitted = False
        self._unsent_tries: UnsentTries | None = None
        self._plan: Plan | None = None

    def expect_several_sends(self) -> None:
        """Track the messages of each send. A single send, which can have many rows, does not need this."""
        self.attempt = self.attempt or Attempt()

    @contextmanager
    def tracking(self, plan: Plan) -> Iterator[None]:
        """Track whether a send may have submitted anything, and confirm it from the outcomes at the end."""
        before = self._may_have_submitted
        self._plan = plan
        try:
            yield
        finally:
            if _certainly_submitted_nothing(plan.outcomes):
                self._may_have_submitted = before
            if self.attempt:
                self.attempt.record(plan)
            else:  # the next send of this try has to read what this one recorded
                self.ledgers = {key: kept for key, kept in self.ledgers.items() if isinstance(kept, MemoryLedger)}

    def mark_first_call(self) -> None:
        """Record in memory that a call may have been made from now on."""
        self._may_have_submitted = True

    @contextmanager
    def record_if_unsent(self) -> Iterator[None]:
        """Record for the next try if this one fails without a ledger and certainly submitted nothing."""
        if self._is_recording:  # nested in an outer call of this method
            yield
            return
        self._is_recording = True
        try:
            yield
        except Exception:
            if self.task and not self.has_lasting_ledger and not self._may_have_submitted:
                with suppress(Exception):  # without the record, the next try refuses to send
                    self._record_unsent(self.task)
            raise
        finally:
            self._is_recording = False

    def check_login(self, conn_id: str, known_refusal: Callable[[], str | None], now: float) -> str | None:
        """Return why a login must not be tried. A check is repeated after :data:`LOGIN_CHECK_SECONDS`."""
        checked = self._login_checks.get(conn_id)
        if checked is not None and now - checked < LOGIN_CHECK_SECONDS:
            return None
        if (refusal := known_refusal()) is None:
            self._login_checks[conn_id] = now
        return refusal

    def forget_connection(self, conn_id: str) -> None:
        """Make the next send read the connection and check its login again, after a failed send."""
        self.settings.pop(conn_id, None)
        self._login_checks.pop(conn_id, None)

    def mapped_send_start(self, task: TaskIdentity) -> MappedSendStart:
        """Return the record of how this task's mapped send started, and read it again until it has started."""
        if self._mapped_send_start is None or not self._mapped_send_start.is_recorded:
            self._mapped_send_start = MappedSendStart(task)
        return self._mapped_send_start

    def unsent_tries(self, task: TaskIdentity) -> UnsentTries:
        """Return the record of earlier tries, as of the start of this one."""
        if self._unsent_tries is None:
            self._unsent_tries = UnsentTries(task)
        return self._unsent_tries

    def _record_unsent(self, task: TaskIdentity) -> None:
        tries = self.unsent_tries(task)
        if tries.include_all_earlier:
            planned = IndexPlan.of(self._plan, task.generation) if self._plan and task.is_mapped else None
            tries.record(planned.as_json() if planned else None)


def _certainly_submitted_nothing(outcomes: RowOutcomes) -> bool:
    counts = outcomes.counts()
    return not counts[Outcome.ACCEPTED] and not counts[Outcome.UNCERTAIN]


@contextmanager
def record_if_unsent(context: Mapping[str, Any], ledger_conn_id: object) -> Iterator[CurrentTry]:
    """Yield the current try, and record if it submitted nothing; see :meth:`CurrentTry.record_if_unsent`."""
    this_try = current_try(context)
    if ledger_conn_id or context.get("task_state_store") is not None:
        this_try.has_lasting_ledger = True
    with this_try.record_if_unsent():
        yield this_try


#: The last try in this process, with the task instance that Airflow passed to it.
_last: tuple[Any, CurrentTry] = (None, CurrentTry(None))


def current_try(context: Mapping[str, Any]) -> CurrentTry:
    """Return the current try. All of its sends get the same object."""
    global _last  # noqa: PLW0603  # two sends of a function have nothing else in common
    ti = context.get("ti")
    task = TaskIdentity.of_environment() if ti is None else TaskIdentity.of_instance(ti)
    if task is None:
        return CurrentTry(None)
    owner = task if ti is None else ti
    is_same = owner == _last[0] if ti is None else owner is _last[0]
    if not (is_same and task.is_same_try(_last[1].task)):
        _last = (owner, CurrentTry(TaskIdentity.of(context)))  # calls Airflow's API if the task is mapped
    return _last[1]
