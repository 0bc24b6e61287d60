"""Return recipients from functions with @task.ismart, in every way that Airflow calls such a function."""

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, task

with DAG("taskflow", schedule=None, start_date=datetime(2024, 1, 1), params={"place": "Muscat"}):

    @task
    def rows(first):
        return [{"phone": f"96890000{first}{digit}", "name": name} for digit, name in ((1, "Ali"), (2, "Zoe"))]

    @task
    def rows_text():
        return "Only {name}"

    @task.ismart(
        message="{{ params.place }}: {% raw %}{name}{% endraw %}", recipient_column="{{ 'phone' }}", max_parts=2
    )
    def among(people, place, *, only="", ti=None):
        assert ti.task_id.startswith("from_")
        assert place == "Muscat"
        return [row for row in people if only in row["name"]]

    among.override(task_id="from_args")(rows.override(task_id="rows_10")(10), "{{ params.place }}")
    by_language = {"en": "Nobody's", "default": rows_text()}
    among.override(task_id="from_kwargs", message=by_language, language_column="name")(
        people=rows.override(task_id="rows_20")(20), place="Muscat", only="Ali"
    )
    among.override(task_id="from_mapped").partial(place="Muscat").expand(
        people=rows.override(task_id="rows_mapped").expand(first=[30, 31]), only=["Zoe", "Nobody"]
    )

    @task.ismart(message="A dry run", dry_run=True)
    def previewed() -> dict[str, list[str]]:
        return {"msisdn": ["96890000401"]}

    previewed()
