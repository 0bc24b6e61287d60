"""Send to the recipients in CSV or Parquet files: one file or a directory, local or in object storage.

`export` stands for the task that writes your files and returns their path. Airflow's `ObjectStoragePath` can be
any location, such as `s3://aws_default@bucket/reminders`. Here it is in the temporary folder.
"""

import tempfile

from airflow.providers.common.compat.sdk import DAG, ObjectStoragePath, task

from airflow_provider_ismart.operators.ismart import ISmartSendOperator

FOLDER = f"file://{tempfile.gettempdir()}/ismart_example_reminders"

with DAG("ismart_file_send", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:

    @task
    def export() -> ObjectStoragePath:
        """Write two files and return their directory."""
        folder = ObjectStoragePath(FOLDER)
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in (
            ("part-0.csv", ["msisdn,name,at", "96890000001,Salim,9:00", "9000 0002,مريم,10:30"]),
            ("part-1.csv", ["msisdn,name,at", "90000003,Ravi,11:15", "90000001,Salim,9:00"]),
        ):
            (folder / name).write_text("\n".join(rows), encoding="utf-8")
        return folder

    ISmartSendOperator(
        task_id="send",
        recipients=export(),
        message="Dear {name}, you are expected at {at} tomorrow.",
    )
    # A fixed path can be a template: ObjectStoragePath("s3://bucket/{{ ds }}.parquet")
