"""Run a send in its own thread, so that a signal interrupts only the wait for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from threading import Condition
from typing import TypeVar

from airflow_provider_ismart.exceptions import ISmartLoginError

_T = TypeVar("_T")

#: The kernel can deliver a signal to any thread, but Python handles it in the main thread, once that wakes up.
_SECONDS_BETWEEN_SIGNAL_CHECKS = 0.5


def run_in_own_thread(
    send: Callable[[], _T], executor: Executor, *, halt: Callable[[], None], ended: Condition
) -> _T:
    """Run ``send`` in a thread of ``executor``; return its result or raise its error.

    To stop a task, Airflow raises an exception from a signal handler, in the main thread, between any two lines.
    Here the main thread only waits. After such an exception, the send starts no new calls, calls in flight finish
    and are recorded, and only then is the exception raised again. So no send is left half recorded. A second
    signal does not shorten this, but Airflow kills a process that takes too long.

    :param executor: an executor with one thread, only for this send. It is shut down at the end.
    :param halt: stops the send early.
    :param ended: a new condition, which is notified at the end of the send.
    :raises ISmartLoginError: the login was refused. This replaces the interruption, because Airflow retries
        an interrupted task.
    """
    owner: Future[_T] | None = None
    try:
        owner = executor.submit(copy_context().run, send)
        owner.add_done_callback(lambda _: _notify(ended))
        with ended:
            while not ended.wait_for(owner.done, _SECONDS_BETWEEN_SIGNAL_CHECKS):
                pass
        return owner.result()
    except BaseException as interruption:
        halt()
        executor.shutdown()
        error = owner.exception() if owner else None
        if isinstance(error, ISmartLoginError) and error is not interruption:
            raise error from None
        raise
    finally:
        executor.shutdown()


def _notify(condition: Condition) -> None:
    with condition:
        condition.notify()
