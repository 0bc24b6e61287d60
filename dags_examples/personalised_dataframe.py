"""Send each customer their bill, in their language, from a DataFrame.

Requires pandas.

`{name}` and `{amount:.3f}` insert the row's values. If a value is missing or the number is invalid, the row gets
no message, and the report gives the reason. So nobody reads "Dear nan".
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
    ("english", "+968 9000 0003", "Ravi", 103.0),  # numbers can be written in many ways
    ("arabic", "٩٠٠٠٠٠٠٤", "خالد", 18.75),
    ("english", "90000005", "Anna", None),  # invalid: no amount
    ("arabic", "9000-ask-me", "زهرة", 4.1),  # invalid: not a number
    ("english", "0096890000001", "Salim", 12.5),  # a duplicate of the first row
]

with DAG("ismart_personalised_dataframe", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:

    @task(show_return_value_in_logs=False)  # keep names and numbers out of the task log
    def bills(language: str) -> Any:
        """Return the customers who read a language. Replace this with your query."""
        import pandas as pd  # noqa: PLC0415  # here, so that the DAG processor does not load it

        frame = pd.DataFrame(CUSTOMERS, columns=["language", "msisdn", "name", "amount"])
        return frame[frame["language"] == language].assign(due=pd.Timestamp("2030-01-31"))

    for language, message in MESSAGES.items():
        ISmartSendOperator(
            task_id=f"send_{language}",
            recipients=bills.override(task_id=f"bills_{language}")(language),
            message=message,
        )
