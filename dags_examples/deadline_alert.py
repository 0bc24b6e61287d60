"""Send an SMS to the person on call when a run takes longer than an hour.

Requires Airflow 3.1 or later, a triggerer, and an Airflow Variable `ismart_on_call` with the number.
"""

from datetime import datetime, timedelta

from airflow.sdk import DAG, task
from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference  # type: ignore[attr-defined]

from airflow_provider_ismart.notifications.ismart import ISmartNotifier

# Airflow stores kwargs in its database and can log them, so the number is in a Variable.
page = AsyncCallback(ISmartNotifier, kwargs={"recipients": "{{ var.value.ismart_on_call }}"})

with DAG(
    "ismart_deadline_alert",
    schedule="@daily",
    start_date=datetime(2024, 1, 1),  # noqa: DTZ001  # Airflow applies its default time zone
    catchup=False,
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(hours=1), callback=page
    ),
    tags=["ismart"],
    doc_md=__doc__,
) as dag:

    @task
    def load() -> None:
        """Load the data. Replace this with your own task."""

    load()
