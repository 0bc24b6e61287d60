"""Run the same DAG on staging and in production, where staging reaches only a few numbers.

Set the Variable `ismart_conn_id` on staging to a connection that has the extra `allowed_numbers`, such as
`{"allowed_numbers": "96890000001, 96890000002"}`. It reaches only these numbers; all other rows are `excluded`.
Without the Variable, the DAG sends through `ismart_default`.

The optional Variable `ismart_max_credits` caps the cost of a send.
"""

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_ismart.operators.ismart import ISmartSendOperator

with DAG("ismart_staging_and_production", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:
    ISmartSendOperator(
        task_id="send",
        ismart_conn_id="{{ var.value.get('ismart_conn_id', 'ismart_default') }}",
        recipients=["96890000001", "90000002", "90000003", "+968 9000 0004"],
        message="The office opens at 9:00 on Thursday.",
        exclude=["90000004"],  # opted out
        max_credits="{{ var.value.get('ismart_max_credits', 1000) }}",
    )
