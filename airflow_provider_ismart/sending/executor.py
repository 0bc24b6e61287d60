"""Make the calls of a send in the threads of an executor."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from threading import Condition, Event

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.dispatch import Submission
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate

#: A write to the ledger waits until one in this many calls in flight has ended, so that it records several: of 32
#: calls, 8.
_IN_FLIGHT_PER_ENDED = 4

#: An outcome waits at most this long for others before it is recorded, in seconds.
_LONGEST_WAIT_SECONDS = 0.2

_NOT_STARTED = CallOutcome(fate=Fate.NOT_SENT, detail="not started", attempts=0)


def submit_all(
    submission: Submission,
    submit: Callable[[Batch], CallOutcome],
    executor: Executor,
    *,
    max_in_flight: int,
    halted: Event,
    paused: Event,
    on_outcome: Callable[[CallOutcome], None] = lambda _: None,
    new_condition: Callable[[], Condition] = Condition,
) -> None:
    """Make calls until nothing is left, an outcome stops the send, or ``halted`` is set.

    After an uncertain call, ``paused`` is set: until it is cleared, ``submit`` returns a paused outcome instead of
    starting a call. ``executor`` runs ``max_in_flight`` calls concurrently. As many more wait for a thread with
    their intents on record, so that no thread waits for the ledger. In every case, calls in flight finish first.

    :raises Exception: the ledger could not be read or written, or a call raised instead of returning its outcome.
    """
    calls = _Calls(
        submission,
        submit,
        executor,
        max_threads=max_in_flight,
        halted=halted,
        paused=paused,
        condition=new_condition(),
    )
    try:
        while True:
            intents = [] if halted.is_set() else submission.take(calls.in_flight, 2 * max_in_flight)
            granted = submission.record(calls.settled, intents) if calls.settled or intents else ()
            calls.settled.clear()
            calls.start(granted)
            if calls.in_flight:
                for outcome in calls.settle_ended():
                    on_outcome(outcome)
            elif not intents:
                break
    except BaseException:  # most likely from the ledger
        halted.set()
        try:
            calls.settle_all()  # first, so that the report is right even if the ledger fails again
        finally:
            submission.record(calls.settled, [])  # also withdraws intents whose calls did not start
        raise
    if calls.error is not None:
        raise calls.error


class _Calls:
    """Run calls in threads, and settle those that have ended.

    Its public methods are for the thread that owns the send.
    """

    def __init__(
        self,
        submission: Submission,
        submit: Callable[[Batch], CallOutcome],
        executor: Executor,
        *,
        max_threads: int,
        halted: Event,
        paused: Event,
        condition: Condition,
    ) -> None:
        self._submission = submission
        self._submit = submit
        self._executor = executor
        self._max_threads = max_threads
        self._halted = halted
        self._paused = paused
        #: Guards the four attributes below. Notified when enough calls have ended.
        self._condition = condition
        self._waiting: deque[Batch] = deque()
        self._ended: deque[tuple[Batch, CallOutcome]] = deque()
        self._enough = 1
        self._threads = 0
        #: How many calls are not settled: they wait for a thread, are being made, or have ended.
        self.in_flight = 0
        #: Outcomes that may not be in the ledger yet.
        self.settled: dict[Batch, CallOutcome] = {}
        #: The exception of a call that should have returned an outcome.
        self.error: BaseException | None = None

    def start(self, batches: Sequence[Batch]) -> None:
        with self._condition:
            # without a proof, there is a next batch only when all other calls have ended
            if (batches or self._submission.is_proven) and not self._have_ended(Fate.UNCERTAIN):
                self._paused.clear()
            self._waiting.extend(batches)
            self.in_flight += len(batches)
            new_threads = min(len(self._waiting), self._max_threads - self._threads)
            self._threads += new_threads
        for _ in range(new_threads):
            self._executor.submit(self._make_calls)

    def _make_calls(self) -> None:
        """Make calls in a thread of the executor, until none is waiting or one is uncertain."""
        while batch := self._next():
            outcome = self._call(batch)
            with self._condition:
                if outcome.fate is Fate.UNCERTAIN:
                    self._paused.set()
                self._ended.append((batch, outcome))
                if self._have_enough_ended():
                    self._condition.notify()

    def _next(self) -> Batch | None:
        with self._condition:
            if self._waiting and not self._paused.is_set():
                return self._waiting.popleft()
            self._threads -= 1
            return None

    def _call(self, batch: Batch) -> CallOutcome:
        """Make a call, unless the send was halted meanwhile."""
        if self._halted.is_set():
            return _NOT_STARTED
        try:
            outcome = self._submit(batch)
            if outcome.attempts and self._submission.is_terminal(batch, outcome):
                self._halted.set()
        except BaseException as error:  # noqa: BLE001  # the thread that owns the send raises it
            self.error = error
            self._halted.set()
            return CallOutcome(fate=Fate.UNCERTAIN, detail=f"the client failed with {type(error).__name__}")
        return outcome

    def settle_ended(self) -> list[CallOutcome]:
        """Wait for calls to end, settle them, and return the outcomes of those that were made.

        It waits for several calls, so that one write to the ledger records them all. More calls than that are
        waiting for a thread, so no thread is idle meanwhile.
        """
        with self._condition:
            self._enough = max(1, self.in_flight // _IN_FLIGHT_PER_ENDED)
            while not self._condition.wait_for(self._have_enough_ended, _LONGEST_WAIT_SECONDS) and not self._ended:
                pass
        ended = self._settle_those_ended()
        unsent = [batch for batch, outcome in ended if not outcome.attempts or outcome.is_paused]
        if self._submission.stopped_by:
            self._halted.set()
        if self._halted.is_set() or not self._submission.is_proven:
            unsent += self._withdraw_waiting()
        self._submission.requeue(unsent)
        return [outcome for _, outcome in ended if outcome.attempts and not outcome.is_paused]

    def _have_enough_ended(self) -> bool:
        """Return whether enough calls have ended, or any in a way that matters for the others."""
        return (
            len(self._ended) >= self._enough
            or (bool(self._ended) and self._halted.is_set())
            or self._have_ended(Fate.UNCERTAIN, Fate.REFUSED, Fate.NOT_SENT)
        )

    def _have_ended(self, *fates: Fate) -> bool:
        return any(outcome.fate in fates for _, outcome in self._ended)

    def settle_all(self) -> None:
        """Withdraw calls that have not started, wait for the others to end, and settle all.

        Halt the send first.
        """
        self._withdraw_waiting()
        with self._condition:
            self._condition.wait_for(lambda: len(self._ended) == self.in_flight)
        self._settle_those_ended()

    def _withdraw_waiting(self) -> list[Batch]:
        with self._condition:
            withdrawn = list(self._waiting)
            self._waiting.clear()
        for batch in withdrawn:
            self._settle(batch, _NOT_STARTED)
        return withdrawn

    def _settle_those_ended(self) -> list[tuple[Batch, CallOutcome]]:
        settled = []
        while self._ended:
            with self._condition:
                batch, outcome = self._ended.popleft()
            self._settle(batch, outcome)
            settled.append((batch, outcome))
        return settled

    def _settle(self, batch: Batch, outcome: CallOutcome) -> None:
        self.in_flight -= 1
        self.settled[batch] = outcome
        if outcome.attempts:
            self._submission.settle(batch, outcome)
