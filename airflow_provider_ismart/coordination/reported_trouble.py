"""Remember the trouble that an asset's trigger has reported, across restarts of the triggerer."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from airflow_provider_ismart.sending.progress import Log

#: The seconds after which a fired event counts as stored. Airflow does not say when it is; 3.3 took about 2.
#: If it takes longer, a triggerer that is killed meanwhile loses the report.
EVENT_STORED_AFTER_SECONDS = 5.0


class ReportedTrouble:
    """The return code that was reported last. While it lasts, it is not reported again.

    A code is recorded only when its event is stored: a triggerer that is killed in between reports it again.

    :param store: the state store of the trigger's asset, from Airflow 3.3 on; ``None`` remembers nothing.
    :param key: distinguishes this trigger from the asset's others.
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
        """Load the code that was recorded before a restart."""
        if self._store is None:
            return
        with self._warned("read"):
            self._recorded = await _in_thread(self._store.get)(self._key, self._state)
        if isinstance(self._recorded, dict) and isinstance(code := self._recorded.get("code"), int):
            self.code = code

    def update(self, code: int | None) -> None:
        """Set the code, whose event was fired if the code is new."""
        if code != self.code:
            self.code = code
            self._event_stored_at = asyncio.get_running_loop().time() + EVENT_STORED_AFTER_SECONDS

    async def record_during(self, seconds: float) -> None:
        """Sleep, and record a new code as soon as its event is stored. A failed attempt is repeated next time."""
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
        except Exception as error:  # noqa: BLE001  # the watch continues
            self._log.warning(
                "Could not %s which trouble was reported; after a restart, it can be reported again: %s",
                what,
                error,
            )


def _in_thread(call: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Return a call of the store that does not block the event loop. Airflow 3.3.0 has only blocking ones."""
    return sync_to_async(call, thread_sensitive=False)
