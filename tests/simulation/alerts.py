"""Simulate many alerts at the same time, on one machine, through one connection."""

from collections import Counter
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import SimpleNamespace

from airflow_provider_ismart.alerts import alert
from airflow_provider_ismart.coordination import locks
from airflow_provider_ismart.gateway import client
from airflow_provider_ismart.notifications.ismart import ISmartNotifier
from airflow_provider_ismart.sending import send as sending
from tests import return_codes
from tests.simulation.gateway import LOST_ANSWER, LOST_CALL, NO_CONNECTION, SLOW_ANSWER, Gateway, SimulatedClient
from tests.simulation.scheduler import Airflow, runtime_of
from tests.simulation.threads import SimulatedEvent, SimulatedFuture, process_here
from tests.simulation.world import Killed, Process

PERIOD = timedelta(hours=1)


class SimulatedThread:
    """``threading.Thread``."""

    def __init__(self, *, target, **_):
        self._target = target

    def start(self):
        process = process_here()
        process.world.spawn(self._run, 0.001, process)

    def _run(self):
        with suppress(Killed):
            self._target()


@contextmanager
def patched(patch, simulation):
    """Run alerts on simulated threads, clocks and clients."""
    time = SimpleNamespace(
        monotonic=lambda: process_here().world.now,
        sleep=lambda seconds: process_here().step("while it waits for a lock", seconds),
    )
    patch(locks, "time", time)
    patch(alert, "Thread", SimulatedThread)
    patch(alert, "Future", lambda: SimulatedFuture(process_here()))
    patch(sending, "Runtime", lambda: runtime_of(process_here(), simulation.now))
    patch(
        client,
        "GatewayClient",
        lambda settings: SimulatedClient(
            settings,
            halted=SimulatedEvent(process_here()),
            process=process_here(),
            gateway=simulation.gateway,
        ),
    )
    yield


class Alert:
    """One callback, which replaces a task's attempt."""

    def __init__(self, process, number):
        self.process = process
        self.rows = [(number, number, "")]
        self.ended = None
        self.had_trouble = self.has_failed_write = False


class Crowd:
    """The choices of one seed, and its promises."""

    shape = "alerts"
    allowed_numbers = None
    #: As it is in them now: alerts are sent all the same.
    quiet_hours = "15:00-17:00"

    def __init__(self, world, folder):
        self.world = world
        dice = self.dice = world.random
        self.max_concurrency = dice.choice([1, 2, 4])
        self.count = dice.choice([3, 8, 20, 40])
        self.throttle = PERIOD if dice.random() < 0.4 else None
        self.number = f"9689000{dice.randrange(10_000):04}"
        self.kill_chance = dice.choice([0, 0, 0.2])
        fault = dice.choice([None, None, LOST_ANSWER, LOST_CALL, NO_CONNECTION, SLOW_ANSWER])
        faults = {fault: (dice.choice([0.1, 0.5]), 0.0, 1e9)} if fault else {}
        self.gateway = Gateway(world, faults=faults, bad_numbers=set(), opted_out=set(), bad_texts={}, credit=None)
        self.airflow = Airflow(world, self.gateway, scenario=self, folder=folder)
        self.is_wrong_from_the_start = dice.random() < 0.3
        self.is_changed = not self.is_wrong_from_the_start and dice.random() < 0.2
        if self.is_wrong_from_the_start:
            self.gateway.password = "another-secret"
        if self.is_changed:
            world.at(dice.uniform(0, 5), self._change_password)
        self.alerts = []
        self._left = self.count
        world.count("shape", self.shape)

    def describe(self):
        return (
            f"alerts: {self.count}, throttle: {self.throttle}, max_concurrency: {self.max_concurrency}, "
            f"faults: {self.gateway.faults}"
        )

    def _change_password(self):
        self.world.note("infocomm", "the gateway's password changes")
        self.gateway.password = "another-secret"

    def populate(self):
        span = self.dice.choice([0.0, 1.0, 10.0])
        for number in range(self.count):
            self._start(number, self.dice.uniform(0, span))

    def _start(self, number, delay):
        process = Process(self.world, f"alert{number}")
        process.attempt = Alert(process, self.number)
        process.last_try = None
        if self.dice.random() < self.kill_chance:
            process.dies_at = int(self.dice.expovariate(1 / 10)) + 1
        self.alerts.append(process.attempt)
        process.main = self.world.spawn(lambda: self._run(process), delay, process)

    def _run(self, process):
        ti = SimpleNamespace(dag_id="dag", task_id="task", map_index=-1, try_number=1, state="failed")
        notifier = ISmartNotifier(recipients=self.number, message="It has failed.", throttle=self.throttle)
        notifier.__class__ = _notifier_class(self.airflow.log_of(process))
        try:
            notifier.notify({"ti": ti})
            process.attempt.ended = self.world.tick()
            how = "ended"
        except Killed:
            how = "killed"
        process.has_ended = True
        self.world.count("alert", how)
        self.world.note(process.name, how)
        self._left -= 1
        if not self._left:
            self.world.at(60, self.world.end)  # whatever is still on its way arrives

    def check(self):
        """Return what was broken."""
        calls = self.gateway.calls
        refused = [
            call for call in calls if call.answer in return_codes.LOGIN and not call.attempt.process.is_dead
        ]
        died = sum(alert.process.is_dead for alert in self.alerts)
        allowed = 1 if self.is_wrong_from_the_start else self.max_concurrency
        if len(refused) > allowed:
            yield f"login tried once: {len(refused)} alerts tried a wrong password"
        accepted = [call for call in calls if call.taken]
        if self.throttle and len(accepted) > 1:
            yield f"not more alerts than the throttle allows: {len(accepted)} in a period"
        most = Counter(call.attempt for call in accepted)
        if most and max(most.values()) > 1:
            yield "no number twice: one alert was sent twice"
        has_trouble = died or self.gateway.faults or self.is_wrong_from_the_start or self.is_changed
        due = 1 if self.throttle else self.count
        if not has_trouble and len(accepted) != due:
            yield f"every alert that is not throttled is sent: {len(accepted)} of {due}"
        for call in calls:
            beside = [
                o for o in calls if o.started < call.started and (o.answered is None or o.answered > call.started)
            ]
            beside = [other for other in beside if not other.attempt.process.is_dead]
            if len(beside) >= self.max_concurrency:
                yield f"within max_concurrency: call {call.number} beside {len(beside)} others"
            if call.push_at:
                yield f"alerts ignore quiet hours: call {call.number} is for {call.push_at}"
        for line in self.airflow.log_lines:
            if "9689000" in line or "secret" in line:
                yield f"nothing secret leaks: {line}"


def _notifier_class(log):
    return type("SimulatedNotifier", (ISmartNotifier,), {"log": log})
