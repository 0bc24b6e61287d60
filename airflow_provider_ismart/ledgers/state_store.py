"""Airflow's task state store (Airflow 3.3 and later), as far as ledgers use it."""

from __future__ import annotations

from typing import Any, Protocol


class TaskStateStore(Protocol):
    """Hold JSON values by key, as ``context["task_state_store"]`` does."""

    def get(self, key: str) -> Any:
        """Return the value, or ``None``."""

    def set(self, key: str, value: Any, *, retention: Any) -> None:
        """Store the value for ``retention``."""


def store_forever(store: TaskStateStore, key: str, value: Any) -> None:
    """Store a JSON value for as long as the run exists."""
    from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # noqa: PLC0415  # not before Airflow 3.3

    store.set(key, value, retention=NEVER_EXPIRE)
