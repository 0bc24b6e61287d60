"""Tell people who come from mapped tasks: all in one send, or one send for each."""

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

    # Every branch's staff together: one report, and the fewest calls.
    ISmartSendOperator(task_id="tell_all", recipients=staff, message="The yearly meeting is on Sunday.")

    # A task for each branch, which succeeds or fails by itself; the one without staff is skipped.
    # One at a time, so that a wrong password is tried once and not by all of them at once.
    ISmartSendOperator.partial(
        task_id="tell_branch", message="{name}, your shift plan is out.", max_active_tis_per_dag=1
    ).expand(recipients=staff)
