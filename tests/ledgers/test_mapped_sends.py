"""Test mapped sends whose lists change between a run and its clear, against what each number got."""

import itertools
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import pytest

from airflow_provider_ismart.exceptions import ISmartError, ISmartUncertainFinalError
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.sandbox import faults
from tests.ledgers.backings import Store, needs_task_state, numbers

pytestmark = pytest.mark.filterwarnings("default")  # what Airflow warns of in this process is its own affair

A, B, C, D = ([number] for number in numbers(4))
run_ids = (f"run {number}" for number in itertools.count())


class MappedRun:
    """A run of a DAG with one mapped send, with stores, with a SQL ledger, or without a ledger."""

    def __init__(self, *, ledger=None, stores=False):
        self._ledger = ledger
        self._stores = {} if stores else None
        self._tries = {}
        self._run_id = next(run_ids)
        self.clear_number = 0

    def clear(self):
        """Count a clear, as Airflow 3.3 does whatever is cleared."""
        self.clear_number += 1

    def send(self, *lists, only=None, text="Hello", key=None, use_ledger=True, **options):
        """Run the indexes, or ``only`` some; return each one's counts, or its error's name."""
        found = []
        for index, people in enumerate(lists):
            if only is None or index in only:
                found.append(self._run(index, people, len(lists), text, key, use_ledger, options))
        return found

    def _run(self, index, people, count, text, key, use_ledger, options):
        self._tries[index] = self._tries.get(index, 0) + 1
        ti = SimpleNamespace(
            dag_id="dag", run_id=self._run_id, task_id="send", map_index=index, try_number=self._tries[index]
        )
        context = {"ti": ti, "dag_run": SimpleNamespace(clear_number=self.clear_number)}
        context["expanded_ti_count"] = count
        if self._stores is not None:
            context["task_state_store"] = self._stores.setdefault(index, Store()).handle()
        text = text if isinstance(text, str) else text[index]
        try:
            report = ISmartHook().submit(
                people,
                {"message": text, **options},
                context,
                ledger_conn_id="ledger" if self._ledger and use_ledger else None,
                idempotency_key=key,
            )
        except ISmartError as error:
            return type(error).__name__
        return {outcome.value: n for outcome, n in report.outcomes.items() if n}


REFUSED = "ISmartUncertainFinalError"
SENT, ALREADY = {"accepted": 1}, {"already_sent": 1}


@pytest.fixture
def connected(supervision, ismart_default):
    """Give this process access to Airflow's Variables, as a task has."""
    ismart_default(extra={"max_concurrency": 2})
    with supervision():
        yield


@pytest.fixture
def sql_run(connected, database, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", database.connection)
    return MappedRun(ledger=True)


@pytest.fixture(params=["sql", pytest.param("store", marks=needs_task_state), "none"])
def any_run(request, connected, make_backing, monkeypatch):
    if request.param == "sql":
        monkeypatch.setenv("AIRFLOW_CONN_LEDGER", make_backing("sqlite").connection)
        return MappedRun(ledger=True)
    return MappedRun(stores=request.param == "store")


@pytest.fixture
def store_run(connected):
    return MappedRun(stores=True)


#: What the upstream returned at first, and after the run was cleared.
SHIFTS = {
    "grown at the front": ((A, B), (C, A, B)),
    "grown at the end": ((A, B), (A, B, C)),
    "shrunk": ((A, B, C), (A, C)),
    "reordered": ((A, B, C), (C, A, B)),
    "re-chunked": ((A + B, C + D), (A, B + C, D)),
    "re-chunked into one": ((A, B, C), (A + B + C,)),
    "split": ((A + B + C,), (A, B, C)),
    "an index gains a number": ((A, B), (A + C, B)),
    "replaced": ((A, B), (C, D)),
}


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_cleared_run_with_changed_lists_messages_no_number_twice(any_run, told, shift):
    before, after = SHIFTS[shift]
    any_run.send(*before)
    any_run.clear()
    any_run.send(*after)
    assert set(told().values()) == {1}


@pytest.mark.parametrize("shift", SHIFTS)
def test_with_a_sql_ledger_every_number_gets_one_message_however_lists_change(sql_run, told, shift):
    before, after = SHIFTS[shift]
    sql_run.send(*before)
    sql_run.clear()
    assert REFUSED not in sql_run.send(*after)
    assert told() == dict.fromkeys(itertools.chain(*before, *after), 1)


def test_a_row_sent_by_another_index_names_that_index(sql_run, database, connected):
    sql_run.send(A, B)
    sql_run.clear()
    ti = SimpleNamespace(dag_id="dag", run_id=sql_run._run_id, task_id="send", map_index=1, try_number=2)
    report = ISmartHook().submit(A, {"message": "Hello"}, {"ti": ti}, ledger_conn_id="ledger")
    assert report.reasons == {"accepted by mapped index 0": 1}


def test_an_uncertain_row_stays_uncertain_for_its_new_index(sql_run, told, ismart_sandbox):
    ismart_sandbox.fail(faults.Drop())
    assert sql_run.send(A, B) == [REFUSED, SENT]
    sql_run.clear()
    assert sql_run.send(B, A) == [ALREADY, REFUSED]
    assert sql_run.send(B, A, on_uncertain="accept") == [ALREADY, {"uncertain": 1}]


def test_two_indexes_can_send_different_texts_to_one_number(any_run, told):
    for expected in ([SENT, SENT], [ALREADY, ALREADY]):
        if any_run.send(A, A, text=["One", "Two"]) == expected:
            any_run.clear()
    assert told() == {A[0]: 2}


def test_two_indexes_send_the_same_text_to_a_number_once_with_a_sql_ledger(sql_run, told):
    assert sql_run.send(A, A) == [SENT, ALREADY]


def test_with_a_key_a_number_gets_one_message_even_if_texts_differ(sql_run, told):
    sql_run.send(A, B, text="10:00", key="bills")
    sql_run.clear()
    assert sql_run.send(C, A, B, text="10:05", key="bills") == [SENT, ALREADY, ALREADY]


@pytest.mark.parametrize("change", [{"use_ledger": False}, {"key": "bills"}])
def test_all_indexes_refuse_a_ledger_or_key_changed_after_the_first_send(sql_run, told, change):
    sql_run.send(A, B)
    sql_run.clear()
    assert sql_run.send(C, A, B, **change) == [REFUSED] * 3
    assert told() == {A[0]: 1, B[0]: 1}


def test_a_summary_counts_the_messages_of_one_index(sql_run, database):
    sql_run.send(A + B, C)
    ti = SimpleNamespace(dag_id="dag", run_id=sql_run._run_id, task_id="send", map_index=0)
    assert ISmartHook().ledger_summary(task_instance=ti, ledger_conn_id="ledger") == {"accepted": 2}


@needs_task_state
class TestWithTheTaskStateStore:
    @pytest.mark.parametrize("shift", ["grown at the front", "reordered", "re-chunked", "an index gains a number"])
    def test_an_index_with_a_changed_list_refuses_and_says_what_to_do(self, store_run, told, shift):
        before, after = SHIFTS[shift]
        store_run.send(*before)
        store_run.clear()
        assert store_run.send(*after)[-2:] != [SENT, SENT]
        with pytest.raises(ISmartUncertainFinalError, match=r"set ledger_conn_id .* idempotency_key"):
            self._raise(store_run, D)

    def _raise(self, run, people):
        ti = SimpleNamespace(dag_id="dag", run_id=run._run_id, task_id="send", map_index=0, try_number=9)
        context = {"ti": ti, "dag_run": SimpleNamespace(clear_number=run.clear_number)}
        context["task_state_store"] = run._stores[0].handle()
        ISmartHook().submit(people, {"message": "Hello"}, context)

    def test_a_new_index_of_a_cleared_run_refuses(self, store_run, told):
        store_run.send(A, B)
        store_run.clear()
        assert store_run.send(A, B, C) == [ALREADY, ALREADY, REFUSED]

    def test_a_clear_of_some_or_all_indexes_with_unchanged_lists_makes_no_call(
        self, store_run, told, ismart_sandbox
    ):
        store_run.send(A, B, C)
        for only in ({1}, {0, 2}, None):
            store_run.clear()
            assert set(map(str, store_run.send(A, B, C, only=only))) == {str(ALREADY)}
        assert len(ismart_sandbox.calls) == 3

    def test_the_order_of_an_indexs_numbers_does_not_matter(self, store_run, told):
        store_run.send(A + B, C)
        store_run.clear()
        assert store_run.send(B + A, C) == [{"already_sent": 2}, ALREADY]

    def test_a_retry_of_an_index_resumes_despite_a_changed_text(self, store_run, told, ismart_sandbox):
        ismart_sandbox.fail(None, faults.ReturnCode(code=4))
        assert store_run.send(A + B, text="10:00", batch_size=1) == ["ISmartCreditError"]
        assert store_run.send(A + B, text="10:05", batch_size=1) == [{"accepted": 1, "already_sent": 1}]
        assert set(told().values()) == {1}

    def test_indexes_that_failed_before_sending_send_after_a_clear(self, store_run, told, ismart_default):
        assert store_run.send(A, B, C, only={0}) == [SENT]
        ismart_default(port=9, extra={"connect_timeout": 0.2})
        assert store_run.send(A, B, C, only={1, 2}) == ["ISmartUnavailableError"] * 2
        ismart_default()
        store_run.clear()
        assert store_run.send(A, B, C) == [ALREADY, SENT, SENT]

    def test_a_run_that_sent_nothing_can_be_corrected_and_cleared(self, store_run, told, ismart_default):
        ismart_default(password="")
        assert store_run.send(A, B) == ["ISmartInputError"] * 2
        ismart_default()
        store_run.clear()
        assert store_run.send(C, A, B) == [SENT, SENT, SENT]

    def test_plans_that_were_never_sent_do_not_restrict_a_corrected_run(self, store_run, told):
        assert store_run.send(A, B, push_at="2020-01-01T00:00") == ["ISmartInputError"] * 2
        store_run.clear()
        assert store_run.send(C, A, B) == [SENT, SENT, SENT]

    def test_a_sql_ledger_set_too_late_is_refused(self, connected, database, monkeypatch, told):
        monkeypatch.setenv("AIRFLOW_CONN_LEDGER", database.connection)
        run = MappedRun(stores=True, ledger=True)
        run.send(A, B, use_ledger=False)
        run.clear()
        assert run.send(A, B, C) == [REFUSED] * 3
        assert told() == {A[0]: 1, B[0]: 1}

    def test_stored_plans_show_no_number(self, store_run, told, airflow_db):
        store_run.send(A, B)
        with closing(sqlite3.connect(airflow_db)) as metadata:
            variables = metadata.execute("SELECT key, val, description FROM variable").fetchall()
        assert any("ismart_mapped_send_" in key for key, _, _ in variables)
        kept = store_run._stores[0].stored() + repr(variables)
        assert A[0] not in kept
        assert A[0][3:] not in kept


class TestWithoutALedger:
    def test_a_new_index_of_a_cleared_run_refuses(self, connected, told):
        run = MappedRun()
        run.send(A, B)
        run.clear()
        assert run.send(A, B, C) == [REFUSED] * 3

    def test_an_index_that_certainly_sent_nothing_can_be_retried(self, connected, told, ismart_default):
        run = MappedRun()
        ismart_default(port=9, extra={"connect_timeout": 0.2})
        assert run.send(A, B) == ["ISmartUnavailableError"] * 2
        ismart_default()
        assert run.send(A, B) == [SENT, SENT]

    def test_a_shifted_index_refuses_even_if_its_own_tries_sent_nothing(self, connected, told, ismart_default):
        run = MappedRun()
        run.send(A, B, only={0})
        ismart_default(port=9, extra={"connect_timeout": 0.2})
        run.send(A, B, only={1})
        ismart_default()
        run.clear()
        assert run.send(B, A, only={1}) == [REFUSED]
        assert told() == {A[0]: 1}
