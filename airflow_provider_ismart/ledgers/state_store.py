"""Access Airflow's task state store (Airflow 3.3 and later)."""

from __future__ import annotations

from typing import Any, Protocol


class TaskStateStore(Protocol):
    """The methods of ``context["task_state_store"]`` that ledgers use. It stores JSON values by key."""

    def get(self, key: str) -> Any:
        """Return the value, or ``None``."""

    def set(self, key: str, value: Any, *, retention: Any) -> None:
        """Store the value for ``retention``."""


def store_forever(store: TaskStateStore, key: str, value: Any) -> None:
    """Store a JSON value until the run is deleted."""
    from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # noqa: PLC0415  # not before Airflow 3.3

    store.set(key, value, retention=NEVER_EXPIRE)
