"""Check the account every hour, and alert you by other means than SMS if it has no credit.

After three failed checks in a row, Airflow pauses the DAG. Unpause it when the account has credit again.
"""

import logging
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Context

from airflow_provider_ismart.notifications.ismart import ISmartCreditAlert
from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor


def notify(context: Context) -> None:
    """Log the trouble. Replace this with an Airflow notifier for your e-mail or chat."""
    values = dict(context)
    logging.getLogger(__name__).error("%(ismart_description)s (%(ismart_code)s). %(ismart_help)s", values)


with DAG(
    "ismart_credit_monitor",
    schedule="@hourly",
    start_date=datetime(2024, 1, 1),  # noqa: DTZ001  # Airflow applies its default time zone
    catchup=False,
    max_active_runs=1,
    max_consecutive_failed_dag_runs=3,
    tags=["ismart"],
    doc_md=__doc__,
) as dag:
    ISmartCreditSensor(
        task_id="check",
        wait_for="ok",
        timeout=0,  # check once
        deferrable=False,  # even if the deployment's default is True
        on_failure_callback=ISmartCreditAlert(notifiers=[notify], cooldown=timedelta(days=1)),
    )
