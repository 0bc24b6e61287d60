"""Decide time and which thread runs next, in one real thread, in an order that only the seed determines.

Each simulated process and each of its threads is a greenlet. It runs until it reaches a step to the outside (a
ledger, the gateway, a wait); there simulated time passes, and whoever is next in time runs.
"""

from collections import Counter
from heapq import heappop, heappush
from random import Random

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """The process is gone: nothing after this has an effect."""


class StuckError(AssertionError):
    """A history does not end."""


class World:
    """The clock, the random numbers, and the events."""

    #: More steps than any history needs.
    MAX_STEPS = 60_000

    def __init__(self, seed):
        self.seed = seed
        self.random = Random(seed)
        self.now = 0.0
        #: What happened, as (time, who, what).
        self.events = []
        #: How often each thing happened.
        self.counts = Counter()
        self.processes = []
        self._hub = getcurrent()
        self._agenda = []
        self._number = 0
        self._is_over = False

    def tick(self):
        """Return a number higher than all earlier ones, to order events at the same time."""
        self._number += 1
        return self._number

    def note(self, who, what):
        self.events.append((self.now, who, what))

    def count(self, *what):
        self.counts[what] += 1

    def at(self, delay, action):
        """Run ``action`` after ``delay`` seconds."""
        heappush(self._agenda, (self.now + delay, self.tick(), action))

    def spawn(self, run, delay=0.0, process=None):
        """Start a greenlet; it belongs to ``process``."""
        new = greenlet(run, parent=self._hub)
        new.process = process
        self.at(delay, new.switch)
        return new

    def sleep(self, seconds):
        self.at(seconds, getcurrent().switch)
        self._hub.switch()

    def park(self):
        """Give way until another greenlet switches back."""
        self._hub.switch()

    def end(self):
        self._is_over = True

    def run(self):
        """Let events happen until the history is over."""
        steps = 0
        while not self._is_over:
            if not self._agenda:
                raise StuckError("everybody waits for somebody else")
            when, _, action = heappop(self._agenda)
            self.now = max(self.now, when)
            action()
            steps += 1
            if steps > self.MAX_STEPS:
                raise StuckError(f"the history has not ended after {steps} steps")

    def clean_up(self):
        """Unwind what has not ended, before garbage collection could do so in the next history."""
        for process in self.processes:
            process.die("is left behind")
        while self._agenda:
            _, _, action = heappop(self._agenda)
            if isinstance(action.__self__ if hasattr(action, "__self__") else None, greenlet):
                action()


class Ticket:
    """A waiting thread, which is woken once."""

    __slots__ = ("_greenlet", "_world", "is_used")

    def __init__(self, world):
        self._world = world
        self._greenlet = getcurrent()
        self.is_used = False

    def wake(self):
        if not self.is_used:
            self.is_used = True
            self._world.at(0.0, self._greenlet.switch)


class Process:
    """A process of the operating system: it takes steps, and can be frozen, signalled or killed at each."""

    def __init__(self, world, name):
        self.world = world
        self.name = name
        world.processes.append(self)
        self.is_dead = False
        self.steps = 0
        #: At which of its steps it dies.
        self.dies_at = None
        self.frozen_until = 0.0
        self.main = None
        #: What the main thread is about to be interrupted by, and what its handler does first.
        self.signal = None
        self.on_signal = lambda: None
        #: Its threads that wait, in order.
        self._tickets = {}
        self.has_ended = False

    def step(self, what, seconds):
        """Take a step: time passes, and the process may die before or during it."""
        self.check()
        self.steps += 1
        if self.steps == self.dies_at:
            self.world.count("airflow", "killed", what)
            self.die(f"is killed ({what})")
            raise Killed
        self.world.sleep(seconds)
        self.check()

    def check(self):
        """Raise whatever ends the process or interrupts its main thread."""
        while not self.is_dead and self.frozen_until > self.world.now:
            self.world.sleep(self.frozen_until - self.world.now)
        if self.is_dead:
            raise Killed
        if self.signal is not None and getcurrent() is self.main:
            signal, self.signal = self.signal, None
            self.on_signal()
            raise signal

    def die(self, how):
        if self.is_dead or self.has_ended:
            return
        self.world.note(self.name, how)
        self.is_dead = True
        self._wake_all()

    def interrupt(self, signal):
        """Make the main thread raise ``signal`` at its next step, or in its wait."""
        if not (self.is_dead or self.has_ended):
            self.signal = signal
            self._wake_all()

    def _wake_all(self):
        for ticket in list(self._tickets):
            ticket.wake()

    def wait(self, is_over, tickets, timeout=None):
        """Wait until ``is_over()``, which changes wake the ``tickets`` to check. Return whether it is."""
        until = None if timeout is None else self.world.now + timeout
        self.check()
        while not is_over():
            if until is not None and self.world.now >= until:
                return False
            ticket = Ticket(self.world)
            tickets.append(ticket)
            self._tickets[ticket] = None
            if until is not None:
                self.world.at(until - self.world.now, ticket.wake)
            self.world.park()
            tickets.remove(ticket)
            del self._tickets[ticket]
            self.check()
        return True
