"""What all sends of one try of a task share in its process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_ismart.coordination.task_identity import TaskIdentity
from airflow_provider_ismart.coordination.task_notes import UnsentTries
from airflow_provider_ismart.core.attempt import Attempt
from airflow_provider_ismart.core.ledger import Ledger, MemoryLedger
from airflow_provider_ismart.core.outcomes import Outcome, RowOutcomes
from airflow_provider_ismart.ledgers.index_plans import IndexPlan

if TYPE_CHECKING:
    from airflow_provider_ismart.core.plan import Plan


class EarlierRecords(NamedTuple):
    """Where tries before the current one left records."""

    in_sql: bool
    in_store: bool


class CurrentTry:
    """One try, from its first send to its end; outside a task, one send."""

    def __init__(self, task: TaskIdentity | None) -> None:
        self.task = task
        #: What its sends asked for, once it is known that there may be several.
        self.attempt: Attempt | None = None
        #: By connection and key, so that a further send need not read everything again.
        self.ledgers: dict[tuple[str | None, str | None], Ledger] = {}
        #: How many sends have been opened, for a mapped index, which checks each one's plan.
        self.sends = 0
        self.has_lasting_ledger = False
        self.earlier_records: EarlierRecords | None = None
        self._is_noting = False
        self._may_have_submitted = False
        self._unsent_tries: UnsentTries | None = None
        self._plan: Plan | None = None

    def expect_several_sends(self) -> None:
        """Keep track of what each send asks for, which a single send of many rows does without."""
        self.attempt = self.attempt or Attempt()

    @contextmanager
    def tracking(self, plan: Plan) -> Iterator[None]:
        """Track whether a send reaches the gateway; when it has ended, its outcomes say so for certain."""
        before = self._may_have_submitted
        self._plan = plan
        try:
            yield
        finally:
            if _certainly_submitted_nothing(plan.outcomes):
                self._may_have_submitted = before
            if self.attempt:
                self.attempt.record(plan)
            else:  # whatever sends next in this try has to read what this send recorded
                self.ledgers = {key: kept for key, kept in self.ledgers.items() if isinstance(kept, MemoryLedger)}

    def expect_calls(self) -> None:
        """Note that a call may be made from now on."""
        self._may_have_submitted = True

    @contextmanager
    def noting_if_unsent(self) -> Iterator[None]:
        """Leave a note for the next try if this one fails without a ledger, and certainly submitted nothing."""
        if self._is_noting:  # in a larger part of the same task
            yield
            return
        self._is_noting = True
        try:
            yield
        except Exception:
            if self.task and not self.has_lasting_ledger and not self._may_have_submitted:
                with suppress(Exception):  # without the note, the next try refuses to send
                    self._note_unsent(self.task)
            raise
        finally:
            self._is_noting = False

    def unsent_tries(self, task: TaskIdentity) -> UnsentTries:
        """Return what is noted of the tries before, as it was when this one began."""
        if self._unsent_tries is None:
            self._unsent_tries = UnsentTries(task)
        return self._unsent_tries

    def _note_unsent(self, task: TaskIdentity) -> None:
        tries = self.unsent_tries(task)
        if tries.are_all_before:
            planned = IndexPlan.of(self._plan, task.generation) if self._plan and task.is_mapped else None
            tries.record(planned.as_json() if planned else None)


def _certainly_submitted_nothing(outcomes: RowOutcomes) -> bool:
    counts = outcomes.counts()
    return not counts[Outcome.ACCEPTED] and not counts[Outcome.UNCERTAIN]


@contextmanager
def noting_if_unsent(context: Mapping[str, Any], ledger_conn_id: object) -> Iterator[CurrentTry]:
    """Give the current try, and let its failure leave a note; see :meth:`CurrentTry.noting_if_unsent`."""
    this_try = current_try(context)
    if ledger_conn_id or context.get("task_state_store") is not None:
        this_try.has_lasting_ledger = True
    with this_try.noting_if_unsent():
        yield this_try


#: The last try of this process, by the task instance that Airflow gave it.
_last: tuple[Any, CurrentTry] = (None, CurrentTry(None))


def current_try(context: Mapping[str, Any]) -> CurrentTry:
    """Return the try that a send belongs to, the same for all sends of a try."""
    global _last  # noqa: PLW0603  # a function that sends twice has no other place to remember the first time
    task = TaskIdentity.of(context)
    owner = context.get("ti", task)  # without a context, the task that started this process
    if owner is None:
        return CurrentTry(None)
    is_same = owner is _last[0] or (owner is task and owner == _last[0])
    if not (is_same and _last[1].task == task):
        _last = (owner, CurrentTry(task))
    return _last[1]
