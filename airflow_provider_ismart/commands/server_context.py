"""Read connections and Variables from Airflow's database, as Airflow's own commands do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_ismart.hooks.ismart import ISmartHook


def enter_server_context() -> None:
    """Read from the database in this process. By default, Airflow 3 expects a supervisor to do so."""
    from airflow_provider_ismart.coordination import variables  # noqa: PLC0415  # imports Airflow

    # Private to Airflow 3.1 and later: connections are read from the database, as `airflow connections get` does.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    variables.use_database()


def hook_of(conn_id: str) -> ISmartHook:
    """Return the hook of a gateway connection."""
    from airflow_provider_ismart.hooks.ismart import ISmartHook  # noqa: PLC0415  # imports Airflow

    enter_server_context()
    return ISmartHook(conn_id)
