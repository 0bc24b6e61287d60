"""Ask a person to approve a send. They see sample texts, the number of recipients and the cost.

Requires Airflow 3.1 or later.

`preview` sends nothing and reports what `send` would do. `approve` shows that report under *Required Actions* and
waits. "Approve" runs `send`; "Reject", or no answer within a day, skips it. An SMS with a link to the page goes to
the number in the Variable `ismart_approver`; set `[api] base_url` to Airflow's address.

Both sends read the same XCom, so exactly the approved messages are sent. If the recipients change while you wait,
clear `bills`: Airflow then runs the preview and asks again. If they come from a query, run it only in this task,
because a second query could return recipients that nobody approved.
"""

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, task
from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_provider_ismart.notifications.ismart import ISmartNotifier
from airflow_provider_ismart.operators.ismart import ISmartSendOperator

# The texts are indented, so that Markdown shows them unchanged.
PREVIEW = """
{%- set report = ti.xcom_pull(task_ids="preview") -%}
| | |
|---|---|
| rows | {{ report.rows }} |
| messages to send | {{ report.outcomes.not_attempted }} |
| calls | {{ report.planned_calls }} |
| parts (credits) | {{ report.planned_parts }} |
| duplicates, not sent again | {{ report.outcomes.duplicate }} |
| **invalid or excluded, not sent** | {{ report.outcomes.invalid + report.outcomes.excluded }} |
{% for reason, rows in report.reasons.items() %}
- {{ rows }} x `{{ reason }}`
{% endfor %}
{% for sample in report.samples %}
`{{ sample.msisdn }}`, Lang {{ sample.lang }}, {{ sample.parts }} part(s):

{{ sample.text | indent(4, first=True, blank=True) }}
{% endfor %}"""

with DAG("ismart_approval", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:

    @task(show_return_value_in_logs=False)  # keep names and numbers out of the task log
    def bills() -> list[dict[str, object]]:
        """Return the recipients. Replace this with your query."""
        return [
            {"msisdn": "96890000001", "name": "Salim", "amount": 12.5},
            {"msisdn": "9000 0002", "name": "مريم", "amount": 7.25},
            {"msisdn": "90000003", "name": "Ravi", "amount": 103.0},
            {"msisdn": "90000004", "name": "Huda", "amount": 18.75},
            {"msisdn": "9000-ask-me", "name": "Anna", "amount": 4.1},  # invalid: not a number
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
