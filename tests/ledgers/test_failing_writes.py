"""Test a ledger that fails at every possible point: nobody is messaged twice, and nobody is forgotten."""

from contextlib import suppress
from itertools import count

import pytest

from airflow_provider_ismart.core.outcomes import Fate
from airflow_provider_ismart.ledgers import sql_schema
from tests.ledgers.backings import (
    Store,
    StoreOfTry,
    batch,
    needs_task_state,
    numbers,
    opened,
    outcome,
    states,
)

ONE, TWO, THREE, FOUR = numbers(4)
NUMBERS = numbers(6)


class LedgerDown(Exception):  # noqa: N818  # what a database's driver or Airflow's API raise has many names
    """The ledger could not be written, or could not confirm the write."""


class Trap:
    """Raise at the n-th point that is passed, before or after the action."""

    def __init__(self, number, *, when, error=LedgerDown):
        self._left = number
        self._when = when
        self._error = error

    def __call__(self, deed, *args, **kwargs):
        self._left -= 1
        if self._left == 0 and self._when == "before":
            raise self._error
        done = deed(*args, **kwargs)
        if self._left == 0:
            raise self._error
        return done

    @property
    def snapped(self):
        return self._left <= 0


def trapped_store(trap):
    class TrappedStore(Store):
        def handle(self):
            self.newest = TrappedTry(self)
            return self.newest

    class TrappedTry(StoreOfTry):
        def get(self, *args, **kwargs):
            return trap(super().get, *args, **kwargs)

        def set(self, *args, **kwargs):
            return trap(super().set, *args, **kwargs)

    return TrappedStore()


def trap_engines(trap, monkeypatch):
    """Make every statement and commit of future ledgers pass the trap."""
    prepare_engine = sql_schema.prepare_engine

    def with_trap(engine):
        engine = prepare_engine(engine)
        dialect = engine.dialect
        for deed in ("do_execute", "do_commit"):
            original = getattr(dialect, deed)
            setattr(dialect, deed, lambda *args, _deed=original, **kw: trap(_deed, *args, **kw))
        return engine

    monkeypatch.setattr(sql_schema, "prepare_engine", with_trap)


def check_after_retry(send, told, backing_options):
    """Retry without a fault: nobody is messaged twice, and everyone without a message is uncertain."""
    report = send(NUMBERS, try_number=2, batch_size=2, on_uncertain="accept", **backing_options)
    assert set(told().values()) <= {1}
    outcomes = {outcome.value: count for outcome, count in report.outcomes.items() if count}
    assert outcomes.keys() <= {"accepted", "already_sent", "uncertain"}
    assert sum(outcomes.values()) == len(NUMBERS)
    assert len(told()) >= len(NUMBERS) - outcomes.get("uncertain", 0)
    return report


@needs_task_state
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_store_failure_at_any_access_causes_no_duplicate(send, told, when, ismart_sandbox):
    for point in count(1):
        ismart_sandbox.reset()
        trap = Trap(point, when=when)
        store = trapped_store(trap)
        try:
            send(NUMBERS, store=store, batch_size=2, on_uncertain="accept")
        except LedgerDown:
            check_after_retry(send, told, {"store": store})
        if not trap.snapped:
            break
    assert point > 5


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_database_failure_at_any_statement_or_commit_causes_no_duplicate(
    send, told, when, database, ismart_sandbox, monkeypatch
):
    for point in count(1):
        ismart_sandbox.reset()
        run = f"point {point}"
        trap = Trap(point, when=when)
        with monkeypatch.context() as patch:
            trap_engines(trap, patch)
            with suppress(LedgerDown):
                send(NUMBERS, ledger=database.connection, run_id=run, batch_size=2, on_uncertain="accept")
        check_after_retry(send, told, {"ledger": database.connection, "run_id": run})
        if not trap.snapped:
            break
    assert point > 20


@pytest.fixture(params=["before", "after"])
def failing_write(request, lasting, monkeypatch):
    """Return a ledger with one call in flight whose next write fails, before or after storing; then it works."""
    trap = Trap(0, when=request.param)
    ledger = lasting.open_with_trap(trap, monkeypatch)
    ledger.claim()
    ledger.write([], [batch(ONE), batch(TWO)])
    trap._left = 1
    return ledger


def test_outcomes_whose_write_failed_can_be_written_again(lasting, failing_write):
    ended = [(batch(ONE), outcome(Fate.ACCEPTED))]
    with pytest.raises(LedgerDown):
        failing_write.write(ended, [batch(THREE)])
    failing_write.write([*ended, (batch(TWO), outcome(Fate.REFUSED))], [])
    found = states(opened(lasting), ONE, TWO, THREE)
    assert (found[ONE], found[TWO]) == (["accepted"], ["refused"])


@needs_task_state
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_intent_whose_write_failed_counts_as_not_sent(when):
    trap = Trap(0, when=when)
    store = trapped_store(trap)
    ledger = opened(store)
    trap._left = 1
    with pytest.raises(LedgerDown):
        ledger.write([], [batch(ONE)])
    ledger.write([], [])
    assert states(opened(store), ONE) == {ONE: ["not_sent"]}


def test_a_sqlite_ledger_is_durable(make_backing):
    backing = make_backing("sqlite")
    opened(backing)
    with backing.engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 60_000}  # 2 is FULL
