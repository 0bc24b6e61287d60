"""Run operators as on an Airflow that does not call the method that redacts rendered fields."""

import os
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ismart import redaction
from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor
from airflow_provider_ismart.transfers.sql_to_ismart import SqlToISmartOperator

NUMBERS = ["96890001234", "96890001235"]

if os.environ.get("WITHOUT_REDACTION"):
    del redaction.RedactsFields._do_render_template_fields

with DAG("without_redaction", schedule=None, start_date=datetime(2024, 1, 1)):
    ISmartSendOperator(task_id="plain", recipients=NUMBERS, message="Hello")
    ISmartSendOperator.partial(task_id="mapped", message="Hello").expand(recipients=[NUMBERS])

    @task.ismart(message="Hello")
    def decorated(people):
        return people

    decorated(NUMBERS)
    decorated.override(task_id="decorated_mapped").expand(people=[NUMBERS])
    SqlToISmartOperator(
        task_id="query",
        sql="SELECT ? AS msisdn",
        parameters=NUMBERS[:1],
        conn_id="people_db",
        message="Hello",
    )
    ISmartCreditSensor(task_id="canary", canary=NUMBERS[0], wait_for="ok", timeout=1, deferrable=False)
