"""Stop real sends at random moments, as Airflow stops a task: nobody twice, and nobody uncertain."""

import faulthandler
import os
import random
import signal
import threading
import traceback
from collections import Counter
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import pytest

from airflow_provider_ismart.exceptions import ISmartUnavailableError
from airflow_provider_ismart.hooks.ismart import ISmartHook

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

SENDS = 100
NUMBERS = [f"9689{number:07}" for number in range(24)]
#: Longer than an undisturbed send takes.
LONGEST = 0.3
#: The exit statuses of a try's process.
UNDISTURBED, INTERRUPTED = 10, 11


class Terminated(BaseException):
    """The exception of Airflow 2's handler for SIGTERM."""


@contextmanager
def sigterm(seconds, hook):
    """Make SIGTERM, sent after ``seconds``, halt the hook and raise in the main thread, as Airflow does."""
    is_armed = True

    def handle(*_):
        nonlocal is_armed
        if is_armed:
            is_armed = False
            hook.halt()  # the operator's on_kill
            raise Terminated

    previous = signal.signal(signal.SIGTERM, handle)
    timer = threading.Timer(seconds, os.kill, [os.getpid(), signal.SIGTERM])
    try:
        timer.start()
        yield
    finally:
        is_armed = False
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGTERM, previous)


@pytest.fixture
def time_out():
    """Return what ``execution_timeout`` uses, and the exception that it raises."""
    try:
        from airflow.sdk.exceptions import AirflowTaskTimeout
        from airflow.sdk.execution_time.timeout import timeout
    except ImportError:
        from airflow.exceptions import AirflowTaskTimeout
        from airflow.utils.timeout import timeout
    return timeout, AirflowTaskTimeout


def attempt(run_id, try_number, hook, results_path):
    task_instance = SimpleNamespace(
        dag_id="dag", run_id=run_id, task_id="send", map_index=-1, try_number=try_number
    )
    options = {"message": "Hello", "batch_size": 2, "results_path": str(results_path)}
    return hook.submit(NUMBERS, options, {"ti": task_instance}, ledger_conn_id="ledger")


def in_own_process(interrupt):
    """Make a try in a fork of this process, as Airflow does; return whether it was interrupted.

    The exception of a signal can leave locks of other packages locked, such as those of logging.
    """
    child = os.fork()
    if not child:
        faulthandler.dump_traceback_later(120, exit=True)  # if it hangs
        try:
            os._exit(INTERRUPTED if interrupt() else UNDISTURBED)
        except BaseException:  # noqa: BLE001  # pytest must not go on in the fork
            traceback.print_exc()
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {UNDISTURBED, INTERRUPTED}
    return status == INTERRUPTED


def check_until_sent(run_id, messages, results_path, interrupt):
    """Interrupt the first try; check that it and a retry account for everybody."""
    was_interrupted = in_own_process(partial(interrupt, run_id))
    reached = Counter(message.msisdn for message in messages())
    if results_path.exists():
        rows = [line.split(",") for line in results_path.read_text(encoding="utf-8").splitlines()[1:]]
        outcomes = Counter(outcome for row in rows for outcome in row if outcome in {"accepted", "uncertain"})
        assert outcomes == {"accepted": len(reached)} if reached else not outcomes
    else:
        assert not reached
    report = attempt(run_id, 2, ISmartHook(), results_path)
    assert Counter(message.msisdn for message in messages()) == dict.fromkeys(NUMBERS, 1)
    counts = {outcome.value: count for outcome, count in report.outcomes.items() if count}
    assert sum(counts.values()) == len(NUMBERS)
    assert counts.get("already_sent", 0) == len(reached)
    assert "uncertain" not in counts
    return was_interrupted


@pytest.fixture
def interrupted_sends(ismart_default, ismart_sandbox, monkeypatch, tmp_path):
    """Run the sends; return how many of them were interrupted."""
    ismart_default(extra={"max_concurrency": 4})
    ismart_sandbox.configure(latency=0.02)
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", f"sqlite:///{tmp_path}/ledger.db")
    dice = random.Random(1)

    def run(interrupt):
        count = 0
        for number in range(SENDS):
            ismart_sandbox.reset()
            results_path = tmp_path / f"{number}.csv"
            count += check_until_sent(
                f"run {number}",
                lambda: ismart_sandbox.messages,
                results_path,
                lambda run_id, path=results_path: interrupt(run_id, path, dice.uniform(0.001, LONGEST)),
            )
        return count

    return run


@pytest.mark.usefixtures("airflow_loaded")
def test_sigterm_at_any_moment_leaves_nobody_uncertain(interrupted_sends):
    def interrupt(run_id, results_path, seconds):
        hook = ISmartHook()
        try:
            with sigterm(seconds, hook):
                attempt(run_id, 1, hook, results_path)
        except (Terminated, ISmartUnavailableError):  # the latter if the signal arrived in a finalizer
            return True
        return False

    assert interrupted_sends(interrupt) > SENDS / 4


@pytest.mark.usefixtures("airflow_loaded")
def test_airflows_timeout_at_any_moment_leaves_nobody_uncertain(interrupted_sends, time_out):
    timeout, error = time_out

    def interrupt(run_id, results_path, seconds):
        try:
            with timeout(seconds):
                attempt(run_id, 1, ISmartHook(), results_path)
        except error:
            return True
        return False

    assert interrupted_sends(interrupt) > SENDS / 4
