"""Miss a deadline, and start a DAG when the credit runs low, both only on Airflow 3."""

import json
import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Asset, AssetWatcher, task
from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference

from airflow_provider_ismart.notifications.ismart import ISmartNotifier
from airflow_provider_ismart.triggers.ismart import ISmartCreditTrigger

NOTES = Path(os.environ["ACCEPTANCE_NOTES"])

with DAG(
    "late",
    schedule="@once",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=1),
        callback=AsyncCallback(
            ISmartNotifier,
            kwargs={
                "recipients": "{{ var.value.on_call }}",
                "throttle": timedelta(hours=1),
                "ismart_conn_id": "paging",
            },
        ),
    ),
):

    @task
    def be_late():
        while not (NOTES / "deadline_was_missed").exists():
            time.sleep(0.2)

    be_late()

trigger = ISmartCreditTrigger("watched", poke_interval=0.3)
low_credit = Asset("low_credit", watchers=[AssetWatcher(name="credit", trigger=trigger)])

with DAG("credit_is_low", schedule=[low_credit]):

    @task
    def record_events(triggering_asset_events=None):
        codes = [event.extra["payload"]["code"] for events in triggering_asset_events.values() for event in events]
        with (NOTES / "asset_events").open("a") as notes:
            notes.write(json.dumps(codes) + "\n")

    record_events()
