"""What the tries and the indexes of a task leave for one another in Airflow Variables.

Both notes are written at most once a try, carry no number and no text, and name the task in their description.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any

from airflow.providers.common.compat.sdk import Variable

from airflow_provider_ismart.coordination.task_identity import TaskIdentity
from airflow_provider_ismart.exceptions import ISmartError


class _Note:
    """A small JSON object in a Variable."""

    def __init__(self, kind: str, about: str) -> None:
        self.name = f"ismart_{kind}_{sha256(about.encode()).hexdigest()[:16]}"
        self._description = f"airflow-provider-ismart, {kind.replace('_', ' ')} of {about}"[:1000]

    def load(self) -> Mapping[str, Any]:
        text = Variable.get(self.name, None)
        return json.loads(text) if text else {}

    def record(self, what: Mapping[str, Any]) -> None:
        Variable.set(self.name, json.dumps(what), description=self._description)

    def delete(self) -> None:
        Variable.delete(self.name)


class MappedSendStart:
    """How the first index of a mapped send started: in which generation of the run, and with which SQL ledger.

    It is one Variable for each mapped send of a run. It may be deleted once nobody will clear the run any more.

    :raises ISmartError: the Variable cannot be read, so that nobody can tell.
    """

    def __init__(self, task: TaskIdentity) -> None:
        self._note = _Note("mapped_send", task.mapped_task)
        self._generation = task.generation
        try:
            self._found = self._note.load()
        except Exception as error:  # noqa: BLE001  # whatever Airflow raises
            raise ISmartError(
                f"The Variable {self._note.name!r} cannot be read ({type(error).__name__}), so a mapped index "
                "cannot know whether its siblings have sent. Nothing was sent; a retry tries again."
            ) from None

    @property
    def generation(self) -> str | None:
        """The generation, or ``None`` where no index has made a call."""
        return self._found.get("generation")

    @property
    def ledger(self) -> str | None:
        """A digest of the SQL ledger's connection and scope, or ``None`` where the send has no SQL ledger."""
        return self._found.get("ledger")

    def record(self, ledger: str | None = None) -> None:
        """Record that a first call may be made in the task's generation, unless an index has done so already."""
        if not self._found:
            self._note.record({"generation": self._generation, "ledger": ledger})


class UnsentTries:
    """Which tries of a task certainly submitted nothing, for a task without a ledger.

    The Variable exists from the end of such a try to the first call of the next one. So a try reads it once.
    """

    def __init__(self, task: TaskIdentity) -> None:
        self._note = _Note("unsent_tries", str(task))
        self._task = task
        self._found: Mapping[str, Any] = {}
        with suppress(Exception):  # without the note, a later try refuses to send
            self._found = self._note.load()  # a first try can find that of a deleted run with the same id
        #: Whether all tries before this one submitted nothing.
        self.are_all_before = task.try_number == 1 or self._found.get("last_try") == task.try_number - 1

    @property
    def plan(self) -> Mapping[str, str] | None:
        """What the last of them planned to send, for a mapped index; ``None`` where it did not come to a plan."""
        return self._found.get("plan")

    def record(self, plan: Mapping[str, str] | None) -> None:
        """Record that this try submitted nothing either."""
        self._found = {"last_try": self._task.try_number, "plan": plan}
        self._note.record(self._found)

    def forget(self) -> None:
        """Record that this try is about to make a call."""
        if self._found:
            self._note.delete()
            self._found = {}
