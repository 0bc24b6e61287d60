"""Start a DAG when the credit runs low. The triggerer checks every hour.

Requires Airflow 3.
"""

from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_ismart.triggers.ismart import ISmartCreditTrigger

low_credit = Asset(
    "ismart_low_credit",
    watchers=[AssetWatcher(name="ismart_credit", trigger=ISmartCreditTrigger(poke_interval=3600.0))],
)

with DAG("ismart_credit_watch", schedule=[low_credit], tags=["ismart"], doc_md=__doc__) as dag:

    @task
    def describe(triggering_asset_events: Any = None) -> list[str]:
        """Return what the trigger found. Replace this with an alert by e-mail or chat."""
        found = [event.extra["payload"] for events in triggering_asset_events.values() for event in events]
        return [f"{trouble['description']} ({trouble['code']}). {trouble['help']}" for trouble in found]

    describe()
