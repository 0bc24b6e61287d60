"""Limit how many alerts on one machine call the gateway concurrently through one connection.

Until the login is known to be good, the limit is one, because many calls with a wrong password lock the account.
After a message was accepted, the limit is the connection's ``max_concurrency``.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from contextlib import AbstractContextManager
from enum import Enum
from io import FileIO
from typing import TYPE_CHECKING

from airflow_provider_ismart.coordination.locks import (
    Deadline,
    hold,
    lock_path,
    open_private,
    release,
    try_lock,
)
from airflow_provider_ismart.coordination.refused_login import PAUSE, fingerprint
from airflow_provider_ismart.coordination.variables import hashing

if TYPE_CHECKING:
    from airflow_provider_ismart.gateway.settings import Settings

#: How long an accepted message proves that the login is good, in seconds. Each accepted message renews it.
GOOD_SECONDS = 60.0

_LONGEST_RECORD = 1_000


class Verdict(Enum):
    """What this machine knows about a login. It is valid for a limited time."""

    GOOD = "good"
    REFUSED = "refused"

    @property
    def seconds(self) -> float:
        """How long the verdict is valid."""
        return GOOD_SECONDS if self is Verdict.GOOD else PAUSE.total_seconds()


class LoginGate:
    """Hold the locks of one connection and the latest verdict on its login, in files of this user.

    The lock of the first file serialises callers. The file contains the verdict and a salted fingerprint of the
    login; its modification time is the start of the verdict's validity. Each of the other files is one slot.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self._path = lock_path(name)
        self._slots = [lock_path(f"{name}.{slot}") for slot in range(settings.max_concurrency)]
        self._secret = (settings.url, settings.login, settings.password)

    def enter(self, deadline: Deadline) -> AbstractContextManager[object]:
        """Wait for a slot. Unless the login is known to be good, also wait until no other caller is trying it.

        :raises BusyError: the deadline passed first.
        """
        return hold(self._try_enter, deadline)

    def _try_enter(self) -> tuple[FileIO, ...]:
        if self._verdict() is Verdict.GOOD:
            return self._try_slot()
        if not (alone := try_lock(self._path)):
            return ()
        slot: tuple[FileIO, ...] = ()
        try:
            slot = self._try_slot()
        finally:
            if not slot:
                release(alone)
        return (*slot, alone) if slot else ()

    def _try_slot(self) -> tuple[FileIO, ...]:
        for path in self._slots:
            if slot := try_lock(path):
                return (slot,)
        return ()

    def block_reason(self) -> str | None:
        """Return why the login must not be tried, if only a file on this machine records its refusal."""
        if self._verdict() is not Verdict.REFUSED:
            return None
        return (
            "The login was refused less than a day ago and has not changed since. No call was made, because it "
            "could lock the account. Correct the connection or, if Infocomm has unlocked the account, delete the "
            f"file {str(self._path)!r}."
        )

    def record_good(self) -> None:
        """Record that a message was accepted just now."""
        with open_private(self._path) as file:
            verdict = self._read(file)
            if verdict is Verdict.GOOD:
                os.utime(file.fileno())
            elif verdict is None:  # a refusal stays: the password may have changed after this message was accepted
                self._write(file, Verdict.GOOD)

    def record_refused(self, *, is_shared: bool) -> None:
        """Record that the login was refused just now.

        :param is_shared: whether a Variable records the refusal for all machines. If not, the file records it.
        """
        with open_private(self._path) as file:
            if is_shared:
                file.truncate(0)
            else:
                self._write(file, Verdict.REFUSED)

    def _verdict(self) -> Verdict | None:
        with open_private(self._path) as file:
            return self._read(file)

    def _read(self, file: FileIO) -> Verdict | None:
        """Return the verdict, or ``None`` if it is missing, expired or about another login."""
        age = abs(time.time() - os.fstat(file.fileno()).st_mtime)
        try:
            record = json.loads(os.pread(file.fileno(), _LONGEST_RECORD, 0))
            verdict = Verdict(record["verdict"])
            with hashing.lock:
                is_the_same = record["fingerprint"] == fingerprint(record["salt"], *self._secret)
            if age < verdict.seconds and is_the_same:
                return verdict
        except (AttributeError, KeyError, TypeError, ValueError):
            pass
        return None

    def _write(self, file: FileIO, verdict: Verdict) -> None:
        salt = secrets.token_hex(16)
        record = {"verdict": verdict.value, "salt": salt, "fingerprint": fingerprint(salt, *self._secret)}
        file.truncate(0)
        os.pwrite(file.fileno(), json.dumps(record).encode(), 0)
