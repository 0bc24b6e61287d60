"""Reach the connections and Variables in Airflow's database, as Airflow's own commands do."""

from __future__ import annotations

import os
from typing import Any


def in_server_context() -> None:
    """Let this process read connections and Variables from the database.

    Airflow 3.1 and later otherwise expect that a task's supervisor reads them.
    """
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"


def hook_of(conn_id: str) -> Any:
    """Return the hook of a gateway connection."""
    from airflow_provider_ismart.hooks.ismart import ISmartHook  # noqa: PLC0415  # imports Airflow

    in_server_context()
    return ISmartHook(conn_id)
