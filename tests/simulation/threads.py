"""Simulate threads on greenlets: an event, a condition, futures and an executor."""

from collections import deque
from concurrent.futures import Executor, Future

from greenlet import getcurrent

from tests.simulation.world import Killed


class SimulatedEvent:
    """``threading.Event``."""

    def __init__(self, process):
        self._process = process
        self._is_set = False
        self._tickets = []

    def is_set(self):
        return self._is_set

    def set(self):
        self._is_set = True
        for ticket in self._tickets:
            ticket.wake()

    def clear(self):
        self._is_set = False

    def wait(self, timeout=None):
        return self._process.wait(self.is_set, self._tickets, timeout)


class SimulatedCondition:
    """``threading.Condition``. It needs no lock, because greenlets give way only while they wait."""

    def __init__(self, process):
        self._process = process
        self._tickets = []

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def notify(self):
        for ticket in self._tickets:
            ticket.wake()

    def wait_for(self, predicate, timeout=None):
        return self._process.wait(predicate, self._tickets, timeout)


class SimulatedFuture(Future):
    """A future with a simulated wait."""

    def __init__(self, process):
        super().__init__()
        self._process = process
        self._tickets = []
        self.add_done_callback(lambda _: [ticket.wake() for ticket in self._tickets])

    def result(self, timeout=None):
        self._await(timeout)
        return super().result(0)

    def exception(self, timeout=None):
        self._await(timeout)
        return super().exception(0)

    def _await(self, timeout):
        if not self.done() and not self._process.wait(self.done, self._tickets, timeout):
            raise TimeoutError


class SimulatedExecutor(Executor):
    """``ThreadPoolExecutor``."""

    def __init__(self, process, count):
        self._process = process
        self._count = count
        self._waiting = deque()
        self._busy = 0
        self._tickets = []

    def submit(self, fn, /, *args, **kwargs):
        future = SimulatedFuture(self._process)
        self._waiting.append((future, fn, args, kwargs))
        if self._busy < self._count:
            self._busy += 1
            world = self._process.world
            world.spawn(self._work, world.random.uniform(0.0001, 0.001), self._process)
        return future

    def _work(self):
        try:
            while self._waiting:
                self._process.check()
                future, fn, args, kwargs = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    self._finish(future, fn, args, kwargs)
        except Killed:
            pass
        finally:
            self._busy -= 1
            for ticket in self._tickets:
                ticket.wake()

    @staticmethod
    def _finish(future, fn, args, kwargs):
        try:
            result = fn(*args, **kwargs)
        except Killed:
            raise
        except BaseException as error:  # noqa: BLE001  # a future keeps whatever was raised
            future.set_exception(error)
        else:
            future.set_result(result)

    def shutdown(self, wait=True, *, cancel_futures=False):
        if wait:
            self._process.wait(lambda: not self._busy, self._tickets)


def process_here():
    """Return the process of the current thread."""
    return getcurrent().process
