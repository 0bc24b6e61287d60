"""Simulate Airflow: runs, task instances, tries, retries, clears, lost heartbeats and marks in the UI."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ismart.exceptions import ISmartError
from airflow_provider_ismart.gateway.settings import Settings
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.sending.runtime import Runtime
from tests.simulation.gateway import GOOD_PASSWORD, SimulatedClient
from tests.simulation.threads import SimulatedCondition, SimulatedEvent, SimulatedExecutor
from tests.simulation.world import Killed, Process

RETRY_SECONDS = 5.0


class Terminated(BaseException):
    """The exception of Airflow's signal handler in a task's main thread."""


class TaskTimeoutError(Exception):
    """The exception in a task's main thread after its execution timeout."""


class Attempt:
    """One send of one try: its input, what it did, and its report."""

    def __init__(self, ti, process, rows, options, generation):
        self.ti = ti
        self.process = process
        #: (as it was written, the number or "", the text)
        self.rows = rows
        self.options = options
        self.generation = generation
        self.began = process.world.tick()
        self.began_at = process.world.now
        #: The tick at which it ended alive, and how.
        self.ended = None
        self.report = None
        self.error = None
        #: Row by row: (outcome, code, reason), and their file.
        self.results = None
        self.path = None
        #: What people had found out when it began.
        self.settlements = None
        self.is_terminated = False
        self.is_fenced = False
        self.had_trouble = False
        self.has_failed_write = False

    def __str__(self):
        return f"{self.process.name}"

    @property
    def may_leave_unknown(self):
        """Whether it may not have recorded calls that it put into its ledger and never sent."""
        return self.ended is None or self.is_fenced or self.process.is_given_up or self.has_failed_write

    @property
    def is_clean(self):
        """Whether Airflow waited for its end, it ended by itself, and each write to its ledger was answered."""
        is_over = self.is_terminated or self.is_fenced or self.had_trouble or self.process.is_given_up
        return self.ended is not None and not is_over


class TaskInstance:
    """A task instance. The provider sees its ``context``."""

    def __init__(self, airflow, run, task_id, map_index, store, retries, key=None):
        self.dag_id, self.run_id, self.task_id, self.map_index = "dag", run.run_id, task_id, map_index
        self.airflow, self.run, self.store = airflow, run, store
        self.retries, self.max_tries = retries, retries
        self.key = key
        self.try_number = 0
        self.state = "none"
        self.process = None
        #: Changes whenever what was planned for the task instance is off.
        self.epoch = 0
        self.xcoms = {}
        self.attempts = []
        #: What people found out about its uncertain messages.
        self.settlements = None

    @property
    def name(self):
        index = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.run_id}.{self.task_id}{index}"

    @property
    def rows(self):
        """The rows that the task has to send now."""
        return self.run.rows_of(self)

    def context(self, process):
        run = self.run
        task_instance = SeenTaskInstance(self)
        context = {
            "ti": task_instance,
            "task_instance": task_instance,
            "run_id": run.run_id,
            "dag_run": SimpleNamespace(
                dag_id=self.dag_id, run_id=run.run_id, clear_number=run.clear_number, state="running"
            ),
            "expanded_ti_count": len(run.lists) if self.map_index >= 0 else None,
        }
        if self.store is not None:
            context["task_state_store"] = self.store.handle(process)
        return context


class SeenTaskInstance:
    """``context["ti"]`` of one try."""

    def __init__(self, ti):
        self.dag_id, self.run_id, self.task_id, self.map_index = ti.dag_id, ti.run_id, ti.task_id, ti.map_index
        self.try_number, self.max_tries = ti.try_number, ti.max_tries
        self.id = f"{ti.name}#{ti.try_number}"
        self._ti = ti

    def xcom_push(self, key, value):
        self._ti.xcoms[key] = value


class Run:
    """A run of a DAG, and the result of its upstream task: a list of rows for each task instance."""

    def __init__(self, run_id, lists, *, is_mapped):
        self.run_id = run_id
        self.lists = lists
        self.is_mapped = is_mapped
        self.clear_number = 0
        self.first_cleared = None
        #: Counts how often the lists have changed.
        self.generation = 0
        self.tis = []

    def rows_of(self, ti):
        return self.lists[ti.map_index if self.is_mapped else 0]


def runtime_of(process, now):
    """Return the source of time and threads for a process's sends."""
    return Runtime(
        now=now,
        monotonic=lambda: process.world.now,
        new_executor=lambda count: SimulatedExecutor(process, count),
        new_condition=lambda: SimulatedCondition(process),
    )


class SimulatedHook(ISmartHook):
    """The real hook, in a simulated process."""

    def __init__(self, process, airflow):
        super().__init__()
        self._process = process
        self._airflow = airflow
        self.runtime = runtime_of(process, airflow.scenario.now)

    @property
    def settings(self):
        return self._airflow.settings()

    @property
    def log(self):
        return self._airflow.log_of(self._process)

    def new_client(self, settings):
        halted = SimulatedEvent(self._process)
        self._halted.add(halted)
        if self._is_halted:
            halted.set()
        return SimulatedClient(settings, halted=halted, process=self._process, gateway=self._airflow.gateway)


class Log:
    """The log of a process, in which the checker looks for secrets."""

    def __init__(self, lines):
        self._lines = lines

    def info(self, msg, *args):
        self._lines.append(msg % args if args else msg)

    warning = error = debug = exception = info


class Airflow:
    """The scheduler and its state."""

    #: By what can differ of the connection.
    _settings: ClassVar[dict] = {}

    def __init__(self, world, gateway, *, scenario, folder):
        self.world = world
        self.gateway = gateway
        self.scenario = scenario
        self.password = GOOD_PASSWORD
        self.runs = []
        self.attempts = []
        self.log_lines = []
        self._folder = folder
        self._processes = 0

    def settings(self):
        """Return the current settings of the gateway's connection."""
        scenario = self.scenario
        allowed = tuple(scenario.allowed_numbers or ())
        key = (self.password, scenario.max_concurrency, allowed, scenario.quiet_hours)
        if key not in self._settings:
            self._settings[key] = Settings.of(self.connection(), "ismart_default")
        return self._settings[key]

    def connection(self):
        """Return the gateway's current connection."""
        extra = {"max_concurrency": self.scenario.max_concurrency, "read_timeout": 3}
        if self.scenario.allowed_numbers:
            extra["allowed_numbers"] = self.scenario.allowed_numbers
        if self.scenario.quiet_hours:
            extra["quiet_hours"] = self.scenario.quiet_hours
        return SimpleNamespace(
            login="login",
            password=self.password,
            host="http://127.0.0.1",
            port=None,
            extra=json.dumps(extra),
            extra_dejson=extra,
        )

    def log_of(self, _process):
        return Log(self.log_lines)

    # Tries

    @property
    def tis(self):
        return [ti for run in self.runs for ti in run.tis]

    def schedule(self, ti, delay):
        """Start the next try after ``delay``, unless something else happens to the task instance first."""
        ti.state = "scheduled"
        ti.epoch += 1
        epoch = ti.epoch
        self.world.at(delay, lambda: self._start(ti) if ti.epoch == epoch else None)

    def _start(self, ti):
        world = self.world
        ti.try_number += 1
        ti.state = "running"
        ti.epoch += 1
        self._processes += 1
        process = Process(world, f"{ti.name}#{ti.try_number}")
        process.attempt = None
        process.is_given_up = False
        process.last_try = None
        process.index = ti.map_index
        ti.process = process
        world.note("airflow", f"starts {process.name}")
        self.scenario.haunt(process)
        process.main = world.spawn(lambda: self._run(ti, process), world.random.uniform(0.01, 0.5), process)

    def _run(self, ti, process):
        try:
            self._task(ti, process)
            error = None
        except Killed:
            error = Killed()
        except BaseException as raised:  # noqa: BLE001  # Airflow sees whatever it is
            error = raised
        process.has_ended = True
        how = "killed" if process.is_dead else "success" if error is None else type(error).__name__
        self.world.count("try", how)
        self.world.note(process.name, f"ends: {how}" + (f": {error}" if error and not process.is_dead else ""))
        self._after(ti, process, error)

    def _task(self, ti, process):
        context = ti.context(process)
        failed = None
        for rows, options in self.scenario.sends_of(ti):
            try:
                self._send(ti, process, context, rows, options)
            except ISmartError as error:
                if not self.scenario.sends_every_chunk:
                    raise
                failed = failed or error
        if failed is not None:
            raise failed

    def _send(self, ti, process, context, rows, options):
        scenario = self.scenario
        attempt = Attempt(ti, process, scenario.as_sent(rows, options), options, ti.run.generation)
        process.attempt = attempt
        self.attempts.append(attempt)
        ti.attempts.append(attempt)
        hook = SimulatedHook(process, self)
        process.on_signal = hook.halt
        path = Path(self._folder) / f"{len(self.attempts)}.csv"
        path.unlink(missing_ok=True)  # another history's
        attempt.path, attempt.settlements = path, ti.settlements
        if ti.settlements is not None:
            options = {**options, "settlements_path": str(ti.settlements.path)}
        table, message = scenario.table_of(rows)
        try:
            attempt.report = hook.submit(
                table,
                {**message, "results_path": str(path), **options},
                context,
                ledger_conn_id="ledger" if scenario.has_sql else None,
                idempotency_key=ti.key,
                sends_several_times=scenario.is_function,
            )
        except Killed:
            raise
        except (Terminated, TaskTimeoutError) as error:
            attempt.is_terminated = True
            attempt.error = error
            raise
        except BaseException as error:
            if process.is_dead:
                raise Killed from None
            attempt.error = error
            attempt.report = getattr(error, "report", None)
            raise
        finally:
            process.attempt = None
            if not process.is_dead:
                attempt.ended = self.world.tick()
                attempt.results = read_results(path)
                self._note_end(attempt)

    def _note_end(self, attempt):
        for outcome, code, _ in attempt.results or ():
            self.world.count("row", f"{outcome} {code}" if outcome == "refused" else outcome)

    def _after(self, ti, process, error):
        if ti.process is not process:
            return  # Airflow has given up on it before
        ti.process = None
        ti.epoch += 1
        if error is None:
            ti.state = "success"
        elif isinstance(error, AirflowFailException) or ti.try_number > ti.max_tries:
            ti.state = "failed"
        else:
            self.schedule(ti, RETRY_SECONDS)

    # What happens to tries from outside

    def lose(self, ti, *, freeze):
        """Give up on a running try, whose process continues now or later."""
        process = ti.process
        self.world.count("airflow", "heartbeat lost" + (", frozen" if freeze else ""))
        self.world.note(
            "airflow", f"gives up on {process.name}" + (f", frozen for {freeze:.1f} s" if freeze else "")
        )
        process.frozen_until = self.world.now + freeze
        process.is_given_up = True
        ti.process = None
        if ti.try_number > ti.max_tries:
            ti.state = "failed"
            ti.epoch += 1
        else:
            self.schedule(ti, self.world.random.choice([0.1, RETRY_SECONDS]))

    def clear(self, run, tis, *, lists=None):
        """Clear task instances and, with new ``lists``, the upstream task."""
        world = self.world
        run.clear_number += 1
        if run.first_cleared is None:
            run.first_cleared = world.tick()
        world.count("airflow", "clear of a running run" if any(ti.process for ti in run.tis) else "clear")
        world.note("airflow", f"clears {', '.join(ti.name for ti in tis)}")
        if lists is not None:
            run.lists = lists
            run.generation += 1
            world.note("airflow", f"upstream now returns {shown(lists)}")
            if run.is_mapped:
                run.tis = [ti for ti in run.tis if ti.map_index < len(lists) or self._remove(ti)]
                self.scenario.expand(self, run)
                tis = [*(ti for ti in tis if ti in run.tis), *(ti for ti in run.tis if ti not in tis)]
        for ti in tis:
            ti.max_tries = ti.try_number + ti.retries
            if (process := ti.process) is not None:
                ti.process = None
                if ti.store is not None:
                    ti.store.newest = None
                self._stop(process, Terminated())
            self.schedule(ti, world.random.choice([0.1, 1.0, 10.0]))

    def _remove(self, ti):
        ti.state = "removed"
        ti.epoch += 1
        if ti.process is not None:
            self._stop(ti.process, Terminated())
            ti.process = None
        return False

    def mark(self, ti, state):
        """Mark a running task instance as failed or successful."""
        self.world.count("airflow", f"marked {state}")
        self.world.note("airflow", f"{ti.name} is marked {state}")
        process, ti.process, ti.state = ti.process, None, state
        ti.epoch += 1
        self._stop(process, Terminated())

    def _stop(self, process, signal):
        """Make a heartbeat learn that its task must end; it may be slow to end, or never learn it."""
        process.is_given_up = True
        dice = self.world.random
        if dice.random() < 0.15:
            self.world.at(dice.uniform(0, 9), lambda: process.die("is killed by its supervisor"))
        else:
            self.world.at(dice.uniform(0, 5), lambda: process.interrupt(signal))

    def time_out(self, ti):
        self.world.count("airflow", "execution time-out")
        ti.process.interrupt(TaskTimeoutError())

    @property
    def is_idle(self):
        return all(ti.process is None and ti.state != "scheduled" for ti in self.tis)


def read_results(path):
    """Return (outcome, code, reason) of each row, or ``None`` if nothing was written."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames is None:
                return None
            rows = list(reader)
    except FileNotFoundError:
        return None
    return [
        (row["outcome"], int(row["return_code"]) if row["return_code"] else None, row["reason"]) for row in rows
    ]


def shown(lists):
    return " | ".join(", ".join(f"{row[0][-4:]}:{row[2]}" for row in rows) for rows in lists)
