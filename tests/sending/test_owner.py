"""Test the wait for a send in its own thread."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_ismart.sending import owner


def run_in_own_thread(send, halt=lambda: None):
    return owner.run_in_own_thread(send, ThreadPoolExecutor(1), halt=halt, ended=threading.Condition())


@pytest.fixture
def halted():
    """Set an event when SIGUSR1 is handled; return the event."""
    event = threading.Event()
    previous = signal.signal(signal.SIGUSR1, lambda *_: event.set())
    yield event
    signal.signal(signal.SIGUSR1, previous)


def test_a_signal_that_arrives_in_another_thread_is_handled_during_the_send(halted):
    def send():
        time.sleep(0.2)  # until the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        return halted.wait(10)

    assert run_in_own_thread(send, halt=halted.set)


@pytest.mark.parametrize("error", [TimeoutError, ValueError])
def test_the_error_of_a_send_is_raised(error):
    def send():
        raise error

    with pytest.raises(error):
        run_in_own_thread(send)


def test_a_timeout_error_of_a_signal_handler_stops_the_send():
    def alarm(*_):
        raise TimeoutError("the handler's")

    previous = signal.signal(signal.SIGALRM, alarm)
    stopped = threading.Event()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(TimeoutError, match="the handler's"):
            run_in_own_thread(lambda: stopped.wait(20), halt=stopped.set)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert stopped.is_set()
