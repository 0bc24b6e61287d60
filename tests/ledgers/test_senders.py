"""Test senders that are killed, frozen, or send the same concurrently: real processes, on real databases."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect

from airflow_provider_ismart.core.ledger import LedgerConflictError, State
from airflow_provider_ismart.core.outcomes import Fate
from airflow_provider_ismart.ledgers.sql_schema import create_tables, metadata
from tests.ledgers.backings import batch, engine_of, numbers, opened, outcome, states

ROOT = Path(__file__).parents[2]
EVERYBODY = numbers(400)
ONE, TWO, THREE = numbers(3)


@pytest.fixture(scope="module")
def doer():
    """Return a process that runs actions."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ledgers.senders"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.communicate()


@pytest.fixture
def senders(doer, database, ismart_default, ismart_sandbox):
    """Run senders in their own processes; return their output."""
    ismart_default(extra={"max_concurrency": 2})

    def run(deed, *, latency=0.01, **options):
        ismart_sandbox.configure(latency=latency)
        environment = {
            "AIRFLOW_CONN_LEDGER": database.connection,
            "AIRFLOW_CONN_ISMART_DEFAULT": os.environ["AIRFLOW_CONN_ISMART_DEFAULT"],
        }
        doer.stdin.write(json.dumps([deed, options, environment]) + "\n")
        doer.stdin.flush()
        ended, said = json.loads(doer.stdout.readline())
        assert ended == 0, said
        return said

    return run


def counts(database, **options):
    """Count the ledger's numbers by state."""
    found = states(opened(database, **options), *EVERYBODY)
    return Counter(state for states_of_number in found.values() for state in states_of_number)


def test_a_repeatedly_killed_process_messages_no_number_twice(senders, database, told):
    kills = 8
    senders("killed_again_and_again", numbers=EVERYBODY, times=kills, longest=0.3)
    assert set(told().values()) == {1}
    on_record = counts(database)
    assert on_record.total() == len(EVERYBODY)
    assert on_record.keys() <= {"accepted", "uncertain"}
    assert on_record["accepted"] <= len(told())
    assert on_record["uncertain"] <= kills * 2 * 2 * 10  # twice max_concurrency batches of 10 a kill


def test_a_frozen_process_that_resumes_beside_its_retry_sends_nothing_more(senders, ismart_sandbox, told):
    said = senders("beside_its_retry", latency=0.5, numbers=EVERYBODY, url=f"{ismart_sandbox.url}/_sandbox")
    assert "another try of this task or `ledger release` has taken over" in said
    assert set(told().values()) == {1}


def test_tasks_with_one_key_and_overlapping_lists_message_each_number_once(senders, database, told):
    senders("beside_each_other", numbers=EVERYBODY, senders=3, key="bills-2026-11")  # nor are there tables yet
    assert told() == Counter(EVERYBODY)
    assert counts(database, scope="key:bills-2026-11", task="who asks") == {"accepted": len(EVERYBODY)}


def test_no_number_is_granted_to_two_threads(database):
    create_tables(database.engine)

    def grab(name):
        engine = engine_of(database.connection)
        ledger = opened(database, scope="key:all", task=name, engine=engine)
        order, mine = random.sample(EVERYBODY, k=200), []
        for start in range(0, len(order), 20):
            free = [n for n in order[start : start + 20] if not ledger.recorded([n])]
            granted = ledger.write([], [batch(*free)] if free else [])
            mine += [number for intent in granted for number in intent.msisdns]
            ledger.write([(intent, outcome(Fate.ACCEPTED)) for intent in granted], [])
        engine.dispose()
        return order, mine

    with ThreadPoolExecutor(4) as executor:
        found = list(executor.map(grab, "abcd"))
    granted = Counter(number for _, mine in found for number in mine)
    assert set(granted.values()) == {1}
    assert granted.keys() == {number for order, _ in found for number in order}


def test_concurrent_senders_can_create_the_tables(database):
    engines = [engine_of(database.connection) for _ in range(6)]
    with ThreadPoolExecutor(6) as executor:
        list(executor.map(create_tables, engines))
    assert set(metadata.tables) <= set(inspect(database.engine).get_table_names())
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_no_number_is_granted_twice_with_any_default_isolation_level(make_backing, isolation):
    database = make_backing("postgres")
    with database.engine.begin() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET default_transaction_isolation TO '{isolation}'")
    database.engine.dispose()
    first, second = engine_of(database.connection), engine_of(database.connection)
    here = opened(database, scope="key:all", task="here", engine=first)
    there = opened(database, scope="key:all", task="there", engine=second)
    with ThreadPoolExecutor(1) as executor:
        with first.begin() as connection:
            here._lock_scope(connection)
            waiting = executor.submit(there.write, [], [batch(ONE, TWO)])  # waits for its turn
            _wait_for_a_lock(database)
            here._record_calls(connection, [here._records.call(batch(TWO, THREE), State.SUBMITTING)])
        assert [intent.msisdns for intent in waiting.result()] == [(ONE,)]
    first.dispose()
    second.dispose()


def _wait_for_a_lock(database):
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with database.engine.connect() as connection:
        while not connection.exec_driver_sql(waiting).scalar_one():
            pass


def test_a_sender_claims_no_number_that_is_in_flight_at_another(database):
    here, there = (opened(database, scope="key:all", task=task) for task in ("here", "there"))
    here.write([], [batch(ONE, TWO)])
    assert [intent.msisdns for intent in there.write([], [batch(TWO, THREE), batch(ONE)])] == [(THREE,)]


def test_a_retry_of_one_task_does_not_touch_calls_of_another(database):
    here, there = (opened(database, scope="key:all", task=task) for task in ("here", "there"))
    here.write([], [batch(ONE)])
    there.write([], [batch(TWO)])
    retry = opened(database, scope="key:all", task="here")
    assert states(retry, ONE, TWO) == {ONE: ["uncertain"], TWO: ["submitting"]}
    there.write([(batch(TWO), outcome(Fate.ACCEPTED))], [])
    with pytest.raises(LedgerConflictError):
        here.write([(batch(ONE), outcome(Fate.ACCEPTED))], [])


def test_concurrent_sends_of_one_task_all_succeed(send, told, database):
    lists = [EVERYBODY[start : start + 40] for start in range(0, 160, 40)]
    with ThreadPoolExecutor(4) as executor:
        sent = executor.map(lambda some: send(some, ledger=database.connection, batch_size=5), lists)
        assert [report.outcomes[next(iter(report.outcomes))] for report in sent] == [0] * 4
    assert told() == Counter(EVERYBODY[:160])
