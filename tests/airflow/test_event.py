"""Test the default message of an event, wherever Airflow runs the callback."""

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from airflow_provider_ismart.alerts.event import Event

LOGICAL = datetime(2030, 1, 31, 11, 30, tzinfo=timezone(timedelta(hours=4)))


def ti(**fields):
    return SimpleNamespace(
        **{"dag_id": "bills", "task_id": "send", "map_index": -1, "try_number": 2, "state": "failed"} | fields
    )


class HITLTask:
    """A stand-in for an ``HITLOperator`` of Airflow 3.1; the approval example runs a real one."""

    def __init__(self, base_url="http://airflow.example"):
        self._base_url = base_url

    def generate_link_to_ui_from_context(self, *, context):
        if not self._base_url:
            raise ValueError("Not able to retrieve base_url")
        return f"{self._base_url}/dags/{context['ti'].dag_id}/required_actions"


HITL = HITLTask()


@pytest.mark.parametrize(
    ("context", "text"),
    [
        (
            {"ti": ti(), "logical_date": LOGICAL, "exception": KeyError("amount")},
            "Airflow: bills.send failed, try 2, run 2030-01-31 07:30Z, KeyError",
        ),
        (
            {"ti": ti(map_index=12, state="up_for_retry"), "logical_date": LOGICAL, "exception": KeyError("x")},
            "Airflow: bills.send[12] failed, will be retried, try 2, run 2030-01-31 07:30Z, KeyError",
        ),
        ({"ti": ti(state="success"), "run_id": "by_hand"}, "Airflow: bills.send succeeded, try 2, run by_hand"),
        ({"ti": ti(state="running")}, "Airflow: bills.send is running, try 2"),
        # Airflow 2: the task instance that comes with a DAG's callback is any of the run
        (
            {"ti": ti(state="success"), "dag": SimpleNamespace(dag_id="bills"), "reason": "task_failure"},
            "Airflow: bills failed",
        ),
        # Airflow 3: it is the one that failed, without its state
        ({"ti": ti(state=None), "reason": "task_failure"}, "Airflow: bills.send failed"),
        (
            {"dag": SimpleNamespace(dag_id="bills"), "run_id": "manual", "reason": "timed_out"},
            "Airflow: bills failed, run manual",
        ),
        (
            {"ti": ti(state=None), "dag": SimpleNamespace(dag_id="bills"), "reason": "success"},
            "Airflow: bills succeeded",
        ),
        # the triggerer knows of a deadline as JSON
        (
            {
                "dag_run": {"dag_id": "bills", "dag_run_id": "manual", "logical_date": "2030-01-31T07:30:00Z"},
                "deadline": {"deadline_time": datetime(2030, 1, 31, 8, tzinfo=UTC)},
            },
            "Airflow: bills missed its deadline at 2030-01-31 08:00Z, run 2030-01-31 07:30Z",
        ),
        (
            {"dag_run": {"dag_id": "bills", "dag_run_id": "manual", "logical_date": None}, "deadline": {}},
            "Airflow: bills missed its deadline, run manual",
        ),
        ({"dag": SimpleNamespace(dag_id="bills"), "blocking_tis": []}, "Airflow: bills missed its SLA"),
        ({"task": HITL, "ti": ti(state=None), "run_id": "r"}, "Airflow: bills.send waits for an answer, run r"),
        ({"task": HITL, "ti": ti(state="running")}, "Airflow: bills.send waits for an answer"),
        ({"task": HITL, "ti": ti(state="success")}, "Airflow: bills.send succeeded, try 2"),
        (
            {"task": HITL, "ti": ti(state=None), "exception": TimeoutError()},
            "Airflow: bills.send failed, try 2, TimeoutError",
        ),
        ({}, "Airflow: a DAG failed"),
    ],
)
def test_the_default_message_describes_the_event_of_the_context(context, text):
    assert str(Event.of(context)) == text


def test_a_task_that_waits_for_an_answer_has_a_link_if_airflow_knows_its_address():
    assert (
        Event.of({"task": HITL, "ti": ti(state=None)}).link == "http://airflow.example/dags/bills/required_actions"
    )
    assert Event.of({"task": HITLTask(""), "ti": ti(state=None)}).link == ""
    assert Event.of({"task": HITL, "ti": ti(state="success")}).link == ""


def test_the_default_message_with_the_longest_names_fits_one_part():
    longest = ti(dag_id="d" * 250, task_id="t" * 250, map_index=1023, try_number=12)
    text = str(Event.of({"ti": longest, "logical_date": LOGICAL, "exception": ZeroDivisionError()}))
    assert len(text) <= 160
    assert text.endswith("[1023] failed, try 12, run 2030-01-31 07:30Z, ZeroDivisionError")


def test_all_instances_and_runs_of_a_task_share_a_key_per_event():
    keys = {Event.of({"ti": ti(map_index=index), "run_id": f"run_{index}"}).key for index in range(3)}
    assert keys == {"bills.send failed"}
    assert Event.of({"ti": ti(state="success")}).key not in keys
    deadline = {"dag_run": {"dag_id": "bills"}, "deadline": {"deadline_time": datetime.now(UTC)}}
    assert Event.of(deadline).key == "bills. missed its deadline"
