"""Send an SMS to the person on call when a task fails: at most one per half hour.

Requires an Airflow Variable `ismart_on_call` with the number.
"""

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ismart.notifications.ismart import ISmartNotifier

page = ISmartNotifier(
    recipients="{{ var.value.ismart_on_call }}",
    throttle=timedelta(minutes=30),
)

with DAG(
    "ismart_failure_alert",
    schedule=None,
    start_date=datetime(2024, 1, 1),  # noqa: DTZ001  # Airflow applies its default time zone
    default_args={"on_failure_callback": page},
    tags=["ismart"],
    doc_md=__doc__,
) as dag:

    @task
    def load(branch: str) -> None:
        """Fail, to show the alert."""
        raise RuntimeError(f"no data from {branch}")

    load.expand(branch=["Muscat", "Salalah", "Sohar"])
