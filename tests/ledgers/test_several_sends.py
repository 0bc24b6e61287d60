"""Test a function that sends several times in a try, its retries, and what a number gets over all of them."""

import os
import subprocess
import sys
import time
from collections import deque
from threading import Thread
from types import SimpleNamespace

import pytest

from airflow_provider_ismart.exceptions import ISmartError, ISmartUnavailableError, ISmartUncertainError
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.sandbox import faults
from tests.ledgers.backings import Store, StoreOfTry, needs_task_state, numbers

try:
    from airflow.sdk.execution_time.context import set_current_context
except ImportError:  # Airflow 2.11
    from airflow.models.taskinstance import set_current_context

NUMBERS = numbers(40)
A, B = NUMBERS[:2]


@pytest.fixture
def a_try(ismart_default, lasting, monkeypatch):
    """Run the sends of one try of a task, each a list of numbers and a text; return its reports or errors."""
    ismart_default(extra={"max_concurrency": 2})
    if not isinstance(lasting, Store):
        monkeypatch.setenv("AIRFLOW_CONN_LEDGER", lasting.connection)
    tries = iter(range(1, 100))

    def a_try(*sends, **options):
        ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="send", map_index=-1, try_number=next(tries))
        context = {"ti": ti}
        if isinstance(lasting, Store):
            context["task_state_store"] = lasting.handle()
        outcomes = []
        for recipients, message in sends:
            try:
                report = ISmartHook().submit(
                    recipients,
                    {"message": message, **options},
                    context,
                    ledger_conn_id=None if isinstance(lasting, Store) else "ledger",
                    sends_several_times=True,
                )
            except ISmartError as error:
                report = error.report
            outcomes.append({outcome.value: n for outcome, n in report.outcomes.items() if n})
        return outcomes

    return a_try


def test_a_retry_with_a_changing_time_in_its_text_sends_nothing_again(a_try, told):
    a_try((NUMBERS, "It is 10:00"))
    for minute in ("10:05", "10:10"):
        assert a_try((NUMBERS, f"It is {minute}")) == [{"already_sent": len(NUMBERS)}]
    assert set(told().values()) == {1}


def test_several_different_messages_to_a_number_in_one_try_are_all_sent(a_try, told):
    assert a_try((NUMBERS, "One"), (NUMBERS, "Two")) == [{"accepted": len(NUMBERS)}] * 2
    assert set(told().values()) == {2}


def test_the_kth_message_is_already_sent_if_earlier_tries_sent_k(a_try, told):
    a_try(([A, B], "10:00 one"), ([A], "10:00 two"))
    assert a_try(([A, B], "10:05 one"), ([A, B], "10:05 two")) == [
        {"already_sent": 2},
        {"already_sent": 1, "accepted": 1},
    ]
    assert told() == {A: 2, B: 2}


def test_the_same_text_is_sent_once_however_often_a_try_requests_it(a_try, told):
    assert a_try(([A], "One"), ([A], "One"), ([A, B], "One")) == [
        {"accepted": 1},
        {"already_sent": 1},
        {"already_sent": 1, "accepted": 1},
    ]
    assert told() == {A: 1, B: 1}


def test_a_text_of_an_earlier_try_counts_once_even_if_requested_twice(a_try, told):
    a_try(([A], "One"))
    assert a_try(([A], "One"), ([A], "One"), ([A], "Two")) == [
        {"already_sent": 1},
        {"already_sent": 1},
        {"accepted": 1},
    ]
    assert told() == {A: 2}


def test_an_uncertain_message_replaces_one_message_of_the_retry(a_try, told, ismart_sandbox):
    ismart_sandbox.fail(faults.Drop(), None)
    assert a_try(([A], "10:00")) == [{"uncertain": 1}]
    assert a_try(([A], "10:05"), ([A], "10:05 two")) == [{"uncertain": 1}, {"accepted": 1}]


def test_a_loop_that_accepts_uncertain_rows_sends_every_chunk_and_can_fail_at_its_end(a_try, told, ismart_sandbox):
    ismart_sandbox.fail(None, faults.Drop())
    chunks = [NUMBERS[start : start + 10] for start in range(0, 40, 10)]
    first = a_try(*[(chunk, "Hello") for chunk in chunks], on_uncertain="accept")
    assert first == [{"accepted": 10}, {"uncertain": 10}, {"accepted": 10}, {"accepted": 10}]
    again = a_try(*[(chunk, "Hello") for chunk in chunks], on_uncertain="accept")
    assert again == [{"already_sent": 10}, {"uncertain": 10}, {"already_sent": 10}, {"already_sent": 10}]
    assert set(told().values()) == {1}


class CountedTry(StoreOfTry):
    """A task state store that records what is read and written."""

    def __init__(self, store):
        super().__init__(store)
        self.reads, self.written = [], []

    def get(self, key, default=None):
        self.reads.append(key)
        return super().get(key, default)

    def set(self, key, value, *, retention=None):
        super().set(key, value, retention=retention)
        self.written.append(len(self._store.values[key]))


@needs_task_state
def test_accesses_per_send_do_not_grow_with_the_number_of_sends(ismart_default, told, monkeypatch):
    store = Store()
    store.newest = counted = CountedTry(store)
    connections = []
    read_connection = ISmartHook.get_connection
    monkeypatch.setattr(
        ISmartHook, "get_connection", lambda _, name: connections.append(1) or read_connection(name)
    )
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="send", map_index=-1, try_number=1)
    everybody = numbers(120)
    with set_current_context({"ti": ti, "task_state_store": counted}):
        for number in everybody:
            ISmartHook().send([number], "Hello")
    assert set(told().values()) == {1}
    assert len(connections) == 1
    assert len(counted.reads) < 5
    assert len(counted.written) == 2 * len(everybody) + 1
    assert max(counted.written[-64:]) <= max(counted.written[:80])  # a page takes a limited number of writes


class TestHookSend:
    def test_send_accepts_the_operators_on_options(self, ismart_default, ismart_sandbox):
        ismart_default()
        ismart_sandbox.fail(faults.Drop())
        report = ISmartHook().send([A], "Hello", on_uncertain="accept")
        assert report["outcomes"]["uncertain"] == 1
        ismart_sandbox.fail(faults.Drop())
        with pytest.raises(ISmartUncertainError):
            ISmartHook().send([A], "Hello")

    def test_send_stops_like_the_operator_when_airflow_stops_the_task(self, ismart_default, ismart_sandbox):
        """Airflow calls on_kill of the task, from a signal handler on Airflow 3."""
        ismart_default(extra={"max_concurrency": 1})
        ismart_sandbox.configure(latency=0.2)
        task = SimpleNamespace(on_kill=lambda: None)
        ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="send", map_index=-1, try_number=1)
        hook, stopped = ISmartHook(), []

        def stop():
            while not ismart_sandbox.calls:
                time.sleep(0.01)
            task.on_kill()
            stopped.append(len(ismart_sandbox.calls))

        thread = Thread(target=stop)
        thread.start()
        with set_current_context({"ti": ti, "task": task}), pytest.raises(ISmartUnavailableError, match="stopped"):
            deque(hook.send([number], f"Message {n}") for n, number in enumerate(NUMBERS))
        thread.join()
        assert len(ismart_sandbox.calls) <= stopped[0] + 1
        assert task.on_kill.__name__ == "<lambda>"

    def test_send_in_a_subprocess_uses_the_tasks_ledger(self, ismart_default, told, database):
        """Send as ``@task.external_python`` does: in a subprocess with the task in its environment."""
        ismart_default(extra={"ledger_conn_id": "ledger"})
        for try_number in (1, 2):
            assert _in_subprocess(try_number, ledger=database.connection) == ""
        assert told() == {A: 1, B: 1}

    def test_send_in_a_subprocess_of_a_later_try_without_a_ledger_refuses(self, ismart_default, told):
        assert _in_subprocess(1) == ""
        assert "ISmartUncertainFinalError: This is try 2" in _in_subprocess(2)
        assert told() == {A: 1, B: 1}

    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    def test_send_in_a_process_pool_says_where_to_send_instead(self, ismart_default, told, method, tmp_path):
        script = tmp_path / "pool.py"
        script.write_text(_POOL.format(method=method))
        said = _in_subprocess(1, str(script))
        assert "ISmartInputError: hook.send was called in a worker of a process pool" in said
        assert not told()


_SEND = f"""
from airflow_provider_ismart.hooks.ismart import ISmartHook
ISmartHook().send({[A, B]}, "Hello")
"""

_POOL = f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from airflow_provider_ismart.hooks.ismart import ISmartHook

def send():
    ISmartHook().send({[A, B]}, "Hello")

if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("{{method}}")) as pool:
        pool.submit(send).result()
"""


def _in_subprocess(try_number, *script, ledger=None):
    """Send, or run a script, in a subprocess of a task; return the last line of its error output."""
    task = {"DAG_ID": "dag", "TASK_ID": "send", "DAG_RUN_ID": "run", "TRY_NUMBER": str(try_number)}
    env = os.environ | {f"AIRFLOW_CTX_{name}": value for name, value in task.items()}
    if ledger:
        env["AIRFLOW_CONN_LEDGER"] = ledger
    result = subprocess.run(
        [sys.executable, *(script or ("-c", _SEND))],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return "" if result.returncode == 0 else result.stderr.strip().splitlines()[-1]
