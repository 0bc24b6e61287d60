"""Look at the account every hour; a run fails, with the code and what to do, when there is trouble."""

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor

with DAG(
    "ismart_credit_monitor",
    schedule="@hourly",
    start_date=datetime(2024, 1, 1),  # noqa: DTZ001  # Airflow reads it in its own zone
    catchup=False,
    max_active_runs=1,
    tags=["ismart"],
    doc_md=__doc__,
) as dag:
    ISmartCreditSensor(task_id="look", wait_for="ok", timeout=0)  # one look, as no time is left for another
