"""Have somebody approve a send, who sees what it will say, to how many, and what it will cost.

`preview` sends nothing and reports what `send` would do. `approve` shows that report under *Required Actions* and
waits. "Approve" lets `send` run; "Reject", or no answer within a day, skips it. An SMS to the number in the
Variable `ismart_approver` has the link to the page; set `[api] base_url` to Airflow's address.

Both read the same XCom, so what is sent is what was approved. If the people change in the meantime, the send does
not know of it: clear `bills`, and Airflow runs the preview and asks again. Where the people come from a query, let
one task run it, as here: a second query could find others, whom nobody has approved.

Airflow 3.1 or later.
"""

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, task
from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_provider_ismart.notifications.ismart import ISmartNotifier
from airflow_provider_ismart.operators.ismart import ISmartSendOperator

# The texts are indented, so that Markdown shows them as they are.
PREVIEW = """
{%- set report = ti.xcom_pull(task_ids="preview") -%}
| | |
|---|---|
| rows | {{ report.rows }} |
| messages to send | {{ report.outcomes.not_attempted }} |
| calls | {{ report.planned_calls }} |
| parts, and so credits | {{ report.planned_parts }} |
| duplicates, told once | {{ report.outcomes.duplicate }} |
| **get nothing** | {{ report.outcomes.invalid + report.outcomes.excluded }} |
{% for reason, rows in report.reasons.items() %}
- {{ rows }} x `{{ reason }}`
{% endfor %}
{% for sample in report.samples %}
`{{ sample.msisdn }}`, Lang {{ sample.lang }}, {{ sample.parts }} part(s):

{{ sample.text | indent(4, first=True, blank=True) }}
{% endfor %}"""

with DAG("ismart_approval", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:

    @task(show_return_value_in_logs=False)  # else Airflow logs names and numbers
    def bills() -> list[dict[str, object]]:
        """Stand in for your query."""
        return [
            {"msisdn": "96890000001", "name": "Salim", "amount": 12.5},
            {"msisdn": "9000 0002", "name": "مريم", "amount": 7.25},
            {"msisdn": "90000003", "name": "Ravi", "amount": 103.0},
            {"msisdn": "90000004", "name": "Huda", "amount": 18.75},
            {"msisdn": "9000-ask-me", "name": "Anna", "amount": 4.1},  # no number: no message
        ]

    recipients = bills()
    message = "Dear {name}, your bill of OMR {amount:.3f} is due on Thursday."
    preview = ISmartSendOperator(task_id="preview", recipients=recipients, message=message, dry_run=True)
    approve = ApprovalOperator(
        task_id="approve",
        subject="Send {{ ti.xcom_pull(task_ids='preview').outcomes.not_attempted }} bills by SMS?",
        body=PREVIEW,
        response_timeout=timedelta(days=1),
        defaults=ApprovalOperator.REJECT,
        notifiers=[ISmartNotifier(recipients="{{ var.value.ismart_approver }}", max_parts=2)],
    )
    send = ISmartSendOperator(task_id="send", recipients=recipients, message=message)
    preview >> approve >> send
