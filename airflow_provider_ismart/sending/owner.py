"""Run a send in its own thread, so that a signal interrupts only the wait for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import TypeVar

from airflow_provider_ismart.exceptions import ISmartLoginError

_T = TypeVar("_T")


def run_in_own_thread(send: Callable[[], _T], executor: Executor, *, halt: Callable[[], None]) -> _T:
    """Return what ``send`` returns, or raise what it raises.

    Airflow stops a task with an exception that a signal's handler raises in the main thread, between any two
    lines. Here the main thread only waits, so a send is never left half recorded: it starts no new calls, calls
    in flight end and are recorded, and only then does the exception continue. A second signal does not cut that
    short. Airflow kills a process that takes too long.

    :param executor: has one thread, only for this send, and is shut down at the end.
    :param halt: stops the send early.
    :raises ISmartLoginError: the login was refused. It replaces the interruption, after which Airflow would retry.
    """
    owner: Future[_T] | None = None
    try:
        owner = executor.submit(copy_context().run, send)
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
