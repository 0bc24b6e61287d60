"""Look at the account every hour; when there is trouble, say so where no SMS is needed to hear of it."""

import logging
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Context

from airflow_provider_ismart.notifications.ismart import ISmartCreditAlert
from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor


def tell(context: Context) -> None:
    """Put here what reaches you, or list a notifier of your e-mail or chat in its place."""
    found = dict(context)
    logging.getLogger(__name__).error("%(ismart_description)s (%(ismart_code)s). %(ismart_help)s", found)


with DAG(
    "ismart_credit_monitor",
    schedule="@hourly",
    start_date=datetime(2024, 1, 1),  # noqa: DTZ001  # Airflow reads it in its own zone
    catchup=False,
    max_active_runs=1,
    max_consecutive_failed_dag_runs=3,  # then Airflow pauses it: no wrong password is tried for ever
    tags=["ismart"],
    doc_md=__doc__,
) as dag:
    ISmartCreditSensor(
        task_id="look",
        wait_for="ok",
        timeout=0,  # one look, as no time is left for another
        deferrable=False,  # whatever the deployment's default is
        on_failure_callback=ISmartCreditAlert(notifiers=[tell], cooldown=timedelta(days=1)),
    )
