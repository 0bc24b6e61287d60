"""Identify the task and try that a send belongs to, from Airflow's context or from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow.providers.common.compat.sdk import AirflowException, get_current_context

from airflow_provider_ismart.core.errors import InputError

#: The variables that Airflow passes to a task's subprocesses, such as those of ``@task.external_python``. They are
#: read on import, because Airflow later also sets them in the task's own process.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CTX_")}


class TaskIdentity(NamedTuple):
    """Identify a try of a task instance.

    ``map_index`` is -1 if the task is not mapped. ``generation`` changes when tasks of the run are cleared. This
    is not a dataclass, because that would add a millisecond to the import of each DAG file.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    generation: str = ""

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> TaskIdentity | None:
        """Return the task of ``context`` or, without one, the task that started this subprocess."""
        if (ti := context.get("ti")) is None:
            return cls.of_environment()
        task = cls.of_instance(ti)
        return task._replace(generation=_generation(context)) if task.is_mapped else task

    @classmethod
    def of_instance(cls, ti: Any) -> TaskIdentity:
        """Return the identity of a task instance, or of any object with the same attributes."""
        return cls(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
            try_number=getattr(ti, "try_number", 1),
        )

    @classmethod
    def of_environment(cls) -> TaskIdentity | None:
        """Return the task that started this process. Airflow does not pass the map index to it."""
        try:
            return cls(
                dag_id=_ENVIRONMENT["AIRFLOW_CTX_DAG_ID"],
                run_id=_ENVIRONMENT["AIRFLOW_CTX_DAG_RUN_ID"],
                task_id=_ENVIRONMENT["AIRFLOW_CTX_TASK_ID"],
                map_index=-1,
                try_number=int(_ENVIRONMENT["AIRFLOW_CTX_TRY_NUMBER"]),
            )
        except (KeyError, ValueError):
            return None

    def is_same_try(self, other: TaskIdentity | None) -> bool:
        """Return whether the other identity is the same try, in any generation."""
        return other is not None and other._replace(generation="") == self._replace(generation="")

    @property
    def is_mapped(self) -> bool:
        """Whether the task is mapped, or part of a mapped task group."""
        return self.map_index >= 0

    @property
    def mapped_task(self) -> str:
        """The name that all indexes of a mapped task share."""
        return f"{self.dag_id}/{self.run_id}/{self.task_id}"

    def __str__(self) -> str:
        return f"{self.mapped_task}/{self.map_index}"


def current_context() -> Mapping[str, Any]:
    """Return the context of the current task; empty outside a task.

    :raises InputError: this process is a worker of a process pool, which cannot reach its task.
    """
    from multiprocessing import parent_process  # noqa: PLC0415  # keeps the import of DAG files fast

    try:
        context: Mapping[str, Any] = get_current_context()
    except (RuntimeError, AirflowException):  # not in a task; Airflow 2.11 raises the second
        context = {}
    parent = parent_process()
    # A task's own process can descend from Airflow's process pool, but is never a direct child of its parent.
    is_worker = parent is not None and (not context or parent.pid == os.getppid())
    if is_worker and (context or _ENVIRONMENT):
        raise InputError(
            "hook.send was called in a worker of a process pool, which cannot reach Airflow or the task's ledger. "
            "Call it in the task's own process: it makes up to max_concurrency calls concurrently anyway"
        )
    return context


def _generation(context: Mapping[str, Any]) -> str:
    """Return a text that changes when tasks of the run are cleared.

    Airflow 3.3 counts every clear in ``clear_number``. Earlier versions do not count a clear of a run that is
    still running; then only a changed number of indexes is noticed.
    """
    clear_number = getattr(context.get("dag_run"), "clear_number", None) or 0
    return f"{clear_number}.{_index_count(context)}"


def _index_count(context: Mapping[str, Any]) -> int | None:
    count = context.get("expanded_ti_count")
    ti = context["ti"]
    if count is None and hasattr(ti, "get_ti_count"):  # Airflow 3
        count = ti.get_ti_count(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id])
    return count
