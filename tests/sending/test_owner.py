"""Test the wait for a send in its own thread."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_ismart.sending.owner import run_in_own_thread


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

    assert run_in_own_thread(send, ThreadPoolExecutor(1), halt=halted.set)


@pytest.mark.parametrize("error", [TimeoutError, ValueError])
def test_the_error_of_a_send_is_raised(error):
    def send():
        raise error

    with pytest.raises(error):
        run_in_own_thread(send, ThreadPoolExecutor(1), halt=lambda: None)
