"""Send to the rows of a SQL query, with `SqlToISmartOperator`. Any database with an Airflow SQL hook works.

`bills` stands for your existing database. It creates a table in the SQLite database of the connection
`ismart_example_db`: by default the file `ismart_example.db` in the temporary folder.
"""

import os
import tempfile
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

from airflow_provider_ismart.transfers.sql_to_ismart import SqlToISmartOperator

DATABASE = Path(tempfile.gettempdir()) / "ismart_example.db"
os.environ.setdefault("AIRFLOW_CONN_ISMART_EXAMPLE_DB", f'{{"conn_type": "sqlite", "host": "{DATABASE}"}}')

with DAG(
    "ismart_sql_send", schedule=None, tags=["ismart"], doc_md=__doc__, params={"branch": "Muscat", "least": 5}
) as dag:
    bills = SQLExecuteQueryOperator(
        task_id="bills",
        conn_id="ismart_example_db",
        sql=[
            "DROP TABLE IF EXISTS bills",
            "CREATE TABLE bills (mobile TEXT, customer TEXT, amount REAL, branch TEXT)",
            "INSERT INTO bills VALUES ('96890000001', 'Salim', 12.5, 'Muscat')",
            "INSERT INTO bills VALUES ('9000 0002', 'مريم', 7.25, 'Muscat')",
            "INSERT INTO bills VALUES ('90000003', 'Ravi', 1.5, 'Muscat')",
            "INSERT INTO bills VALUES ('90000004', 'Huda', 18.75, 'Salalah')",
        ],
    )
    bills >> SqlToISmartOperator(
        task_id="send",
        conn_id="ismart_example_db",
        sql="SELECT mobile, customer, amount FROM bills WHERE branch = ? AND amount >= ?",  # or "bills.sql"
        parameters=["{{ params.branch }}", "{{ params.least }}"],  # PostgreSQL and MySQL use %s instead of ?
        recipient_column="mobile",
        message="Dear {customer}, your bill of OMR {amount:.3f} is due on Thursday.",
    )
