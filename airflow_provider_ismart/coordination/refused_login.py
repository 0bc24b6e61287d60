"""Record a refused login, so that tasks and alerts do not try it again."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import scrypt
from typing import TYPE_CHECKING

from airflow_provider_ismart.coordination.variables import SCRYPT, SharedState

if TYPE_CHECKING:
    from airflow_provider_ismart.gateway.settings import Settings
    from airflow_provider_ismart.sending.progress import Log

#: How long a refused login is not tried again. After that, Infocomm may have unlocked the account.
PAUSE = timedelta(days=1)

#: Enough to detect a changed login or password (one change in 65,536 is missed, for a day), and too little to
#: confirm a guessed password, because many others match as well.
_FINGERPRINT_BYTES = 2


class RefusedLogin:
    """Record in a Variable that a connection's current login was refused."""

    def __init__(self, conn_id: str, settings: Settings) -> None:
        self._conn_id = conn_id
        self._settings = settings
        self._state = SharedState("login", conn_id)

    @property
    def name(self) -> str:
        """The name of the Variable with the record."""
        return self._state.name

    def block_reason(self) -> str | None:
        """Return why this login must not be tried, if it was refused within :data:`PAUSE`."""
        try:
            found = self._state.load()
            refused_at = datetime.fromisoformat(found["refused_at"])
            is_recent = abs(datetime.now(UTC) - refused_at) < PAUSE
            is_the_same = is_recent and found["fingerprint"] == self._fingerprint(str(found["salt"]))
        except Exception:  # noqa: BLE001  # there is no record, or it is malformed or cannot be read
            return None
        if not is_the_same:
            return None
        return (
            f"The login of connection {self._conn_id!r} was refused at {refused_at.isoformat()} and has not "
            f"changed since. No call is made until {(refused_at + PAUSE).isoformat()}, because it could lock the "
            "account. Correct the connection or, if Infocomm has unlocked the account, delete the Variable "
            f"{self.name!r}."
        )

    def record(self, log: Log) -> bool:
        """Record that the login was refused just now, and return whether it was recorded. It never raises.

        The caller reports the refusal itself.
        """
        salt = secrets.token_hex(16)
        refused_at = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            self._state.record({"refused_at": refused_at, "salt": salt, "fingerprint": self._fingerprint(salt)})
        except Exception as error:  # noqa: BLE001  # for example outside Airflow
            log.info("Could not record the refused login, so other tasks can try it: %s", type(error).__name__)
            return False
        return True

    def _fingerprint(self, salt: str) -> str:
        return fingerprint(salt, self._settings.login, self._settings.password)


@lru_cache(maxsize=16)
def fingerprint(salt: str, *secret: str) -> str:
    """Return a few bits of a slow hash, which are enough to detect a changed secret."""
    return scrypt(json.dumps(secret).encode(), salt=salt.encode(), dklen=_FINGERPRINT_BYTES, **SCRYPT).hex()
