"""Read the event of a task, DAG or deadline from a callback's context."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

#: Longer names are shortened in the middle, so that the default message fits into one part.
_LONGEST_NAME = 40

_OF_STATE = {"up_for_retry": "failed, will be retried", "failed": "failed", "success": "succeeded"}


class Event(NamedTuple):
    """An event and its subject. A field is ``None`` or empty if the context lacks its value.

    ``task`` has its map index in brackets. ``run`` is the logical date or, without one, the run id. ``link`` is
    the URL of the page where a person answers a waiting task.
    """

    what: str
    dag_id: str
    task: str
    try_number: int | None
    error: str
    run: str
    link: str = ""

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> Event:
        """Read the event from a callback's context. Its content depends on where Airflow runs the callback."""
        ti, dag_run, reason = context.get("ti"), context.get("dag_run"), context.get("reason")
        state = _text(_of(ti, "state"))
        is_of_dag = "reason" in context  # Airflow adds an arbitrary task instance of the run
        if is_of_dag and (reason == "success" or state not in {"", "failed"}):
            ti = None
        link = _link_to_answer(context, state)
        task, map_index = _text(_of(ti, "task_id")), _of(ti, "map_index")
        return cls(
            what=_what_happened(context, state, is_of_dag=is_of_dag) if link is None else "waits for an answer",
            dag_id=_text(_of(ti, "dag_id") or _of(context.get("dag"), "dag_id") or _of(dag_run, "dag_id")),
            task=f"{task}[{map_index}]" if isinstance(map_index, int) and map_index >= 0 else task,
            try_number=None if is_of_dag or link is not None else _of(ti, "try_number"),
            error=type(error).__name__ if isinstance(error := context.get("exception"), BaseException) else "",
            run=_time(context.get("logical_date") or _of(dag_run, "logical_date"))
            or _text(context.get("run_id") or _of(dag_run, "run_id") or _of(dag_run, "dag_run_id")),
            link=link or "",
        )

    @property
    def key(self) -> str:
        """The part that is the same for all runs and mapped indexes of a task."""
        return f"{self.dag_id}.{self.task.partition('[')[0]} {self.what.partition(' at ')[0]}"

    def __str__(self) -> str:
        """Return the default message without the link, one part long unless names have non-GSM-7 characters."""
        names = [_elided(name) for name in (self.dag_id, self.task) if name]
        details = [
            f"Airflow: {'.'.join(names) or 'a DAG'} {self.what}",
            f"try {self.try_number}" if self.try_number else "",
            f"run {_elided(self.run)}" if self.run else "",
            self.error,
        ]
        return ", ".join(filter(None, details))


def _link_to_answer(context: Mapping[str, Any], state: str) -> str | None:
    """Return the URL of the page where a person answers a running task (an ``HITLOperator``).

    It is empty if Airflow does not know its own address, and ``None`` if the task does not wait for an answer.
    """
    link_of = getattr(context.get("task"), "generate_link_to_ui_from_context", None)
    if link_of is None or state not in {"", "running"} or context.get("exception") or "reason" in context:
        return None
    try:
        return str(link_of(context=context))
    except Exception:  # noqa: BLE001  # a message without a link is better than none
        return ""


def _what_happened(context: Mapping[str, Any], state: str, *, is_of_dag: bool) -> str:
    if "deadline" in context:
        due = _time(_of(context["deadline"], "deadline_time"))
        return f"missed its deadline at {due}" if due else "missed its deadline"
    if "blocking_tis" in context:
        return "missed its SLA"  # Airflow 2
    if is_of_dag:
        return "succeeded" if context["reason"] == "success" else "failed"
    return _OF_STATE.get(state, "failed" if context.get("exception") or not state else f"is {state}")


def _of(owner: Any, name: str) -> Any:
    return owner.get(name) if isinstance(owner, Mapping) else getattr(owner, name, None)


def _text(value: Any) -> str:
    return "" if value is None else str(getattr(value, "value", value))


def _time(value: Any) -> str:
    """Format a time in UTC to the minute. In the triggerer it is text."""
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return f"{time.astimezone(UTC):%Y-%m-%d %H:%MZ}"
    except (TypeError, ValueError):
        return ""


def _elided(name: str) -> str:
    half = (_LONGEST_NAME - 3) // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}...{name[-half:]}"
