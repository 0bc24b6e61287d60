"""Run, check and show the history of one seed."""

import logging
import random
import tempfile
from collections import Counter
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock as ThreadLock
from types import SimpleNamespace

from airflow.providers.common.compat.sdk import BaseHook, Variable

from airflow_provider_ismart.coordination import refused_login, throttle, variables
from airflow_provider_ismart.ledgers import current_try, select
from tests.simulation import alerts
from tests.simulation.checker import check
from tests.simulation.scenario import EPOCH, Scenario
from tests.simulation.scheduler import Airflow
from tests.simulation.settling import People
from tests.simulation.stores import Database, Variables
from tests.simulation.threads import process_here
from tests.simulation.world import StuckError, World

#: A folder in memory, where there is one: results files are many.
_MEMORY = Path("/dev/shm")


#: How many of the histories are of alerts.
ALERTS_SHARE = 0.08


class History:
    """The result of one seed."""

    def __init__(self, seed, world, violations, description):
        self.seed = seed
        self.violations = violations
        self.counts = Counter(world.counts)
        self.events = list(world.events)
        self.description = description

    def __str__(self):
        """Show the history, one line per event."""
        lines = [f"Seed {self.seed}: {self.description}"]
        lines += [f"{now:9.3f}  {who:<12} {what}" for now, who, what in self.events]
        lines += ["", *(f"BROKEN: {violation}" for violation in self.violations)]
        return "\n".join(lines)


class Simulation:
    """What the histories of a process share: Airflow's patches, a database's engine, a folder."""

    def __init__(self):
        self._database = Database()
        self._folder = tempfile.TemporaryDirectory(
            prefix="ismart-simulation-", dir=_MEMORY if _MEMORY.is_dir() else None
        )
        self._variables = None

    @contextmanager
    def patched(self):
        """Replace the real Airflow with the simulated one."""
        saved = []

        def patch(owner, name, value):
            saved.append((owner, name, owner.__dict__[name]))
            setattr(owner, name, value)

        database = SimpleNamespace(
            get_hook=lambda: SimpleNamespace(get_sqlalchemy_engine=lambda: self._database.engine)
        )
        patch(
            BaseHook,
            "get_connection",
            classmethod(lambda _, conn_id: database if conn_id == "ledger" else self._airflow.connection()),
        )
        patch(tempfile, "tempdir", self._folder.name)
        for name in ("get", "set", "delete"):
            patch(Variable, name, staticmethod(lambda *a, _n=name, **k: getattr(self._variables, _n)(*a, **k)))
        for name, value in list(vars(select).items()):
            if isinstance(
                value, type(ThreadLock())
            ):  # a process has one send at a time; others' are not its threads
                patch(select, name, nullcontext())
        for module in (refused_login, throttle):
            patch(module, "datetime", self._datetime())
        patch(current_try, "current_try", _in_its_process(current_try.current_try))
        scrypt = dict(variables.SCRYPT)
        variables.SCRYPT.update(n=2)  # it is slow on purpose
        logging.disable(logging.CRITICAL)
        try:
            with alerts.patched(patch, self):
                yield self
        finally:
            logging.disable(logging.NOTSET)
            self._database.close()
            self._folder.cleanup()
            variables.SCRYPT.update(scrypt)
            for owner, name, value in reversed(saved):
                setattr(owner, name, value)

    def _run_alerts(self, seed, world):
        crowd = self._scenario = alerts.Crowd(world, self._folder.name)
        self._airflow, self.gateway, self._variables = crowd.airflow, crowd.gateway, Variables(world)
        crowd.populate()
        try:
            world.run()
            violations = list(crowd.check())
        except StuckError as error:
            violations = [f"every history ends: {error}"]
        return self._ended(seed, world, violations, crowd.describe())

    def _forget_locks(self):
        for path in Path(self._folder.name).glob("*.lock"):
            path.unlink()

    def now(self):
        return EPOCH + timedelta(seconds=self._scenario.world.now)

    def _datetime(self):
        """Return a class whose ``now`` is the simulated time."""
        simulation = self

        class SimulatedDatetime(datetime):
            @classmethod
            def now(cls, tz=None):
                return simulation.now().astimezone(tz)

        return SimulatedDatetime

    def run(self, seed):
        """Run the history of a seed."""
        random.seed(seed)  # the jitter between the client's attempts
        world = World(seed)
        self._forget_locks()
        if world.random.random() < ALERTS_SHARE:
            return self._run_alerts(seed, world)
        scenario = self._scenario = Scenario(world)
        gateway = scenario.gateway()
        airflow = scenario.airflow = Airflow(world, gateway, scenario=scenario, folder=self._folder.name)
        self._airflow, self.gateway = airflow, gateway
        airflow.store_faults, airflow.database_faults = scenario.storage_faults(), scenario.storage_faults()
        airflow.removed, airflow.database = {}, self._database
        airflow.variables = self._variables = Variables(world)
        self._database.begin_history(world, airflow.database_faults)
        people = People(world, scenario, Path(self._folder.name))
        scenario.populate(airflow)
        for run in airflow.runs:
            world.note("upstream", f"{run.run_id}: {_shown(run.lists)}")
        world.spawn(lambda: _people(world, scenario, airflow, people))
        try:
            world.run()
            stuck = []
        except StuckError as error:
            stuck = [f"every history ends: {error}"]
        violations = stuck or check(world, scenario, airflow)
        return self._ended(seed, world, violations, scenario.describe())

    @staticmethod
    def _ended(seed, world, violations, description):
        history = History(seed, world, violations, description)
        world.clean_up()
        return history


def _in_its_process(find):
    """Let each simulated process remember its own try, like a real process in a variable of the module."""
    nothing = current_try._last

    def current(context):
        process = process_here()
        current_try._last = process.last_try or nothing
        try:
            return find(context)
        finally:
            process.last_try = current_try._last

    return current


def _shown(lists):
    return " | ".join(", ".join(f"{row[0][-4:]}: {row[2]}" for row in rows) or "nobody" for rows in lists)


def _people(world, scenario, airflow, people):
    """Do things to the runs; when all is quiet, end all faults and clear everything, twice."""
    dice = world.random
    for _ in range(scenario.user_actions):
        if dice.random() < 0.5:
            world.sleep(dice.uniform(0.2, 6))
        else:
            _wait(world, lambda: airflow.is_idle)
            world.sleep(dice.uniform(0.2, 2))
        people.act(airflow)
        scenario.act()
    _wait(world, lambda: airflow.is_idle)
    scenario.heal()
    world.sleep(100)  # whatever is still on its way or frozen comes to its end
    scenario.heal()
    people.end(airflow)
    world.note("people", "all trouble is over")
    scenario.finals = []
    for _ in range(2):
        began, calls = len(airflow.attempts), len(airflow.gateway.calls)
        for run in airflow.runs:  # one after the other: tasks of one key leave out what another is sending
            airflow.clear(run, list(run.tis))
            _wait(world, lambda: airflow.is_idle)
        scenario.finals.append((airflow.attempts[began:], airflow.gateway.calls[calls:]))
    world.end()


def _wait(world, is_over):
    while not is_over():
        world.sleep(0.5)
