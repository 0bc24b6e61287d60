"""Allow one alert per period, and count the suppressed ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_ismart.coordination.locks import Deadline
from airflow_provider_ismart.coordination.variables import SharedState


class Throttle:
    """Allow the first alert about a subject, and suppress further ones until ``period`` is over."""

    def __init__(self, period: timedelta, deadline: Deadline, *about: str) -> None:
        self._period = period
        self._deadline = deadline
        self._state = SharedState("throttle", *about)

    def allow(self) -> int | None:
        """Return how many alerts were suppressed since the last one, or ``None`` if this one is suppressed too.

        An allowed alert counts as suppressed until :meth:`record_sent` is called. So if the process crashes before
        sending it, the period still applies, and the next alert includes this one in its count.

        :raises BusyError: too many others ask at the same time.
        """
        now = datetime.now(UTC)
        with self._state.lock(self._deadline):
            state = self._state.load()
            suppressed = int(state.get("suppressed", 0))
            since = state.get("since")
            is_open = since is None or abs(now - datetime.fromisoformat(since)) >= self._period
            self._state.record({"since": now.isoformat() if is_open else since, "suppressed": suppressed + 1})
        return suppressed if is_open else None

    def record_sent(self, suppressed: int) -> None:
        """Record that an alert was sent, which reported this many suppressed alerts.

        :raises BusyError: too many others ask at the same time.
        """
        with self._state.lock(self._deadline):
            state = self._state.load()
            left = max(int(state.get("suppressed", 0)) - suppressed - 1, 0)
            self._state.record(state | {"suppressed": left})
