"""Test templated fields in real DAG runs: options that render to nothing, and redaction."""

import json
import re
import sqlite3
from contextlib import closing

import pytest

FULL_NUMBER = re.compile(r"9000\d{4}")


@pytest.fixture
def dag_run(airflow_command, airflow_db, tmp_path):
    """Run a DAG; return the state of each task instance, its rendered fields and the log."""

    def run(dag_id, **environment):
        people = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "people.db")})
        command = airflow_command("dags", "test", dag_id, AIRFLOW_CONN_PEOPLE_DB=people, **environment)
        output = command.output(timeout=500)
        with closing(sqlite3.connect(airflow_db)) as database:
            query = "SELECT run_id FROM dag_run WHERE dag_id = ? ORDER BY id DESC"
            run_id = database.execute(query, (dag_id,)).fetchone()
            query = "SELECT task_id, map_index, state FROM task_instance WHERE run_id = ?"
            states = {
                task if index < 0 else f"{task} {index}": state
                for task, index, state in database.execute(query, run_id)
            }
            query = "SELECT task_id, rendered_fields FROM rendered_task_instance_fields WHERE run_id = ?"
            rendered = database.execute(query, run_id).fetchall()
        output = output.replace("│", " ")  # Airflow 3.0 wraps tracebacks, or puts them in boxes
        return states, rendered, " ".join(output.split())

    return run


def test_an_option_that_renders_to_nothing_fails_the_task(dag_run, ismart_sandbox):
    states, _, output = dag_run("rendered_to_nothing")
    ours = {task: state for task, state in states.items() if not task.startswith(("nothing", "two_"))}
    fine = ["fine_plain", "fine_partial 0", "fine_kwargs 0", "fine_query"]
    wrong = [
        *("from_xcom", "from_jinja", "query", "query_schema", "decorated", "partial_time 0", "canary"),
        *(
            f"{task} {index}"
            for task in ("expanded_times", "expanded_kwargs", "group.in_a_group")
            for index in (0, 1)
        ),
    ]
    assert ours == dict.fromkeys(fine, "success") | dict.fromkeys(wrong, "failed"), output
    assert len(ismart_sandbox.calls) == len(fine)
    named = re.findall(r"ISmartInputError: (\S+) is set in the DAG, but rendered to", output)
    assert set(named) == {"push_at", "idempotency_key", "conn_id", "hook_params['schema']", "canary"}


def test_fields_that_airflow_renders_without_redaction_fail_the_task(dag_run, ismart_sandbox):
    states, rendered, output = dag_run("without_redaction", WITHOUT_REDACTION="1")
    assert states == dict.fromkeys(
        ["plain", "mapped 0", "decorated", "decorated_mapped 0", "query", "canary"], "failed"
    ), output
    assert not ismart_sandbox.calls
    assert "ISmartUnsupportedAirflowError: This Airflow rendered recipients without redaction" in output
    in_plain = {task for task, fields in rendered if FULL_NUMBER.search(fields)}
    assert in_plain <= {"mapped", "decorated_mapped"}  # which Airflow stores before any of our code runs


def test_the_same_fields_with_redaction_are_sent(dag_run, ismart_sandbox):
    states, rendered, output = dag_run("without_redaction")
    assert set(states.values()) == {"success"}, output
    assert len(ismart_sandbox.messages) == 10
    assert len(rendered) == 6
    assert not [fields for _, fields in rendered if FULL_NUMBER.search(fields)]
