"""Let the tasks of a ``dag.test()`` share an API server.

Airflow 3 builds one for each task, in the task's process, and that takes most of a test run's CPU time.
"""

from functools import cache


def share_api_server():
    """Build this process's API server once, when a task needs it. It is the one that Airflow builds.

    Return the function that returns it, or ``None`` on Airflow 2.
    """
    try:
        from airflow.sdk.execution_time import supervisor
    except ImportError:  # Airflow 2.11, whose tasks talk to the database
        return None
    supervisor.in_process_api_server = cache(supervisor.in_process_api_server)
    return supervisor.in_process_api_server


def prepare_api_server():
    """Build the server that this process and its forks share, and start and stop it once, which is slow."""
    if make_server := share_api_server():
        from fastapi.testclient import TestClient

        with TestClient(make_server().app):
            pass
