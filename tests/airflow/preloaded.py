"""Import what ``airflow`` commands need, before the process that runs this is forked for each command."""

import os
from pathlib import Path

HERE = Path(__file__).parent
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(HERE / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(HERE / "plugins")

import airflow.__main__  # noqa: E402, F401
from airflow.cli.commands import dag_command  # noqa: E402, F401

from tests.api_server import prepare_api_server  # noqa: E402

prepare_api_server()
