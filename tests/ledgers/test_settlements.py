"""Test settling uncertain rows with a file, with both stored ledgers: each message once, and nothing else."""

import csv
import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from airflow_provider_ismart.core.ledger import State
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate, Outcome
from airflow_provider_ismart.core.settlement import Finding, Settlements
from airflow_provider_ismart.exceptions import (
    ISmartInputError,
    ISmartUnavailableError,
    ISmartUncertainFinalError,
)
from airflow_provider_ismart.gateway import client as client_module
from airflow_provider_ismart.ledgers.operations import count_messages, find_uncertain_calls, prune
from airflow_provider_ismart.ledgers.selection import select_task
from airflow_provider_ismart.ledgers.sql import SqlLedger
from airflow_provider_ismart.ledgers.sql_schema import calls
from airflow_provider_ismart.sandbox import faults
from tests.ledgers.backings import backed_by, batch, numbers, opened, outcome, states

KNOWN, TAKEN, LOST = numbers(2), numbers(2, first=11), numbers(2, first=21)
EVERYBODY = KNOWN + TAKEN + LOST
TAKEN_UNANSWERED, LOST_UNANSWERED = faults.Drop(accept=True), faults.Drop(accept=False)


@pytest.fixture(autouse=True)
def _one_call_at_a_time(send, ismart_default, monkeypatch):
    """Apply the sandbox's faults to the calls in order, and do not delay repeated calls."""
    ismart_default(extra={"max_concurrency": 1})
    monkeypatch.setattr(client_module, "MAX_BACK_OFF_SECONDS", 0.01)


@pytest.fixture
def logged(capfd, caplog):
    """Return what was logged, wherever this Airflow writes it."""
    caplog.set_level(logging.INFO)
    return lambda: caplog.text + "".join(capfd.readouterr())


class Task:
    """A task whose tries share a ledger, a results file and a settlement file."""

    def __init__(self, send, backing, folder, results="results.csv"):
        self._send = send
        self._backed = backed_by(backing)
        self._tries = 0
        self.backing = backing
        self.results = folder / results
        self.settlements = folder / "settlements.csv"

    def attempt(self, recipients=EVERYBODY, *, settlements=None, **options):
        """Run the next try, and return its report."""
        self._tries += 1
        return self._send(
            recipients,
            try_number=self._tries,
            batch_size=2,
            results_path=str(self.results),
            settlements_path=str(settlements or self.settlements),
            **self._backed,
            **options,
        )

    def uncertain(self, recipients=EVERYBODY, **options):
        """Run a try that ends with uncertain rows."""
        with pytest.raises(ISmartUncertainFinalError) as caught:
            self.attempt(recipients, **options)
        return caught.value.report

    def write(self, *lines):
        self.settlements.write_text("msisdn,outcome\n" + "".join(f"{line}\n" for line in lines))

    def edit_results(self, **outcomes):
        """Change the outcome of rows in the results file, by number."""
        changed = {number.removeprefix("n"): outcome for number, outcome in outcomes.items()}
        with self.results.open(newline="") as file:
            rows = list(csv.DictReader(file))
        with self.settlements.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows({**row, "outcome": changed.get(row["msisdn"], row["outcome"])} for row in rows)


@pytest.fixture
def task(send, lasting, tmp_path):
    return Task(send, lasting, tmp_path)


@pytest.fixture
def failed(task, ismart_sandbox):
    """Return a task whose first try had two calls without an answer, one of which the gateway accepted."""
    ismart_sandbox.fail(None, TAKEN_UNANSWERED, LOST_UNANSWERED)
    report = task.uncertain()
    assert report.outcomes[Outcome.UNCERTAIN] == 4
    return task


def lines(settled, outcome):
    return [f"{number},{outcome}" for number in settled]


def edited(settled, outcome):
    return {f"n{number}": outcome for number in settled}


def test_an_edited_results_file_settles_every_uncertain_row(failed, told, logged):
    failed.edit_results(**edited(TAKEN, "accepted"), **edited(LOST, "not_sent"))
    report = failed.attempt()
    assert report.outcomes[Outcome.ALREADY_SENT] == 4
    assert report.outcomes[Outcome.ACCEPTED] == 2
    assert report.reasons == {"accepted in an earlier try": 2, "settled as accepted": 2}
    assert report.as_json()["settled"] == {"accepted": 2, "not_sent": 2}
    assert "Settled by settlements_path: 2 accepted, 2 not_sent." in logged()
    assert set(told().values()) == {1}
    assert told().keys() == set(EVERYBODY)


def test_a_results_file_can_be_edited_in_place(failed, told):
    failed.edit_results(**edited(TAKEN, "accepted"), **edited(LOST, "not_sent"))
    failed.settlements.replace(failed.results)
    failed.attempt(settlements=failed.results)
    for _ in range(2):  # the new results settle nothing
        report = failed.attempt(settlements=failed.results)
        assert report.outcomes[Outcome.ALREADY_SENT] == len(EVERYBODY)
    assert set(told().values()) == {1}


def test_a_list_settles_numbers_in_any_notation(failed, told):
    local = [f"+968 {number[3:7]} {number[7:]}" for number in LOST]
    failed.write(*lines(TAKEN, "Accepted"), *lines(local, " not_sent "))
    assert failed.attempt().outcomes[Outcome.ACCEPTED] == 2
    assert set(told().values()) == {1}


def test_parquet_settles_like_csv(failed, told, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(failed.results, dtype={"msisdn": "str"})
    frame.loc[frame.msisdn.isin(TAKEN), "outcome"] = "accepted"
    frame.loc[frame.msisdn.isin(LOST), "outcome"] = "not_sent"
    frame.to_parquet(tmp_path / "settled.parquet")
    assert failed.attempt(settlements=tmp_path / "settled.parquet").outcomes[Outcome.ACCEPTED] == 2
    assert set(told().values()) == {1}


def test_rows_that_are_not_settled_stay_uncertain(failed, told):
    failed.write(f"{TAKEN[0]},accepted", f"{LOST[0]},not_sent", f"{LOST[1]},uncertain")
    report = failed.uncertain()
    assert report.outcomes[Outcome.UNCERTAIN] == 2
    assert report.outcomes[Outcome.ACCEPTED] == 1
    assert told() == {**dict.fromkeys([*KNOWN, *TAKEN], 1), LOST[0]: 1}


def test_without_a_file_nothing_is_settled(failed, told):
    assert failed.uncertain().as_json()["settled"] == {"accepted": 0, "not_sent": 0}
    assert sum(told().values()) == 4


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (f"{KNOWN[0]},not_sent", r"line 4 \(968\*{6}01\): no message to this number is uncertain"),
        (f"{KNOWN[0]},accepted", r"line 4 \(968\*{6}01\): no message to this number is uncertain"),
        ("96890009999,not_sent", r"line 4 \(968\*{6}99\): no message to this number is uncertain"),
        (f"{LOST[0]},accepted", r"lines 3, 4 \(968\*{6}21\): has accepted and not_sent lines"),
        (
            f"{LOST[0]},not_sent",
            r"lines 3, 4 .*1 message to this number is uncertain, so write 1 such line, not 2",
        ),
        (f"{LOST[1]},delivered", "line 4: its outcome is 'delivered'; write accepted or not_sent"),
        (f"{LOST[1]},refused", "line 4: its outcome is 'refused'; write accepted or not_sent"),
        (f"{LOST[1]},", "line 4: its outcome is blank; write accepted or not_sent"),
        (f"not_sent,{LOST[1]}", "line 4: its outcome is a text of 11 characters"),
        ("hello,not_sent", "line 4: number: "),
        ("9.68900E+10,not_sent", "line 4: number: "),
    ],
)
def test_a_file_with_a_wrong_line_changes_nothing(failed, told, wrong, why):
    failed.write(f"{TAKEN[0]},accepted", f"{LOST[0]},not_sent", wrong)
    results, before = failed.results.read_text(), told()
    with pytest.raises(ISmartInputError, match=why) as caught:
        failed.attempt()
    assert "nothing was settled or sent" in str(caught.value)
    assert not any(number in str(caught.value) for number in [*EVERYBODY, "96890009999"])
    assert failed.results.read_text() == results
    assert told() == before
    failed.settlements.unlink()
    assert failed.uncertain().outcomes[Outcome.UNCERTAIN] == 4


def test_a_results_file_with_an_unknown_outcome_is_refused(failed):
    failed.edit_results(**edited(LOST, "delivered"))
    with pytest.raises(ISmartInputError, match=r"line 6: its outcome is 'delivered'.*; line 7: "):
        failed.attempt()


def test_the_same_file_settles_only_once(failed, told, ismart_sandbox):
    failed.write(*lines(TAKEN, "accepted"), *lines(LOST, "not_sent"))
    failed.attempt()
    for _ in range(2):
        report = failed.attempt()
        assert report.as_json()["settled"] == {"accepted": 0, "not_sent": 0}
        assert report.outcomes[Outcome.ALREADY_SENT] == len(EVERYBODY)
    assert set(told().values()) == {1}


def test_a_try_that_fails_after_settling_resumes_with_the_same_file(failed, told, ismart_sandbox):
    failed.write(*lines(TAKEN, "accepted"), *lines(LOST, "not_sent"))
    ismart_sandbox.fail(faults.HttpStatus(status=429, times=4))
    with pytest.raises(ISmartUnavailableError) as caught:
        failed.attempt()
    assert caught.value.report.outcomes[Outcome.NOT_ATTEMPTED] == 2
    report = failed.attempt()
    assert report.outcomes[Outcome.ACCEPTED] == 2
    assert report.as_json()["settled"] == {"accepted": 0, "not_sent": 0}
    assert set(told().values()) == {1}


@pytest.mark.parametrize("fault", [TAKEN_UNANSWERED, LOST_UNANSWERED])
def test_an_old_line_does_not_settle_a_new_call(failed, told, ismart_sandbox, logged, fault):
    failed.write(*lines(TAKEN, "accepted"), *lines(LOST, "not_sent"))
    ismart_sandbox.fail(fault)
    failed.uncertain()
    before = told()
    for _ in range(2):
        assert failed.uncertain().outcomes[Outcome.UNCERTAIN] == 2
        assert told() == before
    assert "settled earlier messages: 2 (968******21, 968******22)" in logged()
    finding = "accepted" if fault.accept else "not_sent"
    more = 1 if fault.accept else 2
    old = lines(LOST, "not_sent") * (more - 1)
    failed.write(*lines(TAKEN, "accepted"), *old, *lines(LOST, finding))
    report = failed.attempt()
    assert report.as_json()["settled"][finding] == 2
    assert set(told().values()) == {1}


def test_messages_with_several_texts_to_a_number_are_settled_together(task, told, ismart_sandbox):
    bills = [{"msisdn": KNOWN[0], "text": text} for text in ("one", "two", "three")]
    ismart_sandbox.fail(None, TAKEN_UNANSWERED, TAKEN_UNANSWERED)
    task.uncertain(bills, message_column="text")
    task.write(f"{KNOWN[0]},accepted")
    with pytest.raises(
        ISmartInputError, match="2 messages to this number are uncertain, so write 2 such lines, not 1"
    ):
        task.attempt(bills, message_column="text")
    task.write(*lines(KNOWN[:1], "accepted") * 2)
    report = task.attempt(bills, message_column="text")
    assert report.outcomes[Outcome.ALREADY_SENT] == 3
    assert told() == {KNOWN[0]: 3}


def test_a_results_file_with_two_rows_of_a_number_settles_the_uncertain_one(task, told, ismart_sandbox):
    bills = [{"msisdn": KNOWN[0], "text": text} for text in ("one", "two")]
    ismart_sandbox.fail(None, LOST_UNANSWERED)
    task.uncertain(bills, message_column="text")
    rows = task.results.read_text().replace("uncertain", "not_sent")
    task.settlements.write_text(rows)
    assert task.attempt(bills, message_column="text").outcomes[Outcome.ACCEPTED] == 1
    assert told() == {KNOWN[0]: 2}


def test_a_file_of_an_old_run_settles_nothing_in_a_new_run(task):
    task.write(f"{LOST[0]},not_sent")
    with pytest.raises(ISmartInputError, match="no message to this number is uncertain"):
        task.attempt()
    task.settlements.unlink()
    assert task.attempt().outcomes[Outcome.ACCEPTED] == len(EVERYBODY)


def test_a_dry_run_checks_the_file_and_settles_nothing(failed):
    failed.write(f"{LOST[0]},delivered")
    with pytest.raises(ISmartInputError, match="line 2: its outcome is 'delivered'"):
        failed.attempt(dry_run=True)
    failed.write(f"{LOST[0]},not_sent")
    failed.attempt(dry_run=True)
    failed.settlements.unlink()
    assert failed.uncertain().outcomes[Outcome.UNCERTAIN] == 4


@pytest.mark.parametrize("name", ["settled.xlsx", "settled"])
def test_an_error_names_a_file_of_another_type(failed, tmp_path, name):
    (tmp_path / name).write_text("msisdn,outcome\n")
    with pytest.raises(ISmartInputError, match="is not a supported file"):
        failed.attempt(settlements=tmp_path / name)


def test_an_error_names_a_file_without_the_columns(failed):
    failed.settlements.write_text("number,state\n")
    with pytest.raises(ISmartInputError, match="has no column 'msisdn'"):
        failed.attempt()


def test_pruning_does_not_let_an_old_line_settle_a_new_call(send, database, tmp_path, told, ismart_sandbox):
    task = Task(send, database, tmp_path)
    ismart_sandbox.fail(LOST_UNANSWERED)
    task.uncertain(LOST)
    task.write(*lines(LOST, "not_sent"))
    ismart_sandbox.fail(TAKEN_UNANSWERED)
    task.uncertain(LOST)
    with database.engine.begin() as connection:
        first_call = select(func.min(calls.c.id)).scalar_subquery()
        before = connection.execute(select(calls.c.at).where(calls.c.id == first_call)).scalar_one()
    [selection] = select_task(database.engine, "dag/run/send")
    just_after = before.replace(tzinfo=UTC) + timedelta(milliseconds=1)
    assert len(find_uncertain_calls(database.engine, [selection])) == 1  # the first one is settled
    assert prune(database.engine, [selection], just_after) == {State.UNCERTAIN: (1, 2)}
    assert task.uncertain(LOST).as_json()["settled"] == {"accepted": 0, "not_sent": 0}
    assert set(told().values()) == {1}


def test_a_mistake_can_be_corrected_before_the_message_is_sent(failed, told, ismart_sandbox):
    failed.write(*lines(TAKEN + LOST, "not_sent"))
    ismart_sandbox.fail(faults.HttpStatus(status=429, times=4))
    with pytest.raises(ISmartUnavailableError):
        failed.attempt()
    failed.write(*lines(TAKEN, "accepted"), *lines(LOST, "not_sent"))
    assert failed.attempt().as_json()["settled"] == {"accepted": 2, "not_sent": 0}
    assert set(told().values()) == {1}


@pytest.mark.parametrize("option", ["recipients", "exclude"])
def test_a_settlement_file_among_the_recipients_files_is_refused(failed, tmp_path, option):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "people.csv").write_text(f"msisdn\n{KNOWN[0]}\n")
    settlements = folder / "settled.csv"
    arguments = {"recipients": (folder, {}), "exclude": (EVERYBODY, {"exclude": folder})}
    recipients, options = arguments[option]
    with pytest.raises(ISmartInputError, match=f"settlements_path is among the files of {option}"):
        failed.attempt(recipients, settlements=settlements, **options)


def test_settling_ignores_later_sends_of_the_same_try(lasting):
    first = opened(lasting)
    first.write([], [batch(LOST[0])])
    ledger = opened(lasting)
    ledger.write([], [batch(KNOWN[0])])
    ledger.write([(batch(KNOWN[0]), outcome(Fate.ACCEPTED))], [])
    ledger.settle(Settlements(by_number={LOST[0]: [(2, Finding.NOT_SENT)]}))
    assert states(ledger, KNOWN[0], LOST[0]) == {LOST[0]: ["ruled_out"]}


def test_two_senders_are_not_granted_the_same_numbers_during_a_prune(database):
    old = opened(database, scope="key:bills", task="task:old")
    old.write([], [batch(KNOWN[0])])
    old.write([(batch(KNOWN[0]), outcome(Fate.ACCEPTED))], [])
    here = opened(database, scope="key:bills", task="task:here")
    prune(database.engine, None, datetime.now(UTC))
    there = opened(database, scope="key:bills", task="task:there")
    assert there.write([], [batch(*LOST)])
    assert not here.write([], [batch(*LOST)])


def test_a_message_settled_by_another_index_keeps_its_sender(database):
    index = {"scope": "task:dag/run/send", "same_text_only": True}
    ledgers = [SqlLedger(database.engine, task=f"task:dag/run/send/{at}", **index) for at in (0, 1)]
    ledgers[0].claim()
    ledgers[0].write([], [batch(TAKEN[0])])
    ledgers[0].write([(batch(TAKEN[0]), CallOutcome(fate=Fate.UNCERTAIN))], [])
    ledgers[1].claim()
    ledgers[1].settle(Settlements(by_number={TAKEN[0]: [(2, Finding.ACCEPTED)]}))
    retry = SqlLedger(database.engine, task="task:dag/run/send/0", **index)
    retry.claim()
    [found] = retry.recorded(TAKEN[:1])[TAKEN[0]]
    assert (found.state, found.by, found.same_text_only) == (State.CONFIRMED, "", False)
    for at, count in ((0, 1), (1, 0)):
        selected = select_task(database.engine, f"dag/run/send/{at}")
        assert count_messages(database.engine, selected).get(State.ACCEPTED, 0) == count


class TestSharedKey:
    """Tasks with the same idempotency key."""

    @pytest.fixture
    def make_task(self, send, database, tmp_path):
        def make(run_id):
            def send_of_run(recipients, **options):
                return send(recipients, run_id=run_id, key="bills", **options)

            folder = tmp_path / run_id
            folder.mkdir()
            return Task(send_of_run, database, folder)

        return make

    def test_another_task_can_settle_and_send(self, make_task, told, ismart_sandbox):
        ismart_sandbox.fail(None, TAKEN_UNANSWERED, LOST_UNANSWERED)
        first, second = make_task("first"), make_task("second")
        first.uncertain()
        second.write(*lines(TAKEN, "accepted"), *lines(LOST, "not_sent"))
        report = second.attempt()
        assert report.outcomes[Outcome.ALREADY_SENT] == 4
        assert report.outcomes[Outcome.ACCEPTED] == 2
        assert first.attempt().outcomes[Outcome.ALREADY_SENT] == len(EVERYBODY)
        assert set(told().values()) == {1}

    def test_a_task_settles_its_own_messages_first(self, make_task, told, ismart_sandbox):
        first, second = make_task("first"), make_task("second")
        ismart_sandbox.fail(LOST_UNANSWERED)
        first.uncertain(LOST, message="Water is off.")
        ismart_sandbox.fail(None, LOST_UNANSWERED)
        second.uncertain([*KNOWN, *LOST, *LOST], message="Water is on.", deduplicate=False)
        for task in (second, first):
            task.write(*lines(LOST, "not_sent"))
        report = second.uncertain([*KNOWN, *LOST, *LOST], message="Water is on.", deduplicate=False)
        assert report.as_json()["settled"]["not_sent"] == report.outcomes[Outcome.ACCEPTED] == 2
        assert report.reasons["another task got no clear answer for it, with another text"] == 2
        assert first.attempt(LOST, message="Water is off.").as_json()["settled"]["not_sent"] == 2
        assert set(told().values()) == {1}  # which is as many as the first task has rows for each number
