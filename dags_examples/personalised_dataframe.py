"""Send each customer their own bill, in their own language, from a DataFrame.

`language_column` chooses the row's text; `{name}` and `{amount:.3f}` stand for its values. A row that lacks one of
them, or whose number is invalid, gets no message. The report names the reason, and counts each language.
"""

from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ismart.operators.ismart import ISmartSendOperator

MESSAGES = {
    "en": "Dear {name}, your bill of OMR {amount:.3f} is due on {due:%d/%m/%Y}. Thank you.",
    "ar": "عزيزنا {name}، فاتورتك بمبلغ {amount:.3f} ر.ع. مستحقة في {due:%d/%m/%Y}. شكراً لك.",
}
CUSTOMERS = [
    ("en", "96890000001", "Salim", 12.5),
    ("ar", "96890000002", "مريم", 7.25),
    ("English", "+968 9000 0003", "Ravi", 103.0),  # however people write numbers and languages
    ("ar-OM", "٩٠٠٠٠٠٠٤", "خالد", 18.75),
    ("en", "90000005", "Anna", None),  # no amount: no message
    ("عربي", "9000-ask-me", "زهرة", 4.1),  # no number: no message
    ("en", "0096890000001", "Salim", 12.5),  # the first row again: one message
]

with DAG("ismart_personalised_dataframe", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:

    @task(show_return_value_in_logs=False)  # else Airflow logs names and numbers
    def bills() -> Any:
        """Stand in for your query."""
        import pandas as pd  # noqa: PLC0415  # here, for the DAG processor has no use for it

        frame = pd.DataFrame(CUSTOMERS, columns=["language", "msisdn", "name", "amount"])
        return frame.assign(due=pd.Timestamp("2030-01-31"))

    ISmartSendOperator(task_id="send", recipients=bills(), message=MESSAGES, language_column="language")
