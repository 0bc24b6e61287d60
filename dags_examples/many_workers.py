"""One send over many tasks, and so over many workers, at a pace that they keep together.

It needs a SQL ledger, a connection `ledger` to PostgreSQL (SQLite, where everything runs on one machine), and the
pool: `airflow pools set ismart 5 "sends at once"`.
"""

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor

PIECES = 4  # any other number in another try is fine: the key remembers numbers, not pieces
CUSTOMERS = range(96890000001, 96890000021)

with DAG("ismart_many_workers", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:
    # A wrong password is found here, by one call, and not by every task of the pool.
    account = ISmartCreditSensor(task_id="account", wait_for="ok", mode="reschedule", timeout=24 * 60 * 60)

    @task.ismart(
        message="The yearly meeting is on Sunday.",
        ledger_conn_id="ledger",
        idempotency_key="yearly-meeting-2030",
        pool="ismart",
        retries=3,
    )
    def tell(piece: int) -> list[int]:
        """Read one piece. Stand in for `SELECT msisdn FROM customer WHERE id % 4 = 3`, or a file of many."""
        return [customer for customer in CUSTOMERS if customer % PIECES == piece]

    account >> tell.expand(piece=list(range(PIECES)))
