"""Page whoever is on call when a run takes longer than an hour (Airflow 3.1)."""

from datetime import datetime, timedelta

from airflow.sdk import DAG, task
from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference  # type: ignore[attr-defined]

from airflow_provider_ismart.notifications.ismart import ISmartNotifier

# What stands in kwargs, Airflow keeps in its database and may log: so the number is in a Variable.
page = AsyncCallback(ISmartNotifier, kwargs={"recipients": "{{ var.value.ismart_on_call }}"})

with DAG(
    "ismart_deadline_alert",
    schedule="@daily",
    start_date=datetime(2024, 1, 1),  # noqa: DTZ001  # Airflow reads it in its own zone
    catchup=False,
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(hours=1), callback=page
    ),
    tags=["ismart"],
    doc_md=__doc__,
) as dag:

    @task
    def load() -> None:
        """Take a moment, as a rule."""

    load()
