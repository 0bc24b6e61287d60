"""Run each example DAG on a real Airflow and check the messages and reports."""

import csv
import json
import re
import runpy
import sqlite3
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from airflow.providers.common.compat.module_loading import import_string

CHECKOUT = Path(__file__).parents[2]
EXAMPLES = CHECKOUT / "dags_examples"
AIRFLOW = tuple(int(number) for number in version("apache-airflow").split(".")[:2])
# There, dag.test() gives callbacks no exception.
CALLBACKS_GET_NO_EXCEPTION = (3, 0) <= AIRFLOW < (3, 3)

# What Airflow itself warns of in `dag.test()` is not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def run_dag(airflow_db, shared_api_server, ismart_default, monkeypatch):
    """Run a file's DAG with ``dag.test()`` against the sandbox; return its task instances."""

    def run(path):
        monkeypatch.setattr("airflow.settings.DAGS_FOLDER", str(path.parent))  # Airflow 3.3 looks the DAG up there
        monkeypatch.setenv("AIRFLOW__CORE__HOSTNAME_CALLABLE", "socket.gethostname")  # asks no name server
        dag_run = runpy.run_path(str(path))["dag"].test()
        assert dag_run.state == "success"
        return dag_run.get_task_instances()

    return run


@pytest.fixture
def run_example(run_dag):
    return lambda name: run_dag(EXAMPLES / f"{name}.py")


def texts_by_phone(sandbox):
    texts = defaultdict(list)
    for message in sandbox.messages:
        texts[message.msisdn].append(message.text)
    return {msisdn: sorted(received) for msisdn, received in texts.items()}


def report_of(task_id, task_instances):
    [instance] = [instance for instance in task_instances if instance.task_id == task_id]
    return instance.xcom_pull(task_ids=task_id)


def test_quick_start_sends_to_all_recipients_in_one_call(run_example, ismart_sandbox):
    report = report_of("send", run_example("quick_start"))

    everybody = ["96890000001", "96890000002", "96890000003"]
    text = "The office opens at 9:00 on Thursday."
    assert texts_by_phone(ismart_sandbox) == {msisdn: [text] for msisdn in everybody}
    assert (report["outcomes"]["accepted"], report["calls"]) == (3, 1)


def test_personalised_dataframe_sends_each_customer_their_bill_in_their_language(run_example, ismart_sandbox):
    run_example("personalised_dataframe")

    assert texts_by_phone(ismart_sandbox) == {
        "96890000001": ["Dear Salim, your bill of OMR 12.500 is due on 31/01/2030. Thank you."],
        "96890000002": ["عزيزنا مريم، فاتورتك بمبلغ 7.250 ر.ع. مستحقة في 31/01/2030. شكراً لك."],
        "96890000003": ["Dear Ravi, your bill of OMR 103.000 is due on 31/01/2030. Thank you."],
        "96890000004": ["عزيزنا خالد، فاتورتك بمبلغ 18.750 ر.ع. مستحقة في 31/01/2030. شكراً لك."],
    }
    assert {message.lang for message in ismart_sandbox.messages} == {0, 64}


def test_personalised_dataframe_reports_every_row_that_was_not_sent(run_example, ismart_sandbox):
    report = report_of("send", run_example("personalised_dataframe"))
    english, arabic = report["languages"]["en"], report["languages"]["ar"]

    assert {k: n for k, n in english["outcomes"].items() if n} == {
        "accepted": 2,
        "invalid": 1,
        "excluded": 1,
        "duplicate": 1,
    }
    assert {k: n for k, n in arabic["outcomes"].items() if n} == {"accepted": 2, "invalid": 1}
    assert report["reasons"] == {
        "message: no value for {amount}": 1,
        "number: has letters; write 9XXXXXXX or 9689XXXXXXX": 1,
        "in exclude": 1,
    }


def test_scheduled_send_is_accepted_now_for_tomorrow_morning_in_muscat(run_example, ismart_sandbox):
    muscat = ZoneInfo("Asia/Muscat")
    before = datetime.now(muscat).date()
    run_example("scheduled_send")
    after = datetime.now(muscat).date()

    assert {message.msisdn for message in ismart_sandbox.messages} == {"96890000001", "96890000002"}
    assert {message.state for message in ismart_sandbox.messages} == {"scheduled"}
    [push_at] = {datetime.fromisoformat(message.push_at) for message in ismart_sandbox.messages}
    assert push_at.utcoffset() == timedelta(hours=4)
    assert push_at.date() - timedelta(days=1) in {before, after}
    assert push_at.time().isoformat("minutes") == "07:30"


@pytest.fixture
def sqlite_ledger(tmp_path, monkeypatch):
    ledger = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(ledger))


@pytest.mark.usefixtures("sqlite_ledger")
def test_mapped_recipients_get_one_message_of_all_branches_and_one_per_branch(run_example, ismart_sandbox):
    tasks = run_example("mapped_recipients")

    meeting = "The yearly meeting is on Sunday."
    assert texts_by_phone(ismart_sandbox) == {
        "96890000001": ["Aisha, your shift plan is out.", meeting],
        "96890000002": [meeting, "Yusuf, your shift plan is out."],
        "96890000003": ["Huda, your shift plan is out.", meeting],
    }
    assert report_of("send_all", tasks)["calls"] == 1
    branches = {task.map_index: task.state for task in tasks if task.task_id == "send_branch"}
    assert branches == {0: "success", 1: "success", 2: "skipped"}


@pytest.mark.usefixtures("sqlite_ledger")
def test_mapped_tasks_try_a_wrong_password_once(run_example, ismart_default, ismart_sandbox):
    ismart_default(password="wrong")
    with pytest.raises(AssertionError, match="failed"):
        run_example("mapped_recipients")
    assert len(ismart_sandbox.calls) == 1

    ismart_default(password=ismart_sandbox.password)  # is another login
    run_example("mapped_recipients")
    assert len(ismart_sandbox.messages) == 6


def test_taskflow_sends_to_returned_recipients_also_in_mapped_tasks(run_example, ismart_sandbox):
    tasks = run_example("taskflow")

    closed = "The clinics are closed on Thursday."
    assert texts_by_phone(ismart_sandbox) == {
        "96890000001": ["Dear Salim, you are expected at 9:00 tomorrow.", closed],
        "96890000002": ["Dear Huda, you are expected at 8:00 tomorrow.", closed],
        "96890000003": ["Dear مريم, you are expected at 10:30 tomorrow.", closed],
    }
    assert report_of("all_patients", tasks)["outcomes"]["accepted"] == 3
    branches = {task.map_index: task.state for task in tasks if task.task_id == "patients_of"}
    assert branches == {0: "success", 1: "success", 2: "skipped"}


@pytest.mark.usefixtures("sqlite_ledger")
def test_many_workers_send_once_to_each_number_even_if_another_run_splits_differently(
    run_dag, run_example, airflow_db, ismart_sandbox, tmp_path
):
    with closing(sqlite3.connect(airflow_db)) as metadata, metadata:
        metadata.execute("INSERT INTO slot_pool (pool, slots, include_deferred) VALUES ('ismart', 5, 0)")
    source = (EXAMPLES / "many_workers.py").read_text(encoding="utf-8")
    split_differently = tmp_path / "many_workers.py"
    split_differently.write_text(source.replace("PIECES = 4", "PIECES = 3"), encoding="utf-8")

    tasks = run_example("many_workers")
    assert sorted(outcomes_of_pieces(tasks, "accepted")) == [5, 5, 5, 5]
    tasks = run_dag(split_differently)
    assert sorted(outcomes_of_pieces(tasks, "already_sent")) == [6, 7, 7]

    meeting = "The yearly meeting is on Sunday."
    assert texts_by_phone(ismart_sandbox) == {f"968900000{number:02}": [meeting] for number in range(1, 21)}


def outcomes_of_pieces(task_instances, outcome):
    pieces = [instance for instance in task_instances if instance.task_id == "send"]
    reports = [piece.xcom_pull(task_ids="send", map_indexes=piece.map_index) for piece in pieces]
    return [report["outcomes"][outcome] for report in reports]


def test_sql_send_messages_the_recipients_of_the_query(run_example, ismart_sandbox):
    tasks = run_example("sql_send")

    assert texts_by_phone(ismart_sandbox) == {
        "96890000001": ["Dear Salim, your bill of OMR 12.500 is due on Thursday."],
        "96890000002": ["Dear مريم, your bill of OMR 7.250 is due on Thursday."],
    }
    assert report_of("send", tasks)["rows"] == 2


def test_file_send_messages_the_recipients_in_all_files_once(run_example, ismart_sandbox):
    tasks = run_example("file_send")

    assert texts_by_phone(ismart_sandbox) == {
        "96890000001": ["Dear Salim, you are expected at 9:00 tomorrow."],
        "96890000002": ["Dear مريم, you are expected at 10:30 tomorrow."],
        "96890000003": ["Dear Ravi, you are expected at 11:15 tomorrow."],
    }
    outcomes = report_of("send", tasks)["outcomes"]
    assert (outcomes["accepted"], outcomes["duplicate"]) == (3, 1)


def test_staging_reaches_only_the_allowed_numbers_and_production_everybody(
    run_example, ismart_sandbox, monkeypatch
):
    report = report_of("send", run_example("staging_and_production"))
    in_production = ["96890000001", "96890000002", "96890000003"]
    assert sorted(texts_by_phone(ismart_sandbox)) == in_production
    assert (report["outcomes"]["excluded"], report["restricted"]) == (1, None)

    staging = json.loads(ismart_sandbox.connection_json()) | {"extra": {"allowed_numbers": "9000 0001"}}
    monkeypatch.setenv("AIRFLOW_CONN_ISMART_STAGING", json.dumps(staging))
    monkeypatch.setenv("AIRFLOW_VAR_ISMART_CONN_ID", "ismart_staging")
    report = report_of("send", run_example("staging_and_production"))
    assert [message.msisdn for message in ismart_sandbox.messages] == [*in_production, "96890000001"]
    assert report["reasons"] == {"in exclude": 1, "not in the allowed numbers of connection 'ismart_staging'": 2}

    monkeypatch.setenv("AIRFLOW_VAR_ISMART_MAX_CREDITS", "0")
    with pytest.raises(AssertionError, match="failed"):
        run_example("staging_and_production")
    assert len(ismart_sandbox.messages) == 4


def test_the_documented_recipe_excludes_numbers_that_opted_out_in_earlier_runs(run_dag, ismart_sandbox, tmp_path):
    chapter = (CHECKOUT / "docs/guard-rails.md").read_text(encoding="utf-8")
    [source] = re.findall(r"```python\n(.*?)```", chapter, re.DOTALL)
    dag_file, results = tmp_path / "reminders.py", tmp_path / "results"
    results.mkdir()
    dag_file.write_text(source.replace("/data/results", str(results)), encoding="utf-8")

    ismart_sandbox.configure(opted_out=["96890000002"])
    first = report_of("send", run_dag(dag_file))
    assert (first["outcomes"]["accepted"], first["return_codes"]["23"]["rows"]) == (1, 1)
    calls = len(ismart_sandbox.calls)
    second = report_of("send", run_dag(dag_file))
    assert (second["outcomes"]["accepted"], second["outcomes"]["excluded"]) == (1, 1)
    assert len(ismart_sandbox.calls) == calls + 1


@pytest.fixture
def answer(airflow_db, monkeypatch, caplog):
    """Answer a run's approval request through Airflow's REST API; return what the approver saw."""
    if AIRFLOW < (3, 1):
        pytest.skip("Airflow asks for approvals from 3.1 on")
    if AIRFLOW < (3, 3):
        pytest.skip(
            "dag.test() of Airflow 3.1 and 3.2 cannot read an answer; tests/acceptance/approval has a scheduler"
        )
    from airflow.api_fastapi.app import cached_app
    from fastapi.testclient import TestClient

    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
    # Here, because two threads that import Airflow's models concurrently can deadlock.
    app = cached_app(apps="core")

    def wait_and_answer(dag_id, option):
        deadline = time.monotonic() + 120
        # Airflow shows the question before dag.test() parks the task, which would undo an early answer.
        while "Waiting for Human-in-the-loop input" not in caplog.text:
            assert time.monotonic() < deadline, "no approval was asked for"
            time.sleep(0.1)
        with TestClient(app, base_url="http://127.0.0.1") as api:
            token = api.get("/auth/token").json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            runs = f"/api/v2/dags/{dag_id}/dagRuns"
            details = api.get(f"{runs}/~/hitlDetails", headers=headers).raise_for_status().json()["hitl_details"]
            [detail] = [detail for detail in details if not detail["response_received"]]
            path = f"{runs}/{detail['task_instance']['dag_run_id']}/taskInstances/approve/-1/hitlDetails"
            response = api.patch(path, headers=headers, json={"chosen_options": [option], "params_input": {}})
            response.raise_for_status()
            return detail

    with ThreadPoolExecutor(1) as thread:
        yield lambda dag_id, option: thread.submit(wait_and_answer, dag_id, option)


@pytest.fixture
def approver(monkeypatch):
    """Set Airflow's address and the approver's number."""
    monkeypatch.setenv("AIRFLOW_VAR_ISMART_APPROVER", "96890000099")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example")
    return "96890000099"


def states(task_instances):
    return {instance.task_id: instance.state for instance in task_instances}


def test_approval_shows_a_preview_and_sends_once_approved(run_example, answer, approver, ismart_sandbox):
    answered = answer("ismart_approval", "Approve")
    tasks = run_example("approval")

    assert states(tasks) == dict.fromkeys(["bills", "preview", "approve", "send"], "success")
    everybody = [f"9689000000{digit}" for digit in range(1, 5)]
    asked, *sent = ismart_sandbox.messages
    assert sorted(message.msisdn for message in sent) == everybody
    assert asked.msisdn == approver
    [run_id] = {instance.run_id for instance in tasks}
    link = (
        f"https://airflow.example/dags/ismart_approval/runs/{run_id}/tasks/approve/required_actions?map_index=-1"
    )
    assert asked.text.startswith("Airflow: ismart_approval.approve waits for an answer, run ")
    assert asked.text.endswith(f" {link}")
    detail = answered.result()
    assert detail["subject"] == "Send 4 bills by SMS?"
    for line in (
        "| messages to send | 4 |",
        "| calls | 4 |",
        "| **invalid or excluded, not sent** | 1 |",
        "- 1 x `number: has letters; write 9XXXXXXX or 9689XXXXXXX`",
        "`968******01`, Lang 0, 1 part(s):\n\n    Dear Salim, your bill of OMR 12.500 is due on Thursday.",
        "`968******02`, Lang 64, 1 part(s):\n\n    Dear مريم, your bill of OMR 7.250 is due on Thursday.",
        "`968******03`",
    ):
        assert line in detail["body"]
    assert "Huda" not in detail["body"]
    assert not re.search(r"9000000\d", detail["body"])


def test_approval_sends_nothing_if_rejected(run_example, answer, approver, ismart_sandbox):
    answered = answer("ismart_approval", "Reject")
    tasks = run_example("approval")

    assert states(tasks) == {"bills": "success", "preview": "success", "approve": "success", "send": "skipped"}
    assert [message.msisdn for message in ismart_sandbox.messages] == [approver]
    assert answered.result()["subject"] == "Send 4 bills by SMS?"


def test_credit_monitor_succeeds_without_trouble(run_example, ismart_sandbox):
    assert report_of("check", run_example("credit_monitor"))["code"] == 9
    assert (len(ismart_sandbox.calls), ismart_sandbox.messages) == (1, [])


def test_credit_monitor_fails_and_notifies_once_a_day_if_the_credit_is_low(run_example, ismart_sandbox, caplog):
    ismart_sandbox.configure(credit=0)
    for _ in range(2):
        with pytest.raises(AssertionError, match="failed"):
            run_example("credit_monitor")
    assert len(ismart_sandbox.calls) == 2
    notified = caplog.text.count("Credit is low (4). Buy credit from Infocomm")
    assert notified == (not CALLBACKS_GET_NO_EXCEPTION)


def test_credit_monitor_checks_once_per_run_and_is_paused_after_three_failures():
    # What Airflow's scheduler does about it, dag.test() on 3.3 does not
    dag = runpy.run_path(str(EXAMPLES / "credit_monitor.py"))["dag"]
    assert dag.max_consecutive_failed_dag_runs == 3
    assert dag.get_task("check").deferrable is False


def test_failure_alert_sends_one_sms_for_all_failures(run_example, ismart_sandbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_ISMART_ON_CALL", "96890000001")
    with pytest.raises(AssertionError, match="failed"):
        run_example("failure_alert")
    [message] = ismart_sandbox.messages
    assert (message.msisdn, message.parts) == ("96890000001", 1)
    assert message.text.startswith("Airflow: ismart_failure_alert.load[")
    assert message.text.endswith(", RuntimeError") is (not CALLBACKS_GET_NO_EXCEPTION)


def test_deadline_alert_names_a_notifier_that_can_be_created_from_its_arguments():
    if AIRFLOW < (3, 1):
        pytest.skip("deadlines came with Airflow 3.1")
    # Airflow 3.3.2's dag.test() cannot end a run with a deadline; the acceptance tests let one be missed
    page = runpy.run_path(str(EXAMPLES / "deadline_alert.py"))["page"]
    notifier = import_string(page.path)(**page.kwargs, context={})
    assert notifier.recipients == "{{ var.value.ismart_on_call }}"


def test_credit_watch_also_runs_without_an_asset_event(run_example):
    if version("apache-airflow") < "3":
        pytest.skip("Airflow 2 has no asset watchers")
    assert report_of("describe", run_example("credit_watch")) == []


def test_the_dag_of_the_readme_sends_personal_messages(run_dag, ismart_sandbox, tmp_path):
    [source] = re.findall(r"```python\n(.*?)```", (CHECKOUT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    results = tmp_path / "remind.csv"
    dag_file = tmp_path / "remind.py"
    dag_file.write_text(source.replace("remind/{{ run_id }}.csv", str(results)), encoding="utf-8")

    run_dag(dag_file)

    assert texts_by_phone(ismart_sandbox) == {
        "96890000001": ["Dear Salim, the office opens at 9:00 on Thursday."],
        "96890000002": ["Dear مريم, the office opens at 9:00 on Thursday."],
    }
    with results.open(encoding="utf-8", newline="") as file:
        assert [row["outcome"] for row in csv.DictReader(file)] == ["accepted", "accepted"]


def test_the_dags_of_the_tutorial_work_as_described(run_dag, ismart_sandbox, tmp_path):
    if AIRFLOW < (3, 0):
        pytest.skip("the tutorial installs Airflow 3.3")
    results = tmp_path / "bills.csv"
    page = (CHECKOUT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    page = page.replace("~/ismart-tutorial/bills.csv", str(results))
    sources = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for name, source in zip(["first_sms", "bills"], sources, strict=True):
        dag_file = tmp_path / f"{name}.py"
        dag_file.write_text(source, encoding="utf-8")
        run_dag(dag_file)

    office = "The office opens at 9:00 on Thursday."
    assert texts_by_phone(ismart_sandbox) == {
        "96890000001": ["Dear Salim, your bill of OMR 12.500 is due on Thursday.", office],
        "96890000002": [office, "عزيزنا مريم، فاتورتك بمبلغ 7.250 ر.ع. مستحقة يوم الخميس."],
        "96890000003": ["Dear Ravi, your bill of OMR 103.000 is due on Thursday."],
    }
    with results.open(encoding="utf-8", newline="") as file:
        outcomes = [row["outcome"] for row in csv.DictReader(file)]
    assert outcomes == ["accepted", "accepted", "accepted", "duplicate"]


def test_each_example_has_a_test():
    tests = Path(__file__).read_text(encoding="utf-8")
    for example in EXAMPLES.glob("*.py"):
        assert f'run_example("{example.stem}")' in tests or f'EXAMPLES / "{example.name}"' in tests
