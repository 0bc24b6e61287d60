"""Page whoever is on call when a task fails: one SMS in half an hour, however many fail."""

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ismart.notifications.ismart import ISmartNotifier

page = ISmartNotifier(
    recipients="{{ var.value.ismart_on_call }}",  # an Airflow Variable of yours
    throttle=timedelta(minutes=30),
)

with DAG(
    "ismart_failure_alert",
    schedule=None,
    start_date=datetime(2024, 1, 1),  # noqa: DTZ001  # Airflow reads it in its own zone
    default_args={"on_failure_callback": page},
    tags=["ismart"],
    doc_md=__doc__,
) as dag:

    @task
    def load(branch: str) -> None:
        """Fail, as a branch's data may."""
        raise RuntimeError(f"no data from {branch}")

    load.expand(branch=["Muscat", "Salalah", "Sohar"])
