"""Send to the recipients that a function returns, with `@task.ismart`: in one task, and in one task per branch."""

from airflow.providers.common.compat.sdk import DAG, task

APPOINTMENTS = {
    "Muscat": [{"msisdn": "96890000001", "name": "Salim", "at": "9:00"}, {"msisdn": "90000002", "name": "Huda"}],
    "Salalah": [{"msisdn": "96890000003", "name": "مريم", "at": "10:30"}],
    "Sohar": [],
}

with DAG("ismart_taskflow", schedule=None, tags=["ismart"], doc_md=__doc__, params={"day": "Thursday"}) as dag:

    @task.ismart(message="The clinics are closed on {{ params.day }}.")
    def all_patients() -> list[str]:
        """Return anything that the operator's `recipients` takes. Replace this with your query."""
        return [row["msisdn"] for rows in APPOINTMENTS.values() for row in rows]

    # The tasks run one at a time, so that a wrong password is tried once.
    @task.ismart(message="Dear {name}, you are expected at {at} tomorrow.", max_active_tis_per_dag=1)
    def patients_of(branch: str) -> list[dict[str, str]]:
        """Return a branch's patients. Without patients, the task is skipped."""
        return [{"at": "8:00"} | row for row in APPOINTMENTS[branch]]

    all_patients()
    patients_of.expand(branch=list(APPOINTMENTS))
