import pytest

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.ledger import (
    MAYBE_SENT,
    STATE_OF_FATE,
    TRANSITIONS,
    Entry,
    LedgerConflictError,
    MemoryLedger,
    State,
)
from airflow_provider_ismart.core.message import LangChoice, compose
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate
from airflow_provider_ismart.core.settlement import Finding, Settlements
from tests.core.scripted import numbers

A, B = numbers(2)
FATE_OF_STATE = {state: fate for fate, state in STATE_OF_FATE.items()}


def batch(*msisdns, text="Hello", copy=0):
    return Batch(
        message=compose(text, LangChoice.AUTO, 5), copy=copy, rows=tuple(range(len(msisdns))), msisdns=msisdns
    )


FINDINGS = {State.CONFIRMED: Finding.ACCEPTED, State.RULED_OUT: Finding.NOT_SENT}


def move(ledger, to, moved):
    if to is State.SUBMITTING:
        ledger.write([], [moved])
    elif to in FINDINGS:
        ledger.settle(Settlements(by_number={msisdn: [(2, FINDINGS[to])] for msisdn in moved.msisdns}))
    else:
        ledger.write([(moved, CallOutcome(fate=FATE_OF_STATE[to]))], [])


def ledger_in(state, moved):
    """Return a ledger that has reached ``state``."""
    ledger = MemoryLedger()
    if state is not None:
        move(ledger, State.SUBMITTING, moved)
    if state in FINDINGS:
        move(ledger, State.UNCERTAIN, moved)
    if state not in {None, State.SUBMITTING}:
        move(ledger, state, moved)
    return ledger


def states(ledger, msisdn=A):
    return [entry.state for entry in ledger.recorded([msisdn]).get(msisdn, [])]


def test_every_state_and_fate_has_transitions():
    assert set(TRANSITIONS) == {None, *State}
    assert set(STATE_OF_FATE) == set(Fate)
    assert {State.SUBMITTING, State.ACCEPTED, State.UNCERTAIN, State.CONFIRMED} == MAYBE_SENT


def test_no_state_follows_acceptance_and_no_intent_follows_an_intent():
    assert TRANSITIONS[State.ACCEPTED] == {State.ACCEPTED}
    assert not TRANSITIONS[State.CONFIRMED]
    assert State.SUBMITTING not in TRANSITIONS[State.SUBMITTING]


@pytest.mark.parametrize("start", [None, *State])
@pytest.mark.parametrize("to", State)
def test_only_transitions_of_the_table_are_allowed(start, to):
    moved = batch(A)
    ledger = ledger_in(start, moved)
    if to in TRANSITIONS[start]:
        move(ledger, to, moved)
        assert states(ledger) == [to]
    elif to not in FINDINGS:
        with pytest.raises(LedgerConflictError, match=f"{to.value} cannot follow"):
            move(ledger, to, moved)
        assert states(ledger) == ([start] if start else [])
    elif start is to:  # the same finding again changes nothing
        move(ledger, to, moved)
        assert states(ledger) == [start]
    else:
        with pytest.raises(InputError, match="nothing was settled or sent"):
            move(ledger, to, moved)
        assert states(ledger) == ([start] if start else [])


def test_texts_and_copies_of_a_number_are_recorded_separately():
    ledger = MemoryLedger()
    batches = [batch(A, B), batch(A, copy=1), batch(A, text="Bye")]
    assert ledger.write([], batches) == batches
    ledger.write([(batches[1], CallOutcome(fate=Fate.ACCEPTED))], [])
    digest, other = batches[0].message.digest, batches[2].message.digest
    assert ledger.recorded([A, B, "96890009999"]) == {
        A: [
            Entry(digest=digest, copy=0, state=State.SUBMITTING),
            Entry(digest=digest, copy=1, state=State.ACCEPTED),
            Entry(digest=other, copy=0, state=State.SUBMITTING),
        ],
        B: [Entry(digest=digest, copy=0, state=State.SUBMITTING)],
    }


def test_outcomes_are_recorded_before_new_intents():
    ledger, moved = MemoryLedger(), batch(A)
    ledger.write([], [moved])
    ledger.write([(moved, CallOutcome(fate=Fate.NOT_SENT))], [moved])
    assert states(ledger) == [State.SUBMITTING]


def test_claiming_marks_calls_in_flight_as_uncertain():
    ledger = MemoryLedger()
    ledger.write([], [batch(A), batch(B)])
    ledger.write([(batch(B), CallOutcome(fate=Fate.ACCEPTED))], [])
    ledger.claim()
    assert states(ledger, A) == [State.UNCERTAIN]
    assert states(ledger, B) == [State.ACCEPTED]


def test_reading_records_nothing():
    ledger = MemoryLedger()
    assert ledger.recorded([A]) == {}
    ledger.write([], [batch(B)])
    assert ledger.recorded([A]) == {}
    assert set(ledger.recorded([A, B])) == {B}
