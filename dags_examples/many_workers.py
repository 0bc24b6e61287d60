"""Split one send over many workers, with a pool that limits their total rate.

Requires a connection `ledger` to PostgreSQL (or to SQLite, if everything runs on one machine), and the pool:
`airflow pools set ismart 5 "iSmart sends"`.
"""

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor

PIECES = 4  # you can change this between tries: the ledger records numbers, not pieces
CUSTOMERS = range(96890000001, 96890000021)

with DAG("ismart_many_workers", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:
    # Only this task tries a wrong password; otherwise each task in the pool would.
    account = ISmartCreditSensor(task_id="account", wait_for="ok", mode="reschedule", timeout=24 * 60 * 60)

    @task.ismart(
        message="The yearly meeting is on Sunday.",
        ledger_conn_id="ledger",
        idempotency_key="yearly-meeting-2030",
        pool="ismart",
        retries=3,
    )
    def send(piece: int) -> list[int]:
        """Return one piece. Replace this with your query: `SELECT msisdn FROM customer WHERE id % 4 = 3`."""
        return [customer for customer in CUSTOMERS if customer % PIECES == piece]

    account >> send.expand(piece=list(range(PIECES)))
