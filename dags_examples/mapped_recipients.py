"""Send to the outputs of mapped tasks: all in one send, or one send for each.

The mapped send keeps a SQL ledger: a connection `ledger` to PostgreSQL, or SQLite where everything runs on one
machine.
"""

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ismart.operators.ismart import ISmartSendOperator

STAFF = {
    "Muscat": [{"msisdn": "96890000001", "name": "Aisha"}, {"msisdn": "96890000002", "name": "Yusuf"}],
    "Salalah": [{"msisdn": "96890000003", "name": "Huda"}],
    "Sohar": [],
}

with DAG("ismart_mapped_recipients", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:

    @task
    def branches() -> list[str]:
        return list(STAFF)

    @task(show_return_value_in_logs=False)  # else Airflow logs names and numbers
    def staff_of(branch: str) -> list[dict[str, str]]:
        return STAFF[branch]

    staff = staff_of.expand(branch=branches())

    # Every branch's staff in one send: one report, and the fewest calls.
    ISmartSendOperator(task_id="tell_all", recipients=staff, message="The yearly meeting is on Sunday.")

    # One task per branch, which succeeds or fails by itself; the one without staff is skipped. The SQL ledger lets
    # each index see what the others sent, so that you can clear the run even if the branches have changed.
    # One at a time, so that a wrong password is tried once.
    ISmartSendOperator.partial(
        task_id="tell_branch",
        message="{name}, your shift plan is out.",
        ledger_conn_id="ledger",
        max_active_tis_per_dag=1,
    ).expand(recipients=staff)
