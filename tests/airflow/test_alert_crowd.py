"""Send many alerts concurrently: all are sent, within max_concurrency, and a wrong password is tried once."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_ismart.coordination import locks
from airflow_provider_ismart.coordination.locks import Deadline, lock_path, release, try_lock
from airflow_provider_ismart.coordination.variables import SharedState
from airflow_provider_ismart.notifications.ismart import ISmartNotifier

# What Airflow itself warns of when it reads a Variable in this process is not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")

CROWD = Path(__file__).with_name("crowd.py")
ON_CALL = "96890000001"
LATENCY = 0.3


@pytest.fixture(autouse=True)
def own_locks(monkeypatch, tmp_path, ismart_default):
    """Give each test its own locks, also in its subprocesses."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def record():
    """Return the file in which this machine records the verdict on the default connection's login."""
    return lock_path(SharedState("login", "ismart_default").name)


def alert(number=0, **context):
    ti = SimpleNamespace(dag_id="bills", task_id=f"task_{number}", map_index=-1, try_number=1, state="failed")
    ISmartNotifier(recipients=ON_CALL)({"ti": ti, "run_id": "a_run"} | context)


def crowd(processes, threads):
    ended = subprocess.run(
        [sys.executable, CROWD, str(processes), str(threads)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def in_threads(count):
    threads = [threading.Thread(target=alert, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def times_of_calls(sandbox):
    return [datetime.fromisoformat(call.at).timestamp() for call in sandbox.calls]


def most_in_flight(started):
    """Count the calls that started before the first of them can have been answered."""
    return max(sum(first <= other < first + LATENCY for other in started) for first in started)


def test_60_alerts_in_four_processes_are_all_sent_within_max_concurrency(ismart_sandbox, ismart_default):
    ismart_default(extra={"max_concurrency": 6})
    ismart_sandbox.configure(latency=LATENCY)
    crowd(processes=4, threads=15)
    assert len({message.text for message in ismart_sandbox.messages}) == 60
    assert len(ismart_sandbox.calls) == 60
    first, *others = times_of_calls(ismart_sandbox)
    assert min(others) >= first + LATENCY  # it proves the login
    assert 2 <= most_in_flight(others) <= 6


def test_many_alerts_try_a_wrong_password_once_even_if_no_variable_can_be_written(ismart_sandbox, ismart_default):
    ismart_default(password="wrong")
    ismart_sandbox.configure(latency=LATENCY, max_failed_logins=99)
    crowd(processes=2, threads=10)
    assert len(ismart_sandbox.calls) == 1


def test_many_alerts_try_a_newly_wrong_password_once(ismart_sandbox, ismart_default):
    ismart_sandbox.configure(latency=LATENCY, max_failed_logins=99)
    in_threads(5)
    assert len(ismart_sandbox.messages) == 5
    ismart_default(password="wrong")
    in_threads(10)
    assert len(ismart_sandbox.calls) == 6
    ismart_default()
    in_threads(5)
    assert len(ismart_sandbox.messages) == 10


def test_a_refusal_of_a_formerly_good_login_stops_the_other_alerts(ismart_sandbox, monkeypatch):
    alert()
    ismart_sandbox.configure(max_failed_logins=99)
    changed = replace(ismart_sandbox._state._credentials, password="changed")
    monkeypatch.setattr(ismart_sandbox._state, "_credentials", changed)
    for number in range(5):
        alert(number)
    assert len(ismart_sandbox.calls) == 2


def test_the_file_shows_neither_login_nor_password(ismart_sandbox, record):
    alert()
    found = json.loads(record.read_text())
    assert (set(found), found["verdict"]) == ({"verdict", "salt", "fingerprint"}, "good")
    assert len(found["fingerprint"]) == 4
    assert {path.stat().st_mode & 0o777 for path in record.parent.glob("ismart_*")} == {0o600}


@pytest.mark.parametrize(("age", "messages"), [(0, 2), (50, 2), (70, 1), (-70, 1)])
def test_an_accepted_message_proves_the_login_for_a_minute(age, messages, ismart_sandbox, record, monkeypatch):
    monkeypatch.setattr(locks, "QUEUE_SECONDS", 0)
    alert()
    os.utime(record, (time.time() - age,) * 2)
    with SharedState("login", "ismart_default").lock(Deadline()):  # as one that tries the login does
        alert()
    assert len(ismart_sandbox.messages) == messages


@pytest.mark.parametrize("nonsense", ["", "{", "[]", "null", '{"verdict": "good"}', '{"verdict": 1}'])
def test_an_unreadable_file_proves_nothing(nonsense, ismart_sandbox, record, monkeypatch):
    monkeypatch.setattr(locks, "QUEUE_SECONDS", 0)
    record.write_text(nonsense)
    with SharedState("login", "ismart_default").lock(Deadline()):
        alert()
    assert not ismart_sandbox.calls
    alert()
    assert len(ismart_sandbox.messages) == 1


def test_alerts_are_sent_one_at_a_time_until_a_message_is_accepted(ismart_sandbox):
    ismart_sandbox.configure(latency=LATENCY, credit=0)
    in_threads(5)
    assert most_in_flight(times_of_calls(ismart_sandbox)) == 1
    assert len(ismart_sandbox.calls) == 5


@pytest.mark.usefixtures("in_a_callback")
def test_a_throttled_alert_does_not_wait_for_other_alerts(ismart_sandbox):
    notifier = ISmartNotifier(recipients=ON_CALL, throttle=timedelta(hours=1), throttle_key="no_wait")
    context = {"ti": SimpleNamespace(dag_id="bills", task_id="send"), "run_id": "a_run"}
    notifier(context)
    name = SharedState("login", "ismart_default").name
    in_use = [try_lock(path) for path in [lock_path(name), *(lock_path(f"{name}.{n}") for n in range(4))]]
    assert all(in_use)
    started = time.monotonic()
    notifier(context)
    assert time.monotonic() - started < 10
    release(*in_use)
    assert len(ismart_sandbox.messages) == 1


@pytest.mark.parametrize(
    ("context", "ends"), [({"reason": "task_failure"}, True), ({}, False)], ids=["DAG", "task"]
)
def test_callbacks_of_dags_wait_less(context, ends, monkeypatch, ismart_sandbox):
    monkeypatch.setattr("airflow_provider_ismart.notifications.ismart.DAG_QUEUE_SECONDS", 0)
    with SharedState("login", "ismart_default").lock(Deadline()):
        waiting = threading.Thread(target=alert, kwargs=context)
        waiting.start()
        waiting.join(5)
        assert waiting.is_alive() is not ends
    waiting.join()
    assert len(ismart_sandbox.messages) == (not ends)
