"""Send each customer their bill, in their language, from a DataFrame.

Requires pandas.

`language_column` chooses the text of a row, and `{name}` and `{amount:.3f}` insert its values. If a value is
missing or the number is invalid, the row gets no message. `exclude` takes the numbers that opted out. The report
has the reasons, and counts by language.
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
    ("English", "+968 9000 0003", "Ravi", 103.0),  # numbers and languages can be written in many ways
    ("ar-OM", "٩٠٠٠٠٠٠٤", "خالد", 18.75),
    ("en", "90000005", "Anna", None),  # invalid: no amount
    ("عربي", "9000-ask-me", "زهرة", 4.1),  # invalid: not a number
    ("en", "0096890000001", "Salim", 12.5),  # a duplicate of the first row
    ("en", "90000006", "Huda", 9.5),  # excluded: opted out
]
OPTED_OUT = ["96890000006"]

with DAG("ismart_personalised_dataframe", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:

    @task(show_return_value_in_logs=False)  # keep names and numbers out of the task log
    def bills() -> Any:
        """Return the customers. Replace this with your query."""
        import pandas as pd  # noqa: PLC0415  # here, so that the DAG processor does not load it

        frame = pd.DataFrame(CUSTOMERS, columns=["language", "msisdn", "name", "amount"])
        return frame.assign(due=pd.Timestamp("2030-01-31"))

    ISmartSendOperator(
        task_id="send",
        recipients=bills(),
        message=MESSAGES,
        language_column="language",
        exclude=OPTED_OUT,
    )
