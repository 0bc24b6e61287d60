"""Test lost, unreachable and late ledgers, and tries that certainly submitted nothing."""

import json
import sqlite3
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.exceptions import (
    ISmartError,
    ISmartInputError,
    ISmartUnavailableError,
    ISmartUncertainFinalError,
)
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.ledgers.sql import SqlLedger
from airflow_provider_ismart.sandbox import faults
from tests.ledgers.backings import Store, needs_task_state, numbers

pytestmark = pytest.mark.filterwarnings("default")  # what Airflow warns of in this process is its own affair

NUMBERS = numbers(6)


def sqlite_connection(path):
    return json.dumps({"conn_type": "sqlite", "host": str(path)})


@needs_task_state
class TestRecordedInTheTaskStateStore:
    def test_a_retry_without_its_database_refuses_to_send(self, send, told, ismart_sandbox, tmp_path):
        store, path = Store(), tmp_path / "gone.db"
        ismart_sandbox.fail(None, faults.ReturnCode(code=4))
        with pytest.raises(ISmartError):
            send(NUMBERS, store=store, ledger=sqlite_connection(path), batch_size=2)
        for file in tmp_path.glob("gone.db*"):
            file.unlink()
        with pytest.raises(ISmartUncertainFinalError, match="connection 'ledger' has no record of it"):
            send(NUMBERS, store=store, ledger=sqlite_connection(path), try_number=2, batch_size=2)
        assert set(told().values()) == {1}
        assert len(told()) < len(NUMBERS)

    def test_a_ledger_connection_changed_between_tries_is_refused(self, send, told, tmp_path):
        store = Store()
        send(NUMBERS, store=store, ledger=sqlite_connection(tmp_path / "one.db"))
        with pytest.raises(ISmartUncertainFinalError):
            send(NUMBERS, store=store, ledger=sqlite_connection(tmp_path / "other.db"), try_number=2)

    def test_a_sql_ledger_set_after_the_first_try_is_refused(self, send, told, tmp_path):
        store = Store()
        send(NUMBERS[:3], store=store)
        with pytest.raises(ISmartUncertainFinalError, match="set ledger_conn_id and idempotency_key as they"):
            send(NUMBERS, store=store, ledger=sqlite_connection(tmp_path / "late.db"), try_number=2)
        assert told() == dict.fromkeys(NUMBERS[:3], 1)

    def test_a_ledger_connection_removed_after_the_first_try_is_refused(self, send, told, tmp_path):
        store = Store()
        send(NUMBERS[:3], store=store, ledger=sqlite_connection(tmp_path / "ledger.db"))
        with pytest.raises(ISmartUncertainFinalError, match="Airflow's task state store has no record"):
            send(NUMBERS, store=store, try_number=2)
        assert told() == dict.fromkeys(NUMBERS[:3], 1)

    def test_a_key_changed_between_tries_is_refused(self, send, told, tmp_path):
        store, ledger = Store(), sqlite_connection(tmp_path / "ledger.db")
        send(NUMBERS, store=store, ledger=ledger, key="10:00")
        with pytest.raises(ISmartUncertainFinalError):
            send(NUMBERS, store=store, ledger=ledger, key="10:05", try_number=2)
        assert set(told().values()) == {1}

    def test_a_retry_with_its_database_resumes(self, send, told, ismart_sandbox, tmp_path):
        store, ledger = Store(), sqlite_connection(tmp_path / "ledger.db")
        ismart_sandbox.fail(None, faults.ReturnCode(code=4))
        with pytest.raises(ISmartError):
            send(NUMBERS, store=store, ledger=ledger, batch_size=2)
        send(NUMBERS, store=store, ledger=ledger, try_number=2, batch_size=2)
        assert told() == dict.fromkeys(NUMBERS, 1)


class TestUnreachable:
    def test_an_unreachable_database_is_an_error_that_names_the_connection(self, send, told, tmp_path):
        missing = sqlite_connection(tmp_path / "no such folder" / "ledger.db")
        with pytest.raises(ISmartError, match=r"ledger of connection 'ledger' cannot .* a retry can resume"):
            send(NUMBERS, ledger=missing)
        assert not told()

    def test_an_unreachable_database_is_retried(self, send, told, tmp_path):
        folder = tmp_path / "later"
        ledger = sqlite_connection(folder / "ledger.db")
        with pytest.raises(ISmartError) as caught:
            send(NUMBERS, ledger=ledger)
        assert type(caught.value) is ISmartError  # no AirflowFailException, which would end the task
        folder.mkdir()
        send(NUMBERS, ledger=ledger, try_number=2)
        assert told() == dict.fromkeys(NUMBERS, 1)

    def test_a_retry_resumes_after_the_database_failed_during_a_send(self, send, told, database, monkeypatch):
        """The disk is full from the third write on: SQLite and PostgreSQL then raise an OperationalError."""
        writes = []

        def write(self, settled, intents, real=SqlLedger.write):
            writes.append(intents)
            if len(writes) == 3:
                raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))
            return real(self, settled, intents)

        monkeypatch.setattr(SqlLedger, "write", write)
        with pytest.raises(ISmartError, match=r"'ledger' cannot .* \(OperationalError: database or disk is full"):
            send(NUMBERS, ledger=database.connection, batch_size=2)
        report = send(NUMBERS, ledger=database.connection, try_number=2, batch_size=2, on_uncertain="accept")
        assert not report.outcomes[Outcome.NOT_ATTEMPTED]
        assert set(told().values()) == {1}

    def test_errors_of_the_database_contain_no_number(self, send, tmp_path):
        with pytest.raises(ISmartError) as caught:
            send(NUMBERS, ledger=sqlite_connection(tmp_path / "none" / "ledger.db"))
        assert not any(number in str(caught.value) for number in NUMBERS)


@pytest.fixture
def in_a_task(supervision):
    with supervision():
        yield


@pytest.mark.usefixtures("in_a_task")
class TestTriesThatSubmittedNothing:
    """Without a ledger, as before Airflow 3.3."""

    @pytest.fixture
    def a_try(self, ismart_default, request):
        def task_instance(try_number):
            return SimpleNamespace(
                dag_id="dag", run_id=request.node.name, task_id="send", map_index=-1, try_number=try_number
            )

        def a_try(ti, recipients=NUMBERS, *, sends_several_times=False, **options):
            context = {"ti": task_instance(ti) if isinstance(ti, int) else ti}
            options = {"message": "Hello"} | options
            return ISmartHook().submit(recipients, options, context, sends_several_times=sends_several_times)

        a_try.ti = task_instance
        return a_try

    def test_a_refused_connection_does_not_block_the_next_try(self, a_try, told, ismart_default):
        ismart_default(port=9, extra={"connect_timeout": 0.2})
        for try_number in (1, 2):
            with pytest.raises(ISmartUnavailableError):
                a_try(try_number)
        ismart_default()
        a_try(3)
        assert told() == dict.fromkeys(NUMBERS, 1)

    def test_invalid_input_does_not_block_the_next_try(self, a_try, told):
        with pytest.raises(ISmartInputError):
            a_try(1, ["nobody"])
        a_try(2)
        assert told() == dict.fromkeys(NUMBERS, 1)

    def test_a_broken_connection_does_not_block_the_next_try(self, a_try, told, ismart_default):
        ismart_default(password="")
        with pytest.raises(ISmartInputError):
            a_try(1)
        ismart_default()
        a_try(2)
        assert told() == dict.fromkeys(NUMBERS, 1)

    def test_refused_calls_do_not_block_the_next_try(self, a_try, told, ismart_sandbox):
        ismart_sandbox.fail(faults.ReturnCode(code=4))
        with pytest.raises(ISmartError):
            a_try(1)
        a_try(2)
        assert told() == dict.fromkeys(NUMBERS, 1)

    def test_one_accepted_call_blocks_the_next_try(self, a_try, told, ismart_sandbox):
        ismart_sandbox.fail(None, faults.ReturnCode(code=4))
        with pytest.raises(ISmartError):
            a_try(1, batch_size=2)
        with pytest.raises(ISmartUncertainFinalError, match="This is try 2"):
            a_try(2)
        assert set(told().values()) == {1}

    def test_a_killed_try_blocks_all_later_tries(self, a_try, told):
        for try_number in (2, 3):
            with pytest.raises(ISmartUncertainFinalError):
                a_try(try_number)
        assert not told()

    def test_a_try_that_sends_after_an_unsent_one_blocks_the_next(self, a_try, told):
        with pytest.raises(ISmartInputError):
            a_try(1, ["nobody"])
        a_try(2)
        with pytest.raises(ISmartUncertainFinalError):
            a_try(3)
        assert told() == dict.fromkeys(NUMBERS, 1)

    def test_a_send_after_a_failed_one_in_the_same_try_blocks_the_next_try(self, a_try, told, ismart_default):
        ismart_default(port=9, extra={"connect_timeout": 0.2})
        ti = a_try.ti(1)
        with pytest.raises(ISmartUnavailableError):
            a_try(ti)
        ismart_default()
        a_try(ti)
        with pytest.raises(ISmartUncertainFinalError):
            a_try(2)
        assert told() == dict.fromkeys(NUMBERS, 1)

    def test_a_record_of_a_deleted_run_with_the_same_id_is_ignored(self, a_try, told):
        with pytest.raises(ISmartInputError):
            a_try(1, ["nobody"])
        a_try(1)
        with pytest.raises(ISmartUncertainFinalError):
            a_try(2)
        assert told() == dict.fromkeys(NUMBERS, 1)

    def test_a_retry_can_send_several_times(self, a_try, told):
        with pytest.raises(ISmartInputError):
            a_try(1, ["nobody"])
        ti = a_try.ti(2)
        for number in NUMBERS[:3]:
            a_try(ti, [number], sends_several_times=True)
        assert told() == dict.fromkeys(NUMBERS[:3], 1)
