"""Make the calls of a send in the threads of an executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event
from typing import Protocol

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.dispatch import Submission
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate

#: Before each write to the ledger, wait until one in this many calls in flight has ended: of 32 calls, 8.
_CALLS_BESIDE_A_WRITE = 4

#: The longest wait until a stopping send writes its outcomes, in seconds.
_STOP_NOTICED_SECONDS = 0.2

_NOT_STARTED = CallOutcome(fate=Fate.NOT_SENT, detail="not started", attempts=0)


class WaitingQueue(Protocol):
    """The methods of a queue that :func:`submit_all` uses."""

    def put(self, item: Batch) -> None:
        """Add an item, from any thread."""

    def get(self, *, timeout: float | None = None) -> Batch:
        """Wait for an item, remove it and return it.

        :raises queue.Empty: there was none within ``timeout`` seconds.
        """

    def empty(self) -> bool:
        """Return whether the queue is empty."""


def submit_all(
    submission: Submission,
    submit: Callable[[Batch], CallOutcome],
    executor: Executor,
    *,
    max_in_flight: int,
    halted: Event,
    on_progress: Callable[[], None] = lambda: None,
    new_queue: Callable[[], WaitingQueue] = SimpleQueue,
) -> None:
    """Make calls until nothing is left, an outcome stops the send, or ``halted`` is set.

    ``executor`` runs ``max_in_flight`` calls concurrently. As many more wait in it with their intents on record,
    so that no thread waits for the ledger. In every case, calls in flight finish first. Their outcomes are
    recorded as soon as they are known, because Airflow kills a process that takes long to stop.

    :raises Exception: the ledger could not be read or written, or a call raised instead of returning its outcome.
    """
    calls = _Calls(submission, submit, executor, halted, new_queue())
    try:
        while True:
            intents = [] if halted.is_set() else submission.take(calls.in_flight, 2 * max_in_flight)
            granted = submission.record(calls.settled, intents) if calls.settled or intents else ()
            calls.settled.clear()
            calls.start(granted)
            if calls.in_flight:
                calls.settle_ended()
                on_progress()
            elif not intents:
                break
    except BaseException:  # the ledger failed
        halted.set()
        calls.settle_all()  # first, so that the report is right even if the ledger fails again
        submission.record(calls.settled, [])  # also withdraws intents whose calls did not start
        raise
    if calls.error:
        raise calls.error


class _Calls:
    """Track the calls submitted to an executor."""

    def __init__(
        self,
        submission: Submission,
        submit: Callable[[Batch], CallOutcome],
        executor: Executor,
        halted: Event,
        ended: WaitingQueue,
    ) -> None:
        self._submission = submission
        self._submit = submit
        self._executor = executor
        self._halted = halted
        self._futures: dict[Batch, Future[CallOutcome]] = {}
        self._ended = ended
        #: Outcomes that may not be in the ledger yet.
        self.settled: dict[Batch, CallOutcome] = {}
        #: The exception of a call that should have returned an outcome.
        self.error: BaseException | None = None

    @property
    def in_flight(self) -> int:
        return len(self._futures)

    def start(self, batches: Sequence[Batch]) -> None:
        self.settled.update(dict.fromkeys(batches, _NOT_STARTED))  # in case the executor refuses a call
        for batch in batches:
            self._futures[batch] = future = self._executor.submit(self._call, batch)
            del self.settled[batch]
            future.add_done_callback(lambda _, batch=batch: self._ended.put(batch))  # type: ignore[misc]

    def _call(self, batch: Batch) -> CallOutcome:
        """Make a call in a thread of the executor, unless the send was halted meanwhile."""
        if self._halted.is_set():
            return _NOT_STARTED
        outcome = self._submit(batch)
        if outcome.attempts and self._submission.is_terminal(batch, outcome):
            self._halted.set()
        return outcome

    def settle_ended(self) -> None:
        """Wait for calls to end, and settle them.

        It waits for several calls, so that one write to the ledger records them all. Even more calls are waiting
        for a thread, so no thread is idle meanwhile.
        """
        enough = max(1, self.in_flight // _CALLS_BESIDE_A_WRITE)
        ended = [self._ended.get()]
        while len(ended) < enough and self._is_accepted(ended[-1]) and not self._halted.is_set():
            with suppress(Empty):
                ended.append(self._ended.get(timeout=_STOP_NOTICED_SECONDS))
        while not self._ended.empty():
            ended.append(self._ended.get())
        for batch in ended:
            self._settle(batch)
        self._submission.requeue([batch for batch in ended if not self.settled[batch].attempts])
        if self._submission.stopped_by:
            self._halted.set()
        if self._halted.is_set() or not self._submission.is_proven:
            self._cancel_waiting()

    def _is_accepted(self, batch: Batch) -> bool:
        future = self._futures[batch]
        if future.cancelled() or future.exception() is not None:
            return False
        return future.result().fate is Fate.ACCEPTED

    def settle_all(self) -> None:
        """Withdraw calls that have not started, wait for the others to end, and settle all."""
        self._cancel_waiting()
        for batch in list(self._futures):
            self._settle(batch)

    def _cancel_waiting(self) -> None:
        for future in self._futures.values():
            future.cancel()

    def _settle(self, batch: Batch) -> None:
        outcome = self.settled[batch] = self._outcome(self._futures.pop(batch))
        if outcome.attempts:
            self._submission.settle(batch, outcome)

    def _outcome(self, future: Future[CallOutcome]) -> CallOutcome:
        if future.cancelled():
            return _NOT_STARTED
        if (error := future.exception()) is not None:
            self.error = self.error or error
            self._halted.set()
            return CallOutcome(fate=Fate.UNCERTAIN, detail=f"the client failed with {type(error).__name__}")
        return future.result()
