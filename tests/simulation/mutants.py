"""Check that the simulator finds faults that are put into the code: ``python -m tests.simulation.mutants``.

Each mutant is one replacement in a copy of the package. It is found when a history breaks a promise. A run of all
mutants writes ``docs/contributing/mutants.csv``.
"""

import argparse
import csv
import multiprocessing
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tests.simulation.__main__ import separate_home

PACKAGE = "airflow_provider_ismart"
MOST_SEEDS = 2_000
TABLE = Path(__file__).parents[2] / "docs" / "contributing" / "mutants.csv"


class Mutant(NamedTuple):
    """A fault: its name, its file, and the text that it replaces."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    # The client
    Mutant(
        "a retry after an uncertain call",
        "gateway/client.py",
        "is_transient = outcome.fate is Fate.NOT_SENT and",
        "is_transient = outcome.fate in {Fate.NOT_SENT, Fate.UNCERTAIN} and",
    ),
    Mutant(
        "an HTTP 500 counts as not sent",
        "gateway/client.py",
        "REJECTED_STATUSES = frozenset({400,",
        "REJECTED_STATUSES = frozenset({500, 400,",
    ),
    Mutant(
        "an answer that is no code counts as not sent",
        "gateway/client.py",
        'return CallOutcome(fate=Fate.UNCERTAIN, http_status=status, detail="the answer was not a return code")',
        'return CallOutcome(fate=Fate.NOT_SENT, http_status=status, detail="the answer was not a return code")',
    ),
    # The return codes
    Mutant(
        "code 11 counts as refused",
        "core/return_codes.py",
        'Kind.UNCERTAIN,\n            "Unknown error"',
        'Kind.REQUEST,\n            "Unknown error"',
    ),
    # Which call is next, and when to stop
    Mutant(
        "an intent is recorded after the call",
        "sending/executor.py",
        "            granted = submission.record(calls.settled, intents) if calls.settled or intents else ()\n"
        "            calls.settled.clear()\n"
        "            calls.start(granted)\n",
        "            calls.start(intents)\n"
        "            granted = submission.record(calls.settled, intents) if calls.settled or intents else ()\n"
        "            calls.settled.clear()\n",
    ),
    Mutant(
        "concurrency after an uncertain call",
        "core/dispatch.py",
        "            case Fate.UNCERTAIN:\n                self.is_proven = False\n",
        "            case Fate.UNCERTAIN:\n",
    ),
    Mutant(
        "concurrency before a call was accepted",
        "core/dispatch.py",
        "        self.is_proven = False\n        self._accepted_rows = 0\n",
        "        self.is_proven = True\n        self._accepted_rows = 0\n",
    ),
    Mutant(
        "no stop after three uncertain calls",
        "core/dispatch.py",
        "MAX_UNCERTAIN_IN_A_ROW = 3",
        "MAX_UNCERTAIN_IN_A_ROW = 30",
    ),
    Mutant(
        "a terminal code does not stop the threads",
        "sending/executor.py",
        "            if outcome.attempts and self._submission.is_terminal(batch, outcome):\n"
        "                self._halted.set()\n",
        "",
    ),
    Mutant(
        "a refused login does not stop the send",
        "core/dispatch.py",
        "kind in {Kind.LOGIN, Kind.ACCOUNT, Kind.CREDIT}",
        "kind in {Kind.ACCOUNT, Kind.CREDIT}",
    ),
    Mutant(
        "low credit does not stop the send",
        "core/dispatch.py",
        "kind in {Kind.LOGIN, Kind.ACCOUNT, Kind.CREDIT}",
        "kind in {Kind.LOGIN, Kind.ACCOUNT}",
    ),
    Mutant(
        "isolating loses one half",
        "core/dispatch.py",
        "self._first.extendleft(reversed(batch.halves()))",
        "self._first.extendleft(batch.halves()[:1])",
    ),
    Mutant(
        "an outcome is settled twice",
        "sending/executor.py",
        "            self._submission.settle(batch, outcome)\n",
        "            self._submission.settle(batch, outcome)\n"
        "            self._submission.settle(batch, outcome)\n",
    ),
    Mutant(
        "a batch that was given back is dropped",
        "core/dispatch.py",
        "        self._first.extendleft(reversed(unsent))\n",
        "        pass\n",
    ),
    Mutant(
        "an uncertain call's rows count as not attempted",
        "core/dispatch.py",
        "self.outcomes.set(batch.rows, Outcome.UNCERTAIN, code=outcome.code, reason=outcome.detail)",
        "self.outcomes.set(batch.rows, Outcome.NOT_ATTEMPTED, code=outcome.code, reason=outcome.detail)",
    ),
    Mutant(
        "what was not granted starts all the same",
        "sending/executor.py",
        "            calls.start(granted)\n",
        "            calls.start(intents)\n",
    ),
    Mutant(
        "calls in flight are not waited for when a send ends early",
        "sending/executor.py",
        "        calls.settle_all()  # first, so",
        "        pass  # first, so",
    ),
    # What earlier tries did
    Mutant(
        "records of earlier tries are ignored",
        "core/dispatch.py",
        "        has_records = ledger.claim()\n",
        "        has_records = ledger.claim() and False\n",
    ),
    Mutant(
        "resend without being asked",
        "sending/send.py",
        "self.options.on_uncertain is OnUncertain.RESEND,",
        "True,",
    ),
    Mutant(
        "a changed text is a further message: the rule of the k-th message is off",
        "core/resume.py",
        "            if others := self._others[msisdn]:\n",
        "            if others := {}:\n",
    ),
    Mutant(
        "a push_at that has passed drops the rows that are left",
        "sending/send.py",
        "            self._check_time(report, left)\n            self._check_cost(report, submission)\n",
        "            if self._push_time is not None and self._push_time <= self.runtime.now():\n"
        "                return report\n"
        "            self._check_cost(report, submission)\n",
    ),
    Mutant(
        "a push_at that has passed is not noticed",
        "sending/send.py",
        "        if self._push_time is None or self._push_time > self.runtime.now():\n",
        "        if True:\n",
    ),
    # Quiet hours
    Mutant(
        "quiet hours are decided once, when the send starts",
        "sending/send.py",
        "push_at=self._push_time, now=self.runtime.now)",
        "push_at=self._push_time, now=lambda: self.started_at)",
    ),
    Mutant(
        "quiet hours are decided once, before a call's back-off",
        "gateway/client.py",
        "        def call() -> CallOutcome:\n            moment = now()\n",
        "        moment = now()\n\n        def call() -> CallOutcome:\n",
    ),
    Mutant(
        "a push_at in quiet hours is sent",
        "core/schedule.py",
        "    if quiet_hours and delivery in quiet_hours:\n",
        "    if False:\n",
    ),
    # Mapped tasks
    Mutant(
        "mapped siblings are ignored (SQL ledger)",
        "ledgers/sql_connection.py",
        'return f"task:{task.mapped_task}" if task.is_mapped else sender_name(task)',
        "return sender_name(task)",
    ),
    Mutant(
        "an index's changed plan is not noticed (task state store)",
        "ledgers/index_plans.py",
        "        if known.matches(plan):\n",
        "        if True:\n",
    ),
    Mutant(
        "an index without a record sends after a clear (task state store)",
        "ledgers/index_plans.py",
        "    elif started in {None, task.generation}:",
        "    elif True:",
    ),
    Mutant(
        "the first call of a mapped send is not noted",
        "ledgers/index_plans.py",
        "        start.record()\n        this_try.mark_first_call()\n",
        "        this_try.mark_first_call()\n",
    ),
    Mutant(
        "a clear is not counted",
        "coordination/task_identity.py",
        'return f"{clear_number}.{_index_count(context)}"',
        'return f"{_index_count(context)}"',
    ),
    # Plans and batches
    Mutant(
        "duplicates are not folded",
        "core/plan.py",
        "if copy and deduplicate:",
        "if copy and not deduplicate:",
    ),
    Mutant(
        "a batch leaves its last row out",
        "core/batching.py",
        "            for start in range(0, len(rows), size):\n",
        "            for start in range(0, len(rows) - 1, size):\n",
    ),
    # The SQL ledger
    Mutant(
        "a skipped fence: the token is not checked",
        "ledgers/sql.py",
        "            self._check_token(connection)\n",
        "",
    ),
    Mutant(
        "intents of another sender are ignored",
        "ledgers/sql.py",
        "        self._load_other_intents(transaction)\n",
        "",
    ),
    Mutant(
        "an abandoned call counts as not sent (SQL ledger)",
        "ledgers/sql.py",
        "update(calls).where(abandoned).values(state=State.UNCERTAIN.value)",
        "update(calls).where(abandoned).values(state=State.NOT_SENT.value)",
    ),
    Mutant(
        "a write that failed is not taken back (SQL ledger)",
        "ledgers/sql.py",
        "        transaction.execute(update(calls).where(open_calls).values(state=State.NOT_SENT.value))\n",
        "",
    ),
    Mutant(
        "a write that failed is taken for one that was not applied",
        "ledgers/base.py",
        "            self._unconfirmed.extend(numbers)\n",
        "",
    ),
    Mutant(
        "the note that there was a SQL ledger is ignored",
        "ledgers/sql_connection.py",
        "        any(earlier)\n        or is_elsewhere\n",
        "        is_elsewhere\n",
    ),
    # The task state store
    Mutant(
        "an abandoned call counts as not sent (task state store)",
        "ledgers/task_state.py",
        "ended.get(number, State.UNCERTAIN.value)",
        "ended.get(number, State.NOT_SENT.value)",
    ),
    Mutant(
        "the end of a call is not recorded (task state store)",
        "ledgers/task_state.py",
        '        self._page["ended"].setdefault(state.value, []).append(number)\n',
        "",
    ),
    # Both ledgers
    Mutant(
        "any call counts as accepted before",
        "ledgers/records.py",
        "        if entry.state is State.ACCEPTED:\n            self._accepted[fingerprint] = entry.by\n",
        "        self._accepted[fingerprint] = entry.by\n",
    ),
    Mutant(
        "without a ledger a later try sends",
        "ledgers/memory.py",
        "    if not unsent.include_all_earlier:\n",
        "    if False:\n",
    ),
    Mutant(
        "without a ledger a try that sent something counts as one that sent nothing",
        "ledgers/current_try.py",
        "    return not counts[Outcome.ACCEPTED] and not counts[Outcome.UNCERTAIN]\n",
        "    return True\n",
    ),
    # Errors
    Mutant(
        "the first outcome that stops a send decides its error, not the gravest",
        "core/dispatch.py",
        "if self.stopped_by is None or _gravity(outcome) < _gravity(self.stopped_by):",
        "if self.stopped_by is None:",
    ),
    Mutant(
        "the ranking by gravity is reversed",
        "core/dispatch.py",
        "_gravity(outcome) < _gravity(self.stopped_by)",
        "_gravity(outcome) > _gravity(self.stopped_by)",
    ),
    Mutant(
        "uncertain rows are no error",
        "sending/failure.py",
        "    if uncertain and on_uncertain is not OnUncertain.ACCEPT:\n",
        "    if uncertain and on_uncertain is OnUncertain.RESEND:\n",
    ),
    Mutant(
        "a login that is known to be refused is tried",
        "hooks/ismart.py",
        "return self.refused_login.block_reason() if TaskIdentity.of(context) else None",
        "return None",
    ),
    # Alerts
    Mutant(
        "an alert tries a login that another alert was refused with",
        "alerts/alert.py",
        "        if reason := refused.block_reason() or gate.block_reason():\n",
        "        if reason := None:\n",
    ),
    Mutant(
        "alerts go concurrently before the login is known to be good",
        "coordination/login_gate.py",
        "        if self._verdict() is Verdict.GOOD:\n            return self._try_slot()\n",
        "        if True:\n            return self._try_slot()\n",
    ),
    Mutant(
        "the throttle allows every alert",
        "coordination/throttle.py",
        "        return suppressed if is_open else None\n",
        "        return suppressed\n",
    ),
    Mutant(
        "rows that were not attempted are no error",
        "sending/failure.py",
        "    if left := report.outcomes[Outcome.NOT_ATTEMPTED]:\n        why",
        "    if left := 0:\n        why",
    ),
    # Guard rails
    Mutant(
        "an excluded row is sent",
        "core/exclusion.py",
        "                texts[row] = sizes[row] = None\n",
        "                pass\n",
    ),
    Mutant(
        "exclude is not applied",
        "sending/planning.py",
        "frozenset() if exclude is None else read_opt_outs(exclude, str(column), numbering)",
        "frozenset()",
    ),
    Mutant(
        "a restricted connection plans for every number",
        "sending/planning.py",
        "            allowed=settings.allowed_numbers,\n",
        "            allowed=None,\n",
    ),
    Mutant(
        "max_credits is not checked",
        "sending/send.py",
        "            self._check_cost(report, submission)\n",
        "",
    ),
    # Settled messages
    Mutant(
        "a line settles every later call, too",
        "core/settlement.py",
        "        new = said - _settled(entries, among)\n",
        "        new = +said\n",
    ),
    Mutant(
        "accepted and not_sent are mixed up",
        "core/settlement.py",
        "_STATE_OF = {Finding.ACCEPTED: State.CONFIRMED, Finding.NOT_SENT: State.RULED_OUT}",
        "_STATE_OF = {Finding.NOT_SENT: State.CONFIRMED, Finding.ACCEPTED: State.RULED_OUT}",
    ),
    Mutant(
        "a message settled as accepted is sent again",
        "core/ledger.py",
        "State.UNCERTAIN, State.CONFIRMED})\n",
        "State.UNCERTAIN})\n",
    ),
    Mutant(
        "a message settled as not sent stays uncertain",
        "core/ledger.py",
        "_PROVE_NOTHING = frozenset({State.REFUSED, State.NOT_SENT})",
        "_PROVE_NOTHING = frozenset({State.REFUSED, State.NOT_SENT, State.RULED_OUT})",
    ),
    Mutant(
        "wrong lines of a settlement file are skipped",
        "core/settlement.py",
        "        raise_if(wrong)\n        return Settlement(",
        "        return Settlement(",
    ),
    Mutant(
        "settlements are not recorded",
        "ledgers/base.py",
        "            if calls:\n",
        "            if False:\n",
    ),
)


def found(mutant, most_seeds=MOST_SEEDS):
    """Return (seeds until it was found, what was broken), or ``None``; run this in its own process."""
    with tempfile.TemporaryDirectory(prefix="ismart-mutant-") as folder:
        source = Path(find_spec(PACKAGE).origin).parent
        copy = Path(folder) / PACKAGE
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        path = copy / mutant.file
        text = path.read_text(encoding="utf-8")
        if (count := text.count(mutant.old)) != 1:
            raise LookupError(f"{mutant.name}: its text occurs {count} times in {mutant.file}; it must occur once")
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
        sys.path.insert(0, folder)
        import airflow_provider_ismart
        from tests.simulation.history import Simulation

        assert Path(airflow_provider_ismart.__file__).parent == copy
        with Simulation().patched() as simulation:
            for seed in range(most_seeds):
                if violations := simulation.run(seed).violations:
                    return seed + 1, violations[0]
    return None


def _promise(violation):
    return violation.partition(":")[0]


def _found(mutant):
    try:
        return found(mutant)
    except BaseException as error:  # noqa: BLE001  # whatever it is, the table names it
        return repr(error)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="only mutants whose name has this in it")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    home = separate_home()
    import airflow.providers.common.compat.sdk
    import sqlalchemy  # noqa: F401  # what takes long to import is imported once, and nothing of the package

    getattr(airflow.providers.common.compat.sdk, "BaseHook")  # noqa: B009
    mutants = [mutant for mutant in MUTANTS if options.only in mutant.name]
    missed = 0
    rows = [("fault", "seeds until found", "promise broken")]
    context = multiprocessing.get_context("fork")
    with context.Pool(options.workers, maxtasksperchild=1) as pool:
        for mutant, result in zip(mutants, pool.imap(_found, mutants, chunksize=1), strict=True):
            missed += not isinstance(result, tuple)
            seeds, promise = (
                (result[0], _promise(result[1])) if isinstance(result, tuple) else ("NOT FOUND", result)
            )
            rows.append((mutant.name, seeds, promise))
            print(f"{mutant.name}: {seeds}, {promise}", flush=True)
    print(f"\n{len(mutants) - missed} of {len(mutants)} found")
    if not options.only:
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    home.cleanup()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
