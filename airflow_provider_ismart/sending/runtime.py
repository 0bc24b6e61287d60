"""Provide the time and threads of a send."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Condition


def _now() -> datetime:
    return datetime.now(UTC)


def _threads(count: int) -> Executor:
    return ThreadPoolExecutor(count, thread_name_prefix="ismart")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The source of time and threads of a send. Simulations replace it."""

    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.monotonic
    new_executor: Callable[[int], Executor] = _threads
    new_condition: Callable[[], Condition] = Condition
