"""File locks that the processes of one user on one machine share, acquired within a deadline.

A waiter polls. A blocking ``flock`` would have to wait in a thread of its own, because it knows no timeout, and
that thread could acquire the lock when nobody waits for it any more.
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

#: How long a callback waits for its locks in all, and for each lock even after that.
QUEUE_SECONDS = 180.0
_LEAST_SECONDS = 0.5

#: The mean pause between two attempts, as a share of the time that is left, and its bounds: the waiters whose
#: deadline is near try more often. Up to 260 waiters for four slots took a quarter of a core (docs/alerts.md).
_POLL_SHARE = 1 / 500
_SHORTEST_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.2


class BusyError(Exception):
    """Other callbacks on this machine held the locks for too long."""


class Deadline:
    """How long one callback waits for locks: ``seconds`` in all, however many locks it takes."""

    def __init__(self, seconds: float | None = None) -> None:
        self._until = time.monotonic() + (QUEUE_SECONDS if seconds is None else seconds)

    @property
    def remaining(self) -> float:
        """How long to wait for the next lock, in seconds."""
        return max(self._until - time.monotonic(), _LEAST_SECONDS)


def lock_path(name: str) -> Path:
    """Return the file of a lock: each user of the machine has their own."""
    return Path(tempfile.gettempdir()) / f"{name}.{os.getuid()}.lock"


def open_private(path: Path) -> FileIO:
    """Open a file for reading and writing that belongs to this user alone, and create it if need be.

    :raises OSError: it is a symbolic link, or belongs to another user.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    # One call into C: no signal handler can run between the opening and the object that owns the descriptor.
    file = next(map(FileIO, map(os.open, (path,), (flags,), (0o600,)), ("r+",)))
    try:
        if os.fstat(file.fileno()).st_uid != os.getuid():
            raise PermissionError(f"{path} belongs to another user")  # noqa: TRY301  # it is closed here
    except BaseException:
        file.close()
        raise
    return file


def try_lock(path: Path) -> FileIO | None:
    """Lock a file unless another holds its lock; :func:`release` it."""
    file = open_private(path)
    try:
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):  # nobody has removed it meanwhile
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
    """Repeat ``attempt`` until it returns locked files, and release them in the end.

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
