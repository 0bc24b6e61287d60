"""Run an ``airflow`` command whose DAG run shares one API server among its tasks."""

import sys
from pathlib import Path

from airflow.__main__ import main

sys.path[0] = str(Path(__file__).parents[2])

from tests.api_server import share_api_server  # noqa: E402

share_api_server()
main()
