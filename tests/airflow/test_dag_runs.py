"""Run real DAGs: check the messages, and what Airflow stores and shows."""

import csv
import json
import re
import sqlite3
import time
from contextlib import closing

import pytest

FULL_NUMBER = re.compile(r"9000\d{4}")


def _rows(database, query):
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.execute(query))


def test_each_way_to_pass_recipients_sends_to_them_and_shows_none(airflow_command, airflow_db, ismart_sandbox):
    output = airflow_command("dags", "test", "tell_people").output()
    of_dag = "WHERE dag_id = 'tell_people'"
    states = dict(_rows(airflow_db, f"SELECT task_id || map_index, state FROM task_instance {of_dag}"))
    assert set(states.values()) == {"success"}, output

    told = sorted((message.msisdn, message.text) for message in ismart_sandbox.messages)
    assert told == sorted(
        [(f"9689000010{digit}", text) for digit in "12" for text in ("Hello Muscat", "Jinja", "By the hook")]
        + [("96890000201", "Hello Ali"), ("96890000202", "Hello Zoe")]
        + [(f"96890000{group}{digit}", "Mapped") for group in ("30", "31") for digit in "12"]
        + [(f"9689000040{digit}", "Expanded") for digit in "123"]
    )

    fields_of_dag = f"SELECT task_id, map_index, rendered_fields FROM rendered_task_instance_fields {of_dag}"
    rendered = _rows(airflow_db, fields_of_dag)
    ours = {(task, index): fields for task, index, fields in rendered if "recipient_column" in fields}
    assert len(ours) == 6
    assert not [fields for fields in ours.values() if FULL_NUMBER.search(fields)]
    shown = {key: json.loads(fields)["recipients"] for key, fields in ours.items()}
    assert shown["from_xcom", -1] == "<2 recipients as list, hidden>"
    assert shown["from_frame", -1] in {f"<2 recipients as {kind}, hidden>" for kind in ("DataFrame", "list")}
    assert shown["from_jinja", -1] == "<recipients as str, hidden>"
    assert shown["expanded", 0] == "<1 recipients as list, hidden>"
    assert json.loads(ours["from_frame", -1])["recipient_column"] == "phone"

    of_sends = f"{of_dag} AND (task_id LIKE 'from_%' OR task_id = 'expanded')"
    reports = _rows(airflow_db, f"SELECT CAST(value AS TEXT) FROM xcom {of_sends}")
    assert len(reports) == 6
    assert not [report for (report,) in reports if FULL_NUMBER.search(report) or "Hello" in report]
    ours_in_log = [line for line in output.splitlines() if "ismart" in line.lower() or "rows:" in line]
    assert ours_in_log
    assert not [line for line in ours_in_log if FULL_NUMBER.search(line)]
    # Airflow 3.0 logs the secrets that it is to mask, at DEBUG, in `dags test` alone.
    assert ismart_sandbox.password not in re.sub(r"MaskSecret\(.*?\)", "", output)


def test_task_ismart_sends_to_the_returned_recipients_and_shows_none(airflow_command, airflow_db, ismart_sandbox):
    output = airflow_command("dags", "test", "taskflow").output()
    of_dag = "WHERE dag_id = 'taskflow'"
    states = dict(_rows(airflow_db, f"SELECT task_id || map_index, state FROM task_instance {of_dag}"))
    ours = {task: state for task, state in states.items() if not task.startswith("rows")}
    assert ours == {
        "from_args-1": "success",
        "from_kwargs-1": "success",
        "from_mapped0": "success",
        "from_mapped1": "skipped",  # the function returned []
        "from_mapped2": "success",
        "from_mapped3": "skipped",
        "previewed-1": "success",
    }, output

    assert sorted((message.msisdn, message.text) for message in ismart_sandbox.messages) == [
        ("96890000101", "Muscat: Ali"),
        ("96890000102", "Muscat: Zoe"),
        ("96890000201", "Only Ali"),
        ("96890000302", "Muscat: Zoe"),
        ("96890000312", "Muscat: Zoe"),
    ]

    rendered = _rows(
        airflow_db,
        f"SELECT task_id, map_index, rendered_fields FROM rendered_task_instance_fields {of_dag}",
    )
    shown = {(task, index): json.loads(fields) for task, index, fields in rendered if "recipient_column" in fields}
    assert len(shown) == 7
    assert not [fields for fields in shown.values() if FULL_NUMBER.search(str(fields))]
    assert "list, hidden" in str(shown["from_args", -1]["op_args"])
    assert "'only': " in str(shown["from_mapped", 0]["op_kwargs"])
    assert shown["from_args", -1]["message"] == "Muscat: {name}"
    assert shown["from_kwargs", -1]["message"] == {"en": "Nobody's", "default": "Only {name}"}
    assert shown["from_args", -1]["recipient_column"] == "phone"
    assert "recipients" not in shown["from_args", -1]

    reports = {
        (task, key): json.loads(_text(value))
        for task, key, value in _rows(airflow_db, f"SELECT task_id, key, value FROM xcom {of_dag}")
        if task.startswith(("from_", "previewed")) and key == "return_value"
    }
    assert reports["from_args", "return_value"]["outcomes"]["accepted"] == 2
    assert reports["previewed", "return_value"]["dry_run"] is True
    assert not FULL_NUMBER.search(str(reports))
    ours_in_log = [line for line in output.splitlines() if "ismart" in line.lower() or "rows:" in line]
    assert ours_in_log
    assert not [line for line in ours_in_log if FULL_NUMBER.search(line)]


def _text(value):
    """Return an XCom's JSON: bytes on Airflow 2.11, JSON or its text on 3."""
    value = value.decode() if isinstance(value, bytes) else value
    inner = json.loads(value)
    return inner if isinstance(inner, str) else value


def test_a_task_that_gets_sigterm_finishes_calls_in_flight_and_records_outcomes(
    airflow_command, ismart_default, ismart_sandbox, tmp_path
):
    ismart_default(extra={"max_concurrency": 4})
    ismart_sandbox.configure(latency=0.1)
    command = airflow_command("dags", "test", "killed", RESULTS_PATH=str(tmp_path / "results.csv"))
    deadline = time.monotonic() + 180
    while len(ismart_sandbox.calls) < 6 and command.is_running:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    command.terminate()
    calls = len(ismart_sandbox.calls)
    output = command.output()
    assert len(ismart_sandbox.calls) < calls + 100 < 400, (calls, output)
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        results = list(csv.DictReader(file))
    assert len(results) == 2_000
    accepted = sorted(row["msisdn"] for row in results if row["outcome"] == "accepted")
    on_record = sorted(message.msisdn for message in ismart_sandbox.messages)
    assert accepted == on_record
    assert len(set(on_record)) == len(on_record)


@pytest.mark.parametrize("try_number", [2, 5])
def test_a_later_try_without_a_ledger_sends_nothing(try_number, airflow_version, ismart_default, ismart_sandbox):
    from types import SimpleNamespace

    from airflow_provider_ismart.exceptions import ISmartUncertainFinalError
    from airflow_provider_ismart.operators.ismart import ISmartSendOperator

    if airflow_version >= (3, 3):
        pytest.skip("Airflow 3.3 keeps a ledger of its own")
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="tell", map_index=-1, try_number=try_number)
    operator = ISmartSendOperator(task_id="tell", recipients="96890000001", message="Hello")
    with pytest.raises(ISmartUncertainFinalError, match="ledger"):
        operator.execute({"ti": ti})
    assert not ismart_sandbox.calls
    operator.execute({"ti": SimpleNamespace(**vars(ti) | {"try_number": 1})})
    assert len(ismart_sandbox.messages) == 1
