"""Test which ledger a send gets, its errors if there is none, and how it is summarised."""

import json
from types import SimpleNamespace

import pytest

from airflow_provider_ismart.exceptions import ISmartError, ISmartInputError, ISmartUncertainFinalError
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.sandbox import faults
from tests.ledgers.backings import Store, needs_task_state, numbers

NUMBERS = numbers(5)


def test_a_key_without_a_sql_ledger_is_refused_before_anything_is_sent(send, told):
    with pytest.raises(ISmartInputError, match="idempotency_key needs a SQL ledger: set ledger_conn_id"):
        send(NUMBERS, key="bills-2026-11")
    assert not told()


@needs_task_state
def test_a_key_does_not_use_the_task_state_store(send, told):
    with pytest.raises(ISmartInputError, match="needs a SQL ledger"):
        send(NUMBERS, store=Store(), key="bills-2026-11")
    assert not told()


@pytest.mark.parametrize("key", ["", " \n"])
def test_a_blank_key_is_refused(send, told, database, key):
    with pytest.raises(ISmartInputError, match="idempotency_key must have 1 to 500 characters"):
        send(NUMBERS, ledger=database.connection, key=key)
    assert not told()


def test_a_key_can_have_the_maximum_length_in_any_script(send, told, database):
    key = "فاتورة" * 80
    for try_number in (1, 2):
        send(NUMBERS, ledger=database.connection, key=key, try_number=try_number)
    assert set(told().values()) == {1}


def test_a_connection_of_another_type_is_refused_before_anything_is_sent(send, told):
    with pytest.raises(ISmartInputError, match="'ledger' must be a PostgreSQL or SQLite connection"):
        send(NUMBERS, ledger=json.dumps({"conn_type": "ismart", "host": "https://gateway.invalid"}))
    assert not told()


def test_a_later_try_without_a_ledger_sends_nothing_and_explains_how_to_set_one(send, told):
    with pytest.raises(ISmartUncertainFinalError, match=r"no ledger shows .* set ledger_conn_id"):
        send(NUMBERS, try_number=2)
    assert not told()


def test_a_first_try_without_a_ledger_sends(send, told):
    send(NUMBERS)
    assert list(told()) == NUMBERS


def test_sends_of_one_try_see_each_other_without_a_lasting_ledger(ismart_default, told):
    context = {"ti": SimpleNamespace(dag_id="dag", run_id="run", task_id="send", map_index=-1, try_number=1)}
    for people in (NUMBERS[:3], NUMBERS):
        ISmartHook().submit(people, {"message": "Hello"}, context, sends_several_times=True)
    ISmartHook().submit(NUMBERS, {"message": "Another"}, context, sends_several_times=True)
    assert told() == dict.fromkeys(NUMBERS, 2)


def test_the_ledger_can_be_an_extra_of_the_hooks_connection(send, told, database, ismart_default, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ISMART_LEDGER", database.connection)
    ismart_default(extra={"ledger_conn_id": "ismart_ledger"})
    for try_number in (1, 2):
        send(NUMBERS, try_number=try_number)
    assert set(told().values()) == {1}


def test_no_run_with_the_same_key_repeats_another_runs_messages(send, told, database):
    send(NUMBERS[:3], ledger=database.connection, key="bills-2026-11")
    send(NUMBERS, ledger=database.connection, key="bills-2026-11")
    send(NUMBERS[:1], ledger=database.connection, key="bills-2026-12")
    assert told() == {**dict.fromkeys(NUMBERS, 1), NUMBERS[0]: 2}


@pytest.mark.filterwarnings("default")  # what Airflow warns of in this process is its own affair
def test_mapped_tasks_with_the_longest_names_share_a_ledger(
    supervision, database, ismart_default, told, monkeypatch
):
    ismart_default()
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", database.connection)
    for map_index in (0, 1, 1):
        task = SimpleNamespace(
            dag_id="d" * 250, run_id="r" * 250, task_id="group." + "t" * 244, map_index=map_index, try_number=1
        )
        with supervision():
            ISmartHook().submit(NUMBERS, {"message": "Hello"}, {"ti": task}, ledger_conn_id="ledger")
    assert set(told().values()) == {1}


class TestSummary:
    def test_counts_the_outcomes_of_messages_of_a_key(self, send, database, ismart_sandbox):
        ismart_sandbox.configure(bad_numbers=[NUMBERS[0]])
        send(NUMBERS, ledger=database.connection, key="bills", batch_size=1)
        assert ISmartHook().ledger_summary(idempotency_key="bills", ledger_conn_id="ledger") == {
            "accepted": 4,
            "refused": 1,
        }

    def test_counts_the_outcomes_of_messages_of_a_task(self, send, database, ismart_sandbox):
        ismart_sandbox.fail(None, faults.Drop())
        send(NUMBERS, ledger=database.connection, batch_size=3, on_uncertain="accept")
        task = SimpleNamespace(dag_id="dag", run_id="run", task_id="send", map_index=-1)
        found = ISmartHook().ledger_summary(task_instance=task, ledger_conn_id="ledger")
        assert found == {"accepted": 3, "uncertain": 2}

    def test_is_empty_for_an_unused_key(self, send, database):
        send(NUMBERS, ledger=database.connection)
        assert ISmartHook().ledger_summary(idempotency_key="bills", ledger_conn_id="ledger") == {}

    def test_without_a_sql_ledger_is_an_error(self, ismart_default):
        with pytest.raises(ISmartInputError, match="needs a SQL ledger"):
            ISmartHook().ledger_summary(idempotency_key="bills")

    def test_requires_either_a_key_or_a_task(self, ismart_default):
        with pytest.raises(ISmartInputError, match="either idempotency_key or task_instance"):
            ISmartHook().ledger_summary()

    def test_of_a_database_that_cannot_be_read_names_the_connection(self, ismart_default, tmp_path, monkeypatch):
        ledger = {"conn_type": "sqlite", "host": str(tmp_path / "nowhere/ledger.db")}
        monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(ledger))
        with pytest.raises(
            ISmartError, match=r"connection 'ledger' cannot be read or written .*unable to open.*\)\.$"
        ):
            ISmartHook().ledger_summary(idempotency_key="bills", ledger_conn_id="ledger")
