"""Log the progress of a long send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from airflow_provider_ismart.core.dispatch import Submission
from airflow_provider_ismart.core.report import counted

#: The seconds between the log lines of a long send.
PROGRESS_SECONDS = 5.0


class Log(Protocol):
    """The methods of a logger that a send uses. Loggers of Airflow and of the standard library have them."""

    def info(self, msg: str, /, *args: Any) -> Any:
        """Log an event."""

    def warning(self, msg: str, /, *args: Any) -> Any:
        """Log a problem."""


class Progress:
    """Log the progress every few seconds."""

    def __init__(self, submission: Submission, log: Log, monotonic: Callable[[], float]) -> None:
        self._submission = submission
        self._log = log
        self._monotonic = monotonic
        self._next = monotonic() + PROGRESS_SECONDS

    def __call__(self) -> None:
        """Log the progress if it is due."""
        now = self._monotonic()
        if now < self._next:
            return
        self._next = now + PROGRESS_SECONDS
        counts = self._submission.outcomes.counts()
        done = ", ".join(f"{n:,} {outcome.value}" for outcome, n in counts.items() if n)
        self._log.info("%s so far: %s", counted(self._submission.calls, "call"), done)
