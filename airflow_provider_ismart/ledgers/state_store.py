"""The part of Airflow's task state store (Airflow 3.3 and later) that ledgers use."""

from __future__ import annotations

from typing import Any, Protocol


class TaskStateStore(Protocol):
    """The interface of ``context["task_state_store"]``: JSON values by key."""

    def get(self, key: str) -> Any:
        """Return the value, or ``None``."""

    def set(self, key: str, value: Any, *, retention: Any) -> None:
        """Store the value for ``retention``."""


def store_forever(store: TaskStateStore, key: str, value: Any) -> None:
    """Store a JSON value for as long as the run exists."""
    from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # noqa: PLC0415  # not before Airflow 3.3

    store.set(key, value, retention=NEVER_EXPIRE)
