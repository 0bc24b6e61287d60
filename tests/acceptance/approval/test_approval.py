"""Run the approval example on a whole Airflow: one run is approved through the REST API, another is rejected."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deployment import Airflow
from servers import Gateway, Postgres, wait_until

EXAMPLE = Path(__file__).parents[3] / "dags_examples" / "approval.py"
DAG_ID = "ismart_approval"
APPROVER = "96890000099"
#: What is answered, by run.
ANSWERS = {"approved": "Approve", "rejected": "Reject"}


class Api:
    """Call Airflow's REST API."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._headers = {"Content-Type": "application/json"}
        self._headers["Authorization"] = f"Bearer {self.call('GET', '/auth/token')['access_token']}"

    def call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}{path}", data, self._headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def airflow(version: tuple[int, ...], folder: Path, postgres: Postgres, gateway: Gateway) -> Iterator[Airflow]:
    dags = folder / "dags"
    dags.mkdir()
    shutil.copy(EXAMPLE, dags)
    airflow = Airflow(
        version,
        folder,
        postgres,
        dags=dags,
        settings={"API__BASE_URL": "https://airflow.example", "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False"},
        environment={
            "TMPDIR": str(folder),
            "AIRFLOW_CONN_ISMART_DEFAULT": gateway.connection(),
            "AIRFLOW_VAR_ISMART_APPROVER": APPROVER,
        },
    )
    try:
        airflow.start("triggerer", dags=[DAG_ID])
        yield airflow
    finally:
        airflow.stop()


@pytest.fixture(scope="module")
def questions(airflow: Airflow) -> dict[str, Any]:
    """Return what the approver saw, by run, after both runs have been answered and have ended."""
    api, runs = Api(airflow.port), f"/api/v2/dags/{DAG_ID}/dagRuns"
    for run in ANSWERS:
        api.call("POST", runs, {"dag_run_id": run, "logical_date": None})
    waiting = "SELECT run_id FROM task_instance WHERE task_id = 'approve' AND state = 'deferred'"
    wait_until(lambda: len(airflow.query(waiting)) == len(ANSWERS), f"both runs ask; see {airflow.folder}")
    questions = {}
    for run, answer in ANSWERS.items():
        path = f"{runs}/{run}/taskInstances/approve/-1/hitlDetails"
        questions[run] = api.call("GET", path)
        api.call("PATCH", path, {"chosen_options": [answer], "params_input": {}})
    ended = "SELECT run_id FROM dag_run WHERE state IN ('success', 'failed')"
    wait_until(lambda: len(airflow.query(ended)) == len(ANSWERS), f"both runs end; see {airflow.folder}")
    return questions


@pytest.fixture(scope="module")
def messages(questions: dict[str, Any], gateway: Gateway) -> list[Any]:
    return list(map(json.loads, gateway.journal.read_text().splitlines()))


def test_the_approved_run_sends_and_the_rejected_one_skips_the_send(airflow, questions):
    states = airflow.query("SELECT run_id, state FROM task_instance WHERE task_id = 'send'")
    assert dict(states) == {"approved": "success", "rejected": "skipped"}
    runs = airflow.query("SELECT run_id, state FROM dag_run")
    assert dict(runs) == dict.fromkeys(ANSWERS, "success")


def test_each_recipient_gets_the_message_of_the_approved_run(messages):
    sent = [message for message in messages if message["msisdn"] != APPROVER]
    assert sorted(message["msisdn"] for message in sent) == [f"9689000000{digit}" for digit in range(1, 5)]
    assert "Dear Salim, your bill of OMR 12.500 is due on Thursday." in [message["text"] for message in sent]


def test_the_approver_gets_an_sms_with_the_link_for_each_run(messages):
    texts = sorted(message["text"] for message in messages if message["msisdn"] == APPROVER)
    assert len(texts) == len(ANSWERS)
    for text, run in zip(texts, ANSWERS, strict=True):
        assert text.startswith("Airflow: ismart_approval.approve waits for an answer, run ")
        page = f"https://airflow.example/dags/{DAG_ID}/runs/{run}/tasks/approve/required_actions?map_index=-1"
        assert text.endswith(f" {page}")


def test_the_approval_request_has_counts_and_samples_but_no_full_number(questions):
    for question in questions.values():
        assert question["subject"] == "Send 4 bills by SMS?"
        assert "| messages to send | 4 |" in question["body"]
        assert "`968******01`, Lang 0, 1 part(s):" in question["body"]
        assert "9000000" not in question["body"]
