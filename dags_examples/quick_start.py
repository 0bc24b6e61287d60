"""Send one text to three numbers: the smallest DAG that sends."""

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_ismart.operators.ismart import ISmartSendOperator

with DAG("ismart_quick_start", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:
    ISmartSendOperator(
        task_id="send",
        recipients=["96890000001", "+968 9000-0002", "90000003"],
        message="The office opens at 9:00 on Thursday.",
    )
