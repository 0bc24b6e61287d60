"""Keep records in Airflow Variables that the tries and indexes of a task share.

A Variable is written at most once per try, contains no numbers or texts, and has the task in its description.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from airflow_provider_ismart.coordination.task_identity import TaskIdentity
from airflow_provider_ismart.coordination.variables import SharedState
from airflow_provider_ismart.exceptions import ISmartError


class MappedSendStart:
    """Record how a mapped send started: the generation of the run, and the SQL ledger.

    Each mapped send of a run has one Variable, which the first index writes. You can delete it when nobody will
    clear the run any more.

    :raises ISmartError: the Variable cannot be read.
    """

    def __init__(self, task: TaskIdentity) -> None:
        self._state = SharedState("mapped_send", task.mapped_task, is_private=False)
        self._generation = task.generation
        try:
            self._found = self._state.load_strictly()
        except Exception as error:  # noqa: BLE001  # whatever Airflow raises
            raise ISmartError(
                f"The Variable {self._state.name!r} cannot be read ({type(error).__name__}), so this mapped index "
                "cannot tell what the other indexes sent. Nothing was sent. Retry the task."
            ) from None

    @property
    def is_recorded(self) -> bool:
        """Whether an index has started. From then on, the record does not change."""
        return bool(self._found)

    @property
    def generation(self) -> str | None:
        """The generation of the first call, or ``None`` if no index has made a call."""
        return self._found.get("generation")

    @property
    def ledger(self) -> str | None:
        """A digest of the SQL ledger's connection and scope, or ``None`` without a SQL ledger."""
        return self._found.get("ledger")

    def record(self, ledger: str | None = None) -> None:
        """Record that the first call is made in the task's generation, unless an index already has."""
        if not self._found:
            found = {"generation": self._generation, "ledger": ledger}
            self._state.record(found)
            self._found = found


class UnsentTries:
    """Record which tries of a task without a ledger certainly submitted nothing.

    The Variable exists from the end of such a try until the first call of a later one. A try reads it once.
    """

    def __init__(self, task: TaskIdentity) -> None:
        self._state = SharedState("unsent_tries", str(task), is_private=False)
        self._task = task
        self._found: Mapping[str, Any] = {}
        with suppress(Exception):  # without the record, a later try refuses to send
            # a first try can find the record of a deleted run with the same id
            self._found = self._state.load_strictly()
        #: Whether all tries before this one submitted nothing.
        self.include_all_earlier = task.try_number == 1 or self._found.get("last_try") == task.try_number - 1

    @property
    def plan(self) -> Mapping[str, str] | None:
        """The plan of a mapped index's last such try; ``None`` if that try ended before planning."""
        return self._found.get("plan")

    def record(self, plan: Mapping[str, str] | None) -> None:
        """Record that this try submitted nothing either."""
        self._found = {"last_try": self._task.try_number, "plan": plan}
        self._state.record(self._found)

    def forget(self) -> None:
        """Delete the record, because this try is about to make a call."""
        if self._found:
            self._state.delete()
            self._found = {}
