"""Run a send that takes long enough to be killed."""

import os
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_ismart.operators.ismart import ISmartSendOperator

with DAG("killed", schedule=None, start_date=datetime(2024, 1, 1)):
    ISmartSendOperator(
        task_id="tell",
        recipients=[f"968900{number:05d}" for number in range(2_000)],
        message="Hello",
        batch_size=5,
        results_path=os.environ.get("RESULTS_PATH"),
    )
