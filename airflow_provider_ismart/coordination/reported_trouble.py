"""Remember across restarts of the triggerer which trouble an asset's trigger has reported."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from airflow_provider_ismart.sending.progress import Log

#: How long after firing an event counts as stored, in seconds. Airflow does not report when it has stored an
#: event; 3.3 took about 2 seconds. If it takes longer, the event is lost if the triggerer is killed meanwhile.
EVENT_STORED_AFTER_SECONDS = 5.0


class ReportedTrouble:
    """Remember the last reported return code, which is not reported again while the trouble lasts.

    A code is recorded only after its event is stored. A triggerer that is killed before reports it again.

    :param store: the state store of the trigger's asset, from Airflow 3.3 on. With ``None``, a restart forgets.
    :param key: distinguishes this trigger from other triggers of the asset.
    """

    def __init__(self, store: Any, key: str, log: Log) -> None:
        #: The code, or ``None`` if the last check found no trouble.
        self.code: int | None = None
        self._store = store
        self._key = f"ismart_reported_trouble:{key}"
        self._log = log
        self._recorded: object = None
        self._event_stored_at = 0.0

    @property
    def _state(self) -> dict[str, int | None]:
        return {"code": self.code}

    async def load(self) -> None:
        """Load the code that was recorded before the restart, if any."""
        if self._store is None:
            return
        with self._warned("read"):
            self._recorded = await _in_thread(self._store.get)(self._key, self._state)
        if isinstance(self._recorded, dict) and isinstance(code := self._recorded.get("code"), int):
            self.code = code

    def update(self, code: int | None) -> None:
        """Set the code found by a check. The event of a new code has just been fired."""
        if code != self.code:
            self.code = code
            self._event_stored_at = asyncio.get_running_loop().time() + EVENT_STORED_AFTER_SECONDS

    async def record_during(self, seconds: float) -> None:
        """Sleep, and record a new code once its event is stored. If that fails, the next call tries again."""
        now = asyncio.get_running_loop().time
        ends_at = now() + seconds
        if self._store is not None and self._recorded != self._state and self._event_stored_at <= ends_at:
            await asyncio.sleep(self._event_stored_at - now())
            state = self._state
            with self._warned("record"):
                await _in_thread(self._store.set)(self._key, state)
                self._recorded = state
        await asyncio.sleep(ends_at - now())

    @contextmanager
    def _warned(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  # keep watching
            self._log.warning(
                "Could not %s which trouble was reported, so it may be reported again after a restart: %s",
                what,
                error,
            )


def _in_thread(call: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Run a call of the store in a thread, because Airflow 3.3.0 has only blocking calls."""
    return sync_to_async(call, thread_sensitive=False)
