"""The log lines of a send that takes long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from airflow_provider_ismart.core.dispatch import Submission

#: How often a long send writes a line into the log.
PROGRESS_SECONDS = 5.0


class Log(Protocol):
    """What a send uses of a logger: Airflow's, which differ by version, or the standard library's."""

    def info(self, msg: str, /, *args: Any) -> Any:
        """Log what happens."""

    def warning(self, msg: str, /, *args: Any) -> Any:
        """Log what somebody should look at."""


class Progress:
    """A line in the log every few seconds."""

    def __init__(self, submission: Submission, log: Log, monotonic: Callable[[], float]) -> None:
        self._submission = submission
        self._log = log
        self._monotonic = monotonic
        self._next = monotonic() + PROGRESS_SECONDS

    def __call__(self) -> None:
        """Write the line if it is due."""
        now = self._monotonic()
        if now < self._next:
            return
        self._next = now + PROGRESS_SECONDS
        counts = self._submission.outcomes.counts()
        done = ", ".join(f"{n:,} {outcome.value}" for outcome, n in counts.items() if n)
        self._log.info("%s calls so far: %s", f"{self._submission.calls:,}", done)
