"""Send to the outputs of mapped tasks: all in one send, or one send per output.

Requires a connection `ledger` to PostgreSQL (or to SQLite, if everything runs on one machine).
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

    @task(show_return_value_in_logs=False)  # keep names and numbers out of the task log
    def staff_of(branch: str) -> list[dict[str, str]]:
        return STAFF[branch]

    staff = staff_of.expand(branch=branches())

    # One send to the staff of all branches: one report, and the fewest calls.
    ISmartSendOperator(task_id="send_all", recipients=staff, message="The yearly meeting is on Sunday.")

    # One send per branch. Each succeeds or fails on its own; a branch without staff is skipped. The SQL ledger
    # shows each index what the others sent, so that you can clear the run even if the branches have changed. The
    # tasks run one at a time, so that a wrong password is tried once.
    ISmartSendOperator.partial(
        task_id="send_branch",
        message="{name}, your shift plan is out.",
        ledger_conn_id="ledger",
        max_active_tis_per_dag=1,
    ).expand(recipients=staff)
