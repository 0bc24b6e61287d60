"""Test the locks of alerts: whatever ends a wait, nothing stays locked and no file stays open."""

import os
import random
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

from airflow_provider_ismart.coordination import locks
from airflow_provider_ismart.coordination.locks import BusyError, Deadline, hold, lock_path, release, try_lock
from airflow_provider_ismart.coordination.login_gate import LoginGate
from airflow_provider_ismart.coordination.variables import SharedState
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.notifications.ismart import ISmartNotifier

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def own_locks(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def gate(ismart_default):
    return LoginGate("gate", ISmartHook().settings)


def open_locks(folder):
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = descriptor.readlink()
        except FileNotFoundError:  # the folder's own
            continue
        if target.is_relative_to(folder):
            found.append(target.name)
    return found


def assert_all_are_free(folder):
    assert open_locks(folder) == []
    for path in folder.iterdir():
        file = try_lock(path)
        assert file, path.name
        release(file)


class StoppedError(Exception):
    """The exception that a signal raises."""


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a file may be closed by being forgotten
@pytest.mark.parametrize("is_good", [False, True], ids=["alone", "in a slot"])
@pytest.mark.parametrize("is_taken", [False, True], ids=["free", "taken"])
def test_a_signal_at_any_moment_leaves_nothing_locked_or_open(gate, tmp_path, is_good, is_taken):
    def stop(*_):
        raise StoppedError

    if is_good:
        gate.record_good()
    gate._verdict()  # its slow hash is known from now on
    taken = [file for path in [gate._path, *gate._slots] if is_taken and (file := try_lock(path))]
    stopped = 0
    before = signal.signal(signal.SIGALRM, stop)
    try:
        for _ in range(1000):
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.001))
                with gate.enter(Deadline()):
                    time.sleep(0.0002)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except StoppedError:
                stopped += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        release(*taken)
    assert stopped > 100
    assert_all_are_free(tmp_path)


def test_a_wait_ends_at_its_deadline_and_leaves_nothing_open(tmp_path):
    state, threads = SharedState("throttle", "any"), threading.active_count()
    with state.lock(Deadline()):
        started = time.monotonic()
        with pytest.raises(BusyError), state.lock(Deadline(1)):
            pytest.fail("it was locked")
        assert 0.9 < time.monotonic() - started < 10
        assert len(open_locks(tmp_path)) == 1
        assert threading.active_count() == threads
    assert_all_are_free(tmp_path)


def test_each_lock_gets_half_a_second_even_after_the_deadline():
    deadline = Deadline(0)
    for _ in range(2):
        with SharedState("throttle", "any").lock(deadline):
            pass


def test_waiting_callbacks_get_the_lock_one_at_a_time(tmp_path):
    inside, most = [], []

    def enter():
        with SharedState("throttle", "any").lock(Deadline()):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.005)
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 20
    assert_all_are_free(tmp_path)


def test_a_process_forked_meanwhile_does_not_keep_the_lock(tmp_path):
    state = SharedState("throttle", "any")
    with state.lock(Deadline()):
        child = os.fork()
        if not child:
            time.sleep(60)
            os._exit(0)
    try:
        with state.lock(Deadline(0)):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert_all_are_free(tmp_path)


def test_an_alert_that_cannot_start_a_thread_fails_and_leaves_nothing_locked(
    ismart_sandbox, ismart_default, tmp_path, monkeypatch, caplog
):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        ISmartNotifier(recipients="96890000001")({})
    assert not ismart_sandbox.calls
    assert_all_are_free(tmp_path)
    ISmartNotifier(recipients="96890000001")({})
    assert len(ismart_sandbox.messages) == 1


def test_a_failed_attempt_leaves_nothing_locked(gate, tmp_path):
    gate._slots[0].symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), gate.enter(Deadline()):
        pytest.fail("it followed a link")
    assert not (tmp_path / "elsewhere").exists()
    gate._slots[0].unlink()
    assert_all_are_free(tmp_path)


def test_a_file_of_another_user_is_not_trusted(tmp_path):
    path = lock_path("any")
    path.touch()
    try:
        os.chown(path, os.getuid() + 1, -1)
    except PermissionError:
        pytest.skip("only root can give a file away")
    with pytest.raises(PermissionError):
        try_lock(path)
    assert open_locks(tmp_path) == []


def test_a_lock_file_is_private(tmp_path):
    release(try_lock(lock_path("any")))
    assert stat.S_IMODE(lock_path("any").stat().st_mode) == 0o600


def test_a_removed_lock_file_blocks_nobody(tmp_path):
    path = lock_path("any")
    old = try_lock(path)
    path.unlink()
    with hold(lambda: (file,) if (file := try_lock(path)) else (), Deadline(0)):
        assert path.exists()
    release(old)


def test_all_locks_of_a_callback_share_its_deadline(monkeypatch):
    monkeypatch.setattr(locks, "QUEUE_SECONDS", 20)
    deadline = Deadline()
    first = deadline.remaining
    time.sleep(0.05)
    assert 19 < deadline.remaining < first <= 20
