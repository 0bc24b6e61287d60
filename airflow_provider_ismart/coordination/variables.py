"""What tasks and callbacks remember of one another, in whatever process and on whatever machine they run.

It is in an Airflow Variable, the one store that the task's process, the DAG processor and the triggerer all reach
on every Airflow. A Variable knows no compare-and-set, so a change is made in a turn: a lock on a file, for which
the callbacks on one machine queue. Callbacks on different machines do not.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import lru_cache
from hashlib import scrypt
from pathlib import Path
from threading import Thread
from typing import Any

from airflow.providers.common.compat.sdk import Variable

#: How long a callback queues in all, and what it is given for a turn even then.
QUEUE_SECONDS = 15.0
_LEAST_SECONDS = 0.5

#: A name can hide a phone number, of which there are only ten million: slow enough that guessing takes days.
SCRYPT = {"n": 2**14, "r": 8, "p": 1}


class BusyError(Exception):
    """Other callbacks on this machine kept their turns for too long."""


class Queue:
    """The patience of one callback: it queues for :data:`QUEUE_SECONDS`, however many turns it takes."""

    def __init__(self) -> None:
        self._until = time.monotonic() + QUEUE_SECONDS

    @property
    def seconds(self) -> float:
        """How long to queue for the next turn."""
        return max(self._until - time.monotonic(), _LEAST_SECONDS)


class Memory:
    """A small JSON object, whose name has ``kind`` in it and tells nothing of ``about``."""

    def __init__(self, kind: str, *about: str) -> None:
        self._kind, self._about = kind, about

    @property
    def name(self) -> str:
        """The Variable's."""
        return _name(self._kind, self._about)

    @contextmanager
    def turn(self, queue: Queue) -> Iterator[None]:
        """Keep the other callbacks of this user on this machine from their turns.

        :raises BusyError: no turn came.
        """
        path = Path(tempfile.gettempdir()) / f"{self.name}.{os.getuid()}.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        came: Future[None] = Future()
        Thread(target=_wait, args=(lock, came), name="ismart-turn", daemon=True).start()
        try:
            came.result(queue.seconds)
        except TimeoutError:
            if came.cancel():
                raise BusyError("too many alerts at once on this machine") from None
        try:
            yield
        finally:
            os.close(lock)  # which unlocks it, as the end of the process does

    def recall(self) -> dict[str, Any]:
        """Return what was put down last, nothing where that cannot be read."""
        try:
            found = json.loads(Variable.get(self.name, None))
        except (TypeError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def put_down(self, what: Mapping[str, Any]) -> None:
        """Remember this instead of what was put down before."""
        Variable.set(self.name, json.dumps(what), description="What airflow-provider-ismart keeps for its alerts")


def _wait(lock: int, came: Future[None]) -> None:
    """Wait in the system's queue, in which whoever is next wakes at once; give the turn up if nobody wants it."""
    fcntl.flock(lock, fcntl.LOCK_EX)
    if came.set_running_or_notify_cancel():
        came.set_result(None)
    else:
        os.close(lock)


@lru_cache
def _name(kind: str, about: tuple[str, ...]) -> str:
    digest = scrypt(json.dumps([kind, *about]).encode(), salt=b"airflow-provider-ismart", dklen=8, **SCRYPT)
    return f"ismart_{kind}_{digest.hex()}"
