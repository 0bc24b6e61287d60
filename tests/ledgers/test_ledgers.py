"""Test the contract of every ledger, with any storage."""

import pytest

from airflow_provider_ismart.core.ledger import LedgerConflictError
from airflow_provider_ismart.core.outcomes import Fate
from tests.ledgers.backings import Store, batch, needs_task_state, numbers, opened, outcome, states

ONE, TWO, THREE = numbers(3)


def test_nothing_is_on_record_at_first(backing):
    assert states(opened(backing), ONE) == {}


@pytest.mark.parametrize("fate", Fate)
def test_a_later_try_knows_the_outcome_of_a_call(backing, fate):
    ledger, sent = opened(backing), batch(ONE, TWO)
    assert list(ledger.write([], [sent])) == [sent]
    ledger.write([(sent, outcome(fate))], [])
    assert states(opened(backing), ONE, TWO, THREE) == {ONE: [fate.value], TWO: [fate.value]}


def test_a_call_without_an_outcome_is_uncertain_for_every_later_try(backing):
    opened(backing).write([], [batch(ONE), batch(TWO)])
    for _ in range(2):
        assert states(opened(backing), ONE, TWO) == {ONE: ["uncertain"], TWO: ["uncertain"]}


def test_an_outcome_and_the_next_intent_are_one_write(backing):
    ledger = opened(backing)
    ledger.write([], [batch(ONE)])
    ledger.write([(batch(ONE), outcome(Fate.ACCEPTED))], [batch(TWO)])
    assert states(opened(backing), ONE, TWO) == {ONE: ["accepted"], TWO: ["uncertain"]}


def test_a_batch_that_never_started_is_recorded_again_in_the_same_write(backing):
    ledger = opened(backing)
    ledger.write([], [batch(ONE)])
    ledger.write([(batch(ONE), outcome(Fate.NOT_SENT))], [batch(ONE)])
    ledger.write([(batch(ONE), outcome(Fate.ACCEPTED))], [])
    assert states(opened(backing), ONE) == {ONE: ["accepted"]}


def test_uncertain_messages_can_be_sent_again(backing):
    opened(backing).write([], [batch(ONE)])
    ledger = opened(backing)
    assert list(ledger.write([], [batch(ONE)])) == [batch(ONE)]
    ledger.write([(batch(ONE), outcome(Fate.ACCEPTED))], [])
    assert states(opened(backing), ONE) == {ONE: ["accepted"]}


def test_texts_and_copies_of_a_number_are_recorded_separately(backing):
    ledger = opened(backing)
    sent = [batch(ONE), batch(ONE, text="Another"), batch(ONE, copy=1)]
    ledger.write([], sent)
    ledger.write([(sent[0], outcome(Fate.ACCEPTED)), (sent[1], outcome(Fate.REFUSED))], [])
    found = {(entry.digest, entry.copy): entry.state.value for entry in opened(backing).recorded([ONE])[ONE]}
    assert found == {
        (sent[0].message.digest, 0): "accepted",
        (sent[1].message.digest, 0): "refused",
        (sent[2].message.digest, 1): "uncertain",
    }


def test_a_fenced_try_can_record_nothing(lasting):
    zombie = opened(lasting)
    zombie.write([], [batch(ONE)])
    retry = opened(lasting)
    with pytest.raises((LedgerConflictError, RuntimeError)):
        zombie.write([(batch(ONE), outcome(Fate.ACCEPTED))], [batch(TWO)])
    assert list(retry.write([], [batch(THREE)])) == [batch(THREE)]
    assert states(opened(lasting), ONE, TWO, THREE) == {ONE: ["uncertain"], THREE: ["uncertain"]}


def test_stored_data_contains_no_number(lasting):
    ledger = opened(lasting)
    ledger.write([], [batch(ONE, TWO), batch(THREE)])
    ledger.write([(batch(ONE, TWO), outcome(Fate.ACCEPTED))], [])
    stored = lasting.stored()
    assert len(stored) > 100
    for number in (ONE, TWO, THREE):
        for spelling in (number, number[3:], f"{int(number):x}", number.encode().hex(), number[::-1]):
            assert spelling not in stored


def test_two_scopes_hash_a_number_differently(database):
    for scope in ("key:a", "key:b"):
        opened(database, scope=scope).write([], [batch(ONE)])
    with database.engine.connect() as connection:
        hashes = connection.exec_driver_sql("SELECT hashes FROM ismart_ledger_call").scalars().all()
    assert len({bytes(found) for found in hashes}) == 2


def test_the_newest_entry_of_a_repeated_message_counts(lasting):
    first = opened(lasting)
    first.write([], [batch(ONE, TWO)])
    first.write([(batch(ONE, TWO), outcome(Fate.REFUSED))], [batch(ONE), batch(TWO)])
    first.write([(batch(ONE), outcome(Fate.ACCEPTED)), (batch(TWO), outcome(Fate.REFUSED))], [])
    assert states(opened(lasting), ONE, TWO) == {ONE: ["accepted"], TWO: ["refused"]}


@needs_task_state
def test_a_million_numbers_fit_on_pages_below_airflows_warning_limit():
    store = Store()  # which refuses a value that is too large
    ledger = opened(store)
    everybody = [f"9689{number:07}" for number in range(1_000_000)]
    template = batch(ONE)
    settled = []
    for start in range(0, len(everybody), 25_000):
        intents = [
            template._replace(rows=tuple(range(first, first + 50)), msisdns=tuple(everybody[first : first + 50]))
            for first in range(start, start + 25_000, 50)
        ]
        ledger.write(settled, intents)
        settled = [(intent, outcome(Fate.ACCEPTED)) for intent in intents]
    ledger.write(settled, [])
    sample = everybody[::997]
    assert states(opened(store), *sample) == {number: ["accepted"] for number in sample}
