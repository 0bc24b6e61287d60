"""Pass recipients from one task to another in every possible way."""

from datetime import datetime
from importlib.metadata import version

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ismart.operators.ismart import ISmartSendOperator

#: Airflow before 3.3 passes frames of pandas 3 on to nobody.
FRAMES_PASS = version("apache-airflow") >= "3.3" or version("pandas") < "3"

with DAG("tell_people", schedule=None, start_date=datetime(2024, 1, 1), params={"place": "Muscat"}):

    @task
    def a_list():
        return ["96890000101", "96890000102"]

    @task
    def a_frame():
        import pandas

        frame = pandas.DataFrame({"phone": ["96890000201", "96890000202"], "name": ["Ali", "Zoe"]})
        return frame if FRAMES_PASS else frame.to_dict("records")

    @task
    def some(first):
        return [f"96890000{first}1", f"96890000{first}2"]

    numbers = a_list()
    ISmartSendOperator(task_id="from_xcom", recipients=numbers, message="Hello {{ params.place }}")
    ISmartSendOperator(
        task_id="from_frame",
        recipients=a_frame(),
        recipient_column="{{ 'phone' }}",
        message="Hello {% raw %}{name}{% endraw %}",
    )
    numbers >> ISmartSendOperator(
        task_id="from_jinja", recipients="{{ ti.xcom_pull(task_ids='a_list') }}", message="Jinja"
    )
    ISmartSendOperator(task_id="from_mapped", recipients=some.expand(first=[30, 31]), message="Mapped")
    ISmartSendOperator.partial(task_id="expanded", message="Expanded").expand(
        recipients=[["96890000401"], "96890000402, 96890000403"]
    )

    @task
    def in_a_task(recipients):
        from airflow_provider_ismart.hooks.ismart import ISmartHook

        return ISmartHook().send(recipients, "By the hook")

    in_a_task(numbers)
