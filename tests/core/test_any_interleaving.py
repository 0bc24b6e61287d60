"""Test tries that fail or die anywhere, with inputs that change in between, against what the gateway saw."""

from collections import Counter
from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from airflow_provider_ismart.core.dispatch import OnRefused
from airflow_provider_ismart.core.ledger import LedgerConflictError, MemoryLedger
from airflow_provider_ismart.core.outcomes import Fate, Outcome
from tests.core.scripted import ACCEPTED, NOT_SENT, UNCERTAIN, ScriptedGateway, plan_of_rows, refused, send
from tests.core.strategies import few_msisdns

DIES_BEFORE, DIES_AFTER, RAISES = "dies before it reaches the gateway", "dies after it", "raises after it"
ANSWERS = [ACCEPTED] * 6 + [UNCERTAIN, NOT_SENT, DIES_BEFORE, DIES_AFTER, RAISES]
ANSWERS += [refused(code) for code in (4, 6, 9, 9, 9, 15, 23, 24)]


class ProcessDied(BaseException):
    """The process has died: nothing after this has an effect."""


class Process:
    """The process of a try: after it has died, its ledger and gateway are useless."""

    def __init__(self, ledger, handed, script, *, fault, fault_at):
        self._ledger = ledger
        self._handed = handed
        self._script = iter(script)
        self._fault = fault
        self._writes_left = fault_at
        self.is_dead = False
        #: What the gateway took, and what it may have taken, by (number, text).
        self.accepted = Counter()
        self.uncertain = Counter()

    # The ledger that the process sees

    def claim(self):
        return self._ledger.claim()

    def accepted_by(self, batch):
        return self._ledger.accepted_by(batch)

    def recorded(self, msisdns, *, refresh=False):
        return self._ledger.recorded(msisdns, refresh=refresh)

    def write(self, settled, intents):
        self._check_pulse()
        self._writes_left -= 1
        fault = self._fault if self._writes_left == 0 else ""
        if "before" in fault:
            self._fail(fault)
        granted = self._ledger.write(settled, intents)
        if "after" in fault:
            self._fail(fault)
        return granted

    def _fail(self, fault):
        if fault.startswith("dies"):
            self._die()
        raise OSError("the ledger is gone")

    # The gateway that the process sees

    def submit(self, batch):
        self._check_pulse()
        answer = next(self._script, ACCEPTED)
        if answer is DIES_BEFORE:
            self._die()
        if answer in {DIES_AFTER, RAISES} or answer.fate in {Fate.ACCEPTED, Fate.UNCERTAIN}:
            seen = self.accepted if answer is ACCEPTED else self.uncertain
            seen.update((msisdn, batch.message.text) for msisdn in batch.msisdns)
            self._handed.update(batch.msisdns)
        if answer is DIES_AFTER:
            self._die()
        if answer is RAISES:
            raise ZeroDivisionError
        return answer

    def _die(self):
        self.is_dead = True
        raise ProcessDied

    def _check_pulse(self):
        if self.is_dead:
            raise ProcessDied


class Tries(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.ledger = MemoryLedger()
        #: By number, how many messages it was or may have been handed, and the most rows it ever had.
        self.handed = Counter()
        self.most_rows = Counter()

    @initialize(rows=st.lists(st.tuples(few_msisdns, st.sampled_from("xyz")), min_size=1, max_size=20))
    def begin(self, rows):
        self.rows = rows
        self.deduplicate = True

    @rule(text=st.sampled_from("xyzvw"), data=st.data())
    def change_a_text(self, text, data):
        if self.rows:
            row = data.draw(st.integers(0, len(self.rows) - 1))
            self.rows[row] = (self.rows[row][0], text)

    @rule(row=st.tuples(few_msisdns, st.sampled_from("xyz")))
    def add_a_row(self, row):
        self.rows.append(row)

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def remove_a_row(self, data):
        self.rows.pop(data.draw(st.integers(0, len(self.rows) - 1)))

    @rule(data=st.data())
    def shuffle_the_rows(self, data):
        self.rows = data.draw(st.permutations(self.rows))

    @rule(deduplicate=st.booleans())
    def keep_duplicates_or_not(self, deduplicate):
        self.deduplicate = deduplicate

    @rule(
        script=st.lists(st.sampled_from(ANSWERS), max_size=20),
        fault=st.sampled_from(["", "dies before", "dies after", "fails before", "fails after"]),
        fault_at=st.integers(1, 8),
        batch_size=st.integers(1, 5),
        at_once=st.integers(1, 3),
        on_refused=st.sampled_from(OnRefused),
    )
    def try_to_send(self, script, fault, fault_at, batch_size, at_once, on_refused):
        planned = self._plan()
        to_send = Counter(msisdn for group in planned.groups for _, msisdn in group.numbers)
        before = self.handed.copy()
        process = Process(self.ledger, self.handed, script, fault=fault, fault_at=fault_at)
        with suppress(ProcessDied, OSError, ZeroDivisionError, LedgerConflictError):
            send(
                planned,
                process.submit,
                ledger=process,
                batch_size=batch_size,
                at_once=at_once,
                on_refused=on_refused,
            )
        for msisdn, count in (self.handed - before).items():
            assert count <= to_send[msisdn] - before[msisdn]
        if not process.is_dead:
            self._check_report(planned, process)

    def _plan(self):
        planned = plan_of_rows(self.rows, deduplicate=self.deduplicate)
        self.most_rows |= Counter(planned.rows.msisdns)
        return planned

    def _check_report(self, planned, process):
        """Check that the report of a surviving try agrees with the gateway for each row."""
        said = {outcome: Counter() for outcome in Outcome}
        for row, (msisdn, text) in enumerate(self.rows):
            said[planned.outcomes[row]][msisdn, text] += 1
        assert sum(map(Counter.total, said.values())) == len(self.rows)
        assert said[Outcome.ACCEPTED] == process.accepted
        assert process.uncertain <= said[Outcome.UNCERTAIN]
        for outcome in (Outcome.ALREADY_SENT, Outcome.UNCERTAIN):
            assert all(self.handed[msisdn] or outcome is Outcome.UNCERTAIN for msisdn, _ in said[outcome])

    @rule()
    def finish(self):
        """Check that a try without faults leaves nobody out, and that another try then sends nothing."""
        planned, gateway = self._plan(), ScriptedGateway()
        send(planned, gateway, ledger=self.ledger)
        self.handed.update({msisdn: len(texts) for msisdn, texts in gateway.handed.items()})
        for row, (msisdn, _) in enumerate(self.rows):
            if planned.outcomes[row] is Outcome.UNCERTAIN:
                continue
            assert planned.outcomes[row] in {Outcome.ACCEPTED, Outcome.ALREADY_SENT, Outcome.DUPLICATE}
            assert self.handed[msisdn] or planned.outcomes[row] is Outcome.DUPLICATE
        again, nothing = self._plan(), ScriptedGateway()
        send(again, nothing, ledger=self.ledger)
        assert nothing.batches == []

    @invariant()
    def nobody_was_handed_more_than_his_rows(self):
        assert all(count <= self.most_rows[msisdn] for msisdn, count in self.handed.items())


TestAnyInterleaving = Tries.TestCase
TestAnyInterleaving.settings = settings(
    max_examples=settings.default.max_examples * 3 // 2, stateful_step_count=15
)
