"""Create assets that watch the connection with their name, as Airflow does when it parses a DAG."""

import sys

from airflow.models.asset import AssetActive, AssetModel
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session

from airflow_provider_ismart.triggers.ismart import ISmartCreditTrigger

with create_session() as session:
    for name in sys.argv[1:]:
        path, options = ISmartCreditTrigger(name, poke_interval=0.1).serialize()
        trigger = Trigger(classpath=path, kwargs=options)
        asset = AssetModel(name=name, uri=name, group="asset")
        session.add_all([asset, trigger])
        session.flush()
        session.add(AssetActive.for_asset(asset))
        if hasattr(asset, "add_trigger"):
            asset.add_trigger(trigger, name)
        else:  # Airflow 3.0
            asset.triggers.append(trigger)
