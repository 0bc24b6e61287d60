"""Tell each customer their own bill, in their own language, from a DataFrame.

`{name}` and `{amount:.3f}` stand for the row's values. A row that lacks one of them, or whose number is none,
gets no message and stands in the report with the reason; so nobody reads "Dear nan".
"""

from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ismart.operators.ismart import ISmartSendOperator

MESSAGES = {
    "english": "Dear {name}, your bill of OMR {amount:.3f} is due on {due:%d/%m/%Y}. Thank you.",
    "arabic": "عزيزنا {name}، فاتورتك بمبلغ {amount:.3f} ر.ع. مستحقة في {due:%d/%m/%Y}. شكراً لك.",
}
CUSTOMERS = [
    ("english", "96890000001", "Salim", 12.5),
    ("arabic", "96890000002", "مريم", 7.25),
    ("english", "+968 9000 0003", "Ravi", 103.0),  # however people write their numbers
    ("arabic", "٩٠٠٠٠٠٠٤", "خالد", 18.75),
    ("english", "90000005", "Anna", None),  # no amount: no message
    ("arabic", "9000-ask-me", "زهرة", 4.1),  # no number: no message
    ("english", "0096890000001", "Salim", 12.5),  # the first row again: one message
]

with DAG("ismart_personalised_dataframe", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:

    @task(show_return_value_in_logs=False)  # else Airflow logs names and numbers
    def bills(language: str) -> Any:
        """Stand in for your query."""
        import pandas as pd  # noqa: PLC0415  # here, for the DAG processor has no use for it

        frame = pd.DataFrame(CUSTOMERS, columns=["language", "msisdn", "name", "amount"])
        return frame[frame["language"] == language].assign(due=pd.Timestamp("2030-01-31"))

    for language, message in MESSAGES.items():
        ISmartSendOperator(
            task_id=f"send_{language}",
            recipients=bills.override(task_id=f"bills_{language}")(language),
            message=message,
        )
