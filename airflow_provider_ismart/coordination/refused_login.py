"""A login that was refused, remembered where tasks and alerts look before they try one."""

from __future__ import annotations

import json
import secrets
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from hashlib import scrypt
from typing import TYPE_CHECKING

from airflow_provider_ismart.coordination.variables import SCRYPT, Memory, Queue

if TYPE_CHECKING:
    from airflow_provider_ismart.sending import Log
    from airflow_provider_ismart.settings import Settings

#: How long what was refused is left alone. Infocomm may have unlocked the account by then.
PAUSE = timedelta(days=1)

#: Enough to see that login or password have changed (one change in 65,536 is missed, for a day), and too little
#: to tell a guessed password from all the others that fit.
_FINGERPRINT_BYTES = 2


class RefusedLogin:
    """What is on record of the login that a connection has now."""

    def __init__(self, conn_id: str, settings: Settings) -> None:
        self._conn_id = conn_id
        self._settings = settings
        self._memory = Memory("login", conn_id)

    def turn(self, queue: Queue) -> AbstractContextManager[None]:
        """Keep other alerts through this connection, on this machine, from trying the login meanwhile.

        :raises BusyError: no turn came.
        """
        return self._memory.turn(queue)

    def in_words(self) -> str | None:
        """Say that this login was refused with this password, if that is less than :data:`PAUSE` ago."""
        try:
            found = self._memory.recall()
            refused_at = datetime.fromisoformat(found["refused_at"])
            is_recent = abs(datetime.now(UTC) - refused_at) < PAUSE
            is_the_same = is_recent and found["fingerprint"] == self._fingerprint(str(found["salt"]))
        except Exception:  # noqa: BLE001  # nothing is on record, somebody has changed it, or it cannot be read
            return None
        if not is_the_same:
            return None
        return (
            f"The login of {self._conn_id!r} was refused at {refused_at.isoformat()} and has not changed since. "
            f"It is not tried until {(refused_at + PAUSE).isoformat()}, as that could lock the account. Correct "
            "the connection or, where Infocomm has unlocked the account, delete the Variable "
            f"{self._memory.name!r}."
        )

    def put_down(self, log: Log) -> None:
        """Put down that it was refused just now. Where that cannot be, what led here is the error to tell of."""
        salt = secrets.token_hex(16)
        refused_at = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            self._memory.put_down({"refused_at": refused_at, "salt": salt, "fingerprint": self._fingerprint(salt)})
        except Exception as error:  # noqa: BLE001  # outside Airflow, say
            log.info("It could not be put down that the login was refused: %s", type(error).__name__)

    def _fingerprint(self, salt: str) -> str:
        login = json.dumps([self._settings.login, self._settings.password]).encode()
        return scrypt(login, salt=salt.encode(), dklen=_FINGERPRINT_BYTES, **SCRYPT).hex()
