"""One alert in a period, and how many were held back since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_ismart.coordination.variables import Memory, Queue


class Throttle:
    """Let the first alert about something through, and hold back the others until ``period`` is over."""

    def __init__(self, period: timedelta, queue: Queue, *about: str) -> None:
        self._period = period
        self._queue = queue
        self._memory = Memory("throttle", *about)

    def let_through(self) -> int | None:
        """Return how many were held back since the last one, or ``None`` for this one is held back too.

        What is let through is put down before it is sent, and as not told yet: after a crash in between nobody
        is alerted twice, and the next alert counts this one. :meth:`told` takes it off.

        :raises BusyError: too many others ask at the same time.
        """
        now = datetime.now(UTC)
        with self._memory.turn(self._queue):
            state = self._memory.recall()
            held_back = int(state.get("held_back", 0))
            since = state.get("since")
            is_open = since is None or abs(now - datetime.fromisoformat(since)) >= self._period
            self._memory.put_down({"since": now.isoformat() if is_open else since, "held_back": held_back + 1})
        return held_back if is_open else None

    def told(self, held_back: int) -> None:
        """Put down that an alert has arrived, which said that so many were held back."""
        with self._memory.turn(self._queue):
            state = self._memory.recall()
            self._memory.put_down(state | {"held_back": max(int(state.get("held_back", 0)) - held_back - 1, 0)})
