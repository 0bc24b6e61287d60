"""Acquire file locks between the processes of one user on one machine, within a deadline.

A waiting process polls, because a blocking ``flock`` has no timeout. It would need its own thread, which could
acquire the lock after the process has given up.
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

#: How long a callback waits for all its locks in total, in seconds.
QUEUE_SECONDS = 180.0
#: How long it waits for each lock even after that.
_LEAST_SECONDS = 0.5

#: The mean pause between two attempts, as a share of the remaining time, and its bounds. Callbacks whose deadline
#: is near try more often. 260 callbacks that waited for four slots took a quarter of a core.
_POLL_SHARE = 1 / 500
_SHORTEST_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.2


class BusyError(Exception):
    """Other callbacks on this machine held the locks until the deadline."""


class Deadline:
    """Limit how long one callback waits for all its locks: ``seconds`` in total."""

    def __init__(self, seconds: float | None = None) -> None:
        self._until = time.monotonic() + (QUEUE_SECONDS if seconds is None else seconds)

    @property
    def remaining(self) -> float:
        """How long to wait for the next lock at most, in seconds."""
        return max(self._until - time.monotonic(), _LEAST_SECONDS)


def lock_path(name: str) -> Path:
    """Return the path of a lock's file. Each user of the machine has a different one."""
    return Path(tempfile.gettempdir()) / f"{name}.{os.getuid()}.lock"


def open_private(path: Path) -> FileIO:
    """Open this user's private file for reading and writing; create it if necessary.

    :raises OSError: the path is a symbolic link, or belongs to another user.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    # a single C call, so no signal handler can run between opening the descriptor and wrapping it
    file = next(map(FileIO, map(os.open, (path,), (flags,), (0o600,)), ("r+",)))
    try:
        if os.fstat(file.fileno()).st_uid != os.getuid():
            raise PermissionError(f"{path} belongs to another user")  # noqa: TRY301  # the file is closed here
    except BaseException:
        file.close()
        raise
    return file


def try_lock(path: Path) -> FileIO | None:
    """Lock a file and return it, or ``None`` if its lock is taken. :func:`release` it after use."""
    file = open_private(path)
    try:
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):  # the file has not been replaced meanwhile
                return file
    except BaseException:
        release(file)
        raise
    file.close()
    return None


def release(*files: FileIO) -> None:
    """Unlock and close files. Closing alone does not unlock if a process was forked meanwhile."""
    for file in files:
        try:
            fcntl.flock(file, fcntl.LOCK_UN)
        finally:
            file.close()


@contextmanager
def hold(attempt: Callable[[], tuple[FileIO, ...]], deadline: Deadline) -> Iterator[tuple[FileIO, ...]]:
    """Repeat ``attempt`` until it returns locked files, and release them at the end.

    :raises BusyError: the deadline passed first.
    """
    until = time.monotonic() + deadline.remaining
    files: tuple[FileIO, ...] = ()
    try:
        while not (files := attempt()):
            left = until - time.monotonic()
            if left <= 0:
                raise BusyError("too many alerts on this machine at the same time; set a throttle")
            mean = min(max(left * _POLL_SHARE, _SHORTEST_POLL_SECONDS), _LONGEST_POLL_SECONDS)
            time.sleep(min(left, mean * random.uniform(0.5, 1.5)))  # noqa: S311  # not for cryptography
        yield files
    finally:
        release(*files)
