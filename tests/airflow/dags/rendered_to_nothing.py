"""Set options that render to nothing; the tasks named ``fine_…`` set none."""

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, task, task_group

from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor
from airflow_provider_ismart.transfers.sql_to_ismart import SqlToISmartOperator

NUMBER = "96890000001"
SENT = {"recipients": NUMBER, "message": "Hello"}
QUERY = {"sql": "SELECT '96890000001' AS msisdn", "conn_id": "people_db", "message": "Hello"}

with DAG("rendered_to_nothing", schedule=None, start_date=datetime(2024, 1, 1)):

    @task
    def nothing():
        return None

    @task
    def two_times():
        return [None, None]

    @task
    def two_sends():
        return [SENT | {"push_at": None}, SENT | {"idempotency_key": None}]

    nobody_said = nothing()
    ISmartSendOperator(task_id="from_xcom", **SENT, push_at=nobody_said)
    nobody_said >> ISmartSendOperator(
        task_id="from_jinja", **SENT, idempotency_key="{{ ti.xcom_pull(task_ids='nothing') }}"
    )
    SqlToISmartOperator(task_id="query", **QUERY | {"conn_id": nobody_said})
    SqlToISmartOperator(task_id="query_schema", **QUERY, hook_params={"schema": nobody_said})

    @task.ismart(message="Hello", push_at=nobody_said)
    def decorated():
        return NUMBER

    decorated()
    ISmartSendOperator.partial(task_id="expanded_times", **SENT).expand(push_at=two_times())
    ISmartSendOperator.partial(task_id="expanded_kwargs").expand_kwargs(two_sends())
    ISmartSendOperator.partial(task_id="partial_time", push_at=nobody_said, message="Hello").expand(
        recipients=[NUMBER]
    )

    @task_group
    def group(when):
        ISmartSendOperator(task_id="in_a_group", **SENT, push_at=when)

    group.expand(when=two_times.override(task_id="two_more_times")())

    ISmartCreditSensor(task_id="canary", canary=nobody_said, timeout=1, deferrable=False)

    ISmartSendOperator(task_id="fine_plain", **SENT, push_at=None, message_column=None)
    ISmartSendOperator.partial(task_id="fine_partial", message="Hello", push_at=None).expand(recipients=[NUMBER])
    ISmartSendOperator.partial(task_id="fine_kwargs").expand_kwargs([SENT])
    SqlToISmartOperator(task_id="fine_query", **QUERY, parameters=None, hook_params=None)
