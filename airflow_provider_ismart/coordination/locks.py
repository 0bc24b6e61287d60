"""File locks between the processes of one user on one machine, acquired within a deadline.

A waiter polls. A blocking ``flock`` has no timeout, so it would need its own thread, which could acquire the lock
after the waiter has given up.
"""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

#: How long a callback waits for all its locks, and for each lock even after that, in seconds.
QUEUE_SECONDS = 180.0
_LEAST_SECONDS = 0.5

#: The mean pause between two attempts, as a share of the remaining time, and its bounds: waiters whose
#: deadline is near try more often. Up to 260 waiters for four slots took a quarter of a core (docs/alerts.md).
_POLL_SHARE = 1 / 500
_SHORTEST_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.2


class BusyError(Exception):
    """Other callbacks on this machine held the locks for too long."""


class Deadline:
    """The deadline of one callback: it waits ``seconds`` in all, for any number of locks."""

    def __init__(self, seconds: float | None = None) -> None:
        self._until = time.monotonic() + (QUEUE_SECONDS if seconds is None else seconds)

    @property
    def remaining(self) -> float:
        """The longest wait for the next lock, in seconds."""
        return max(self._until - time.monotonic(), _LEAST_SECONDS)


def lock_path(name: str) -> Path:
    """Return the file of a lock, which is different for each user of the machine."""
    return Path(tempfile.gettempdir()) / f"{name}.{os.getuid()}.lock"


def open_private(path: Path) -> FileIO:
    """Open a private file of this user for reading and writing, and create it if necessary.

    :raises OSError: it is a symbolic link, or belongs to another user.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    # A single C call: no signal handler can run between opening the file and creating its owner.
    file = next(map(FileIO, map(os.open, (path,), (flags,), (0o600,)), ("r+",)))
    try:
        if os.fstat(file.fileno()).st_uid != os.getuid():
            raise PermissionError(f"{path} belongs to another user")  # noqa: TRY301  # the file is closed here
    except BaseException:
        file.close()
        raise
    return file


def try_lock(path: Path) -> FileIO | None:
    """Return a locked file, or ``None`` if its lock is taken. :func:`release` it after use."""
    file = open_private(path)
    try:
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):  # the file was not removed meanwhile
                return file
    except BaseException:
        release(file)
        raise
    file.close()
    return None


def release(*files: FileIO) -> None:
    """Unlock and close files. A process forked meanwhile shares the lock, so closing alone would not unlock."""
    for file in files:
        try:
            fcntl.flock(file, fcntl.LOCK_UN)
        finally:
            file.close()


@contextmanager
def hold(attempt: Callable[[], tuple[FileIO, ...]], deadline: Deadline) -> Iterator[tuple[FileIO, ...]]:
    """Repeat ``attempt`` until it returns locked files, and release them at the end.

    :raises BusyError: it returned none before the deadline.
    """
    until = time.monotonic() + deadline.remaining
    files: tuple[FileIO, ...] = ()
    try:
        while not (files := attempt()):
            left = until - time.monotonic()
            if left <= 0:
                raise BusyError("too many alerts at the same time on this machine")
            mean = min(max(left * _POLL_SHARE, _SHORTEST_POLL_SECONDS), _LONGEST_POLL_SECONDS)
            time.sleep(min(left, mean * random.uniform(0.5, 1.5)))  # noqa: S311  # not for cryptography
        yield files
    finally:
        release(*files)
