"""Send from files and a query; then a task reports the lineage that Airflow collected."""

import json
import os
from datetime import datetime
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG, ObjectStoragePath, task

from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.transfers.sql_to_ismart import SqlToISmartOperator

FOLDER = Path(os.environ.get("PEOPLE_FOLDER", "/"))
#: Airflow takes no asset with an address of 1,500 characters.
DEEP = FOLDER.joinpath(*["d" * 250] * 7) / "people.csv"

with DAG("lineage", schedule=None, start_date=datetime(2024, 1, 1)):
    sends = [
        ISmartSendOperator(task_id="local", recipients=FOLDER / "local people.csv", message="Hello"),
        ISmartSendOperator(
            task_id="stored", recipients=ObjectStoragePath(f"file://{FOLDER}/parts"), message="Hello"
        ),
        ISmartSendOperator(task_id="deep", recipients=DEEP, message="Hello"),
        ISmartSendOperator(
            task_id="previewed", recipients=FOLDER / "local people.csv", message="Hello", dry_run=True
        ),
        SqlToISmartOperator(
            task_id="queried",
            conn_id="people_db",
            sql="SELECT * FROM people WHERE msisdn = ?",
            parameters=["96890000005"],
            message="Hello",
        ),
    ]

    @task(trigger_rule="all_done")
    def collected():
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        lineage = get_hook_lineage_collector().collected_assets
        said = {
            "inputs": sorted({found.asset.uri for found in lineage.inputs}),
            "outputs": sorted({found.asset.uri for found in lineage.outputs}),
            "queries": [found.value for found in lineage.extra if found.key == "sql_job"],
        }
        Path(os.environ["LINEAGE"]).write_text(json.dumps(said), encoding="utf-8")

    sends >> collected()
