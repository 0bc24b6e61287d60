"""Test that report, error, results file and the gateway's records always agree."""

import csv
import json
import logging
import threading
import time
from collections import Counter
from datetime import datetime, timedelta
from types import SimpleNamespace

import pandas
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, ObjectStoragePath

from airflow_provider_ismart.core.ledger import MemoryLedger
from airflow_provider_ismart.core.return_codes import RETURN_CODES, Kind, return_code
from airflow_provider_ismart.exceptions import (
    ISmartAccountError,
    ISmartCreditError,
    ISmartError,
    ISmartInputError,
    ISmartLoginError,
    ISmartRefusedError,
    ISmartUnavailableError,
    ISmartUncertainError,
    ISmartUncertainFinalError,
)
from airflow_provider_ismart.gateway.client import MAX_ATTEMPTS
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.sandbox import faults
from airflow_provider_ismart.sending import progress as progress_module
from airflow_provider_ismart.sending.options import SendOptions
from airflow_provider_ismart.sending.send import Send
from tests.return_codes import CREDIT

ERROR_OF_KIND = {
    Kind.LOGIN: ISmartLoginError,
    Kind.ACCOUNT: ISmartAccountError,
    Kind.CREDIT: ISmartCreditError,
    Kind.UNCERTAIN: ISmartUncertainFinalError,
}
WITH_RETRIES = (ISmartCreditError, ISmartUnavailableError)


@pytest.fixture
def outcomes(ismart_sandbox, send, tmp_path):
    """Send, and check that all results agree; return the outcomes, and the error if any."""

    def run(recipients, **options):
        path = tmp_path / "results.csv"
        error = None
        try:
            report = send(recipients, results_path=str(path), **options)
        except ISmartError as raised:
            error, report = raised, raised.report.as_json()
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        counts = Counter(row["outcome"] for row in rows)
        assert counts == {name: count for name, count in report["outcomes"].items() if count}
        assert len(rows) == report["rows"] == sum(report["outcomes"].values())
        on_record = [message.msisdn for message in ismart_sandbox.messages]
        assert len(on_record) == len(set(on_record))  # nobody twice
        by_outcome = {name: {row["msisdn"] for row in rows if row["outcome"] == name} for name in counts}
        accepted = by_outcome.get("accepted", set())
        assert accepted <= set(on_record) <= accepted | by_outcome.get("uncertain", set())
        seen = len(ismart_sandbox.calls)
        assert report["calls"] == seen or (report["calls"] > seen and error)  # some may not have arrived
        json.dumps(report)
        return {name: count for name, count in report["outcomes"].items() if count}, error

    return run


def test_every_number_gets_the_message(outcomes, numbers):
    assert outcomes(numbers(123)) == ({"accepted": 123}, None)


@pytest.mark.parametrize("code", [*sorted(RETURN_CODES.keys() - {1}), 0, 21, 99])
def test_each_code_raises_the_error_of_its_kind_with_code_help_and_counts(code, outcomes, ismart_sandbox, numbers):
    ismart_sandbox.fail(faults.ReturnCode(code=code, times=99))
    found, error = outcomes(numbers(3))
    known = return_code(code)
    assert type(error) is ERROR_OF_KIND.get(known.kind, ISmartRefusedError)
    assert isinstance(error, AirflowFailException) is not isinstance(error, WITH_RETRIES)
    assert f"So far: 3 rows: 3 {'uncertain' if code == 11 else 'refused'}" in str(error)
    assert found == {"uncertain" if code == 11 else "refused": 3}
    if code != 11:
        assert error.code == code
        assert f"return code {code} ({known.description}). {known.help}" in str(error)
    assert len(ismart_sandbox.calls) == (5 if known.kind is Kind.RECIPIENT else 1)  # 3 -> 1 + 2 -> 1 + 1


def test_an_uncertain_error_names_the_causes(outcomes, ismart_sandbox, numbers):
    ismart_sandbox.fail(faults.ReturnCode(code=11))
    _, error = outcomes(numbers(3))
    assert "return code 11" in str(error)
    assert error.code == 11


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ({"company_exists": False}, 2),
        ({"credit": 0}, 4),
        ({"active": False}, 7),
        ({"locked": True}, 12),
        ({"expires_at": "2020-01-01"}, 13),
        ({"credit_expires_at": "2020-01-01"}, 14),
        ({"http_get_enabled": False}, 18),
        ({"header_registered": False}, 19),
        ({"ip_allowed": False}, 20),
    ],
)
def test_an_account_code_stops_after_one_call(setting, code, outcomes, ismart_sandbox, numbers):
    ismart_sandbox.configure(**setting)
    found, error = outcomes(numbers(500))
    assert (error.code, len(ismart_sandbox.calls)) == (code, 1)
    assert found == {"refused": 50, "not_attempted": 450}


def test_a_wrong_password_makes_one_call_and_the_account_is_not_locked(
    outcomes, ismart_sandbox, ismart_default, numbers
):
    ismart_default(password="wrong", extra={"max_concurrency": 16})
    _, error = outcomes(numbers(2000))
    assert type(error) is ISmartLoginError
    assert len(ismart_sandbox.calls) == 1
    assert (ismart_sandbox.account.failed_logins, ismart_sandbox.account.locked) == (1, False)


def test_an_unknown_login_makes_one_call(outcomes, ismart_sandbox, ismart_default, numbers):
    ismart_default(login="nobody")
    _, error = outcomes(numbers(200))
    assert (type(error), error.code, len(ismart_sandbox.calls)) == (ISmartLoginError, 17, 1)


def test_a_credit_code_stops_the_send_and_leaves_the_rest_for_a_retry(outcomes, ismart_sandbox, numbers):
    ismart_sandbox.configure(credit=170)
    found, error = outcomes(numbers(1000))
    assert type(error) is ISmartCreditError
    assert not isinstance(error, AirflowFailException)
    assert found["accepted"] == len(ismart_sandbox.messages) == 150
    assert found["refused"] + found["not_attempted"] == 850
    assert len(ismart_sandbox.calls) <= 3 + 8  # what was in flight or ready when the first refusal came


# --- one of the numbers is refused


@pytest.mark.parametrize(
    ("on_refused", "accepted", "refused", "fails"),
    [("isolate", 97, 3, False), ("skip", 50, 50, False), ("fail", None, 50, True)],
)
@pytest.mark.parametrize(("setting", "code"), [("opted_out", 23), ("bad_numbers", 9)])
def test_refused_numbers_follow_on_refused(
    on_refused, accepted, refused, fails, setting, code, outcomes, ismart_sandbox, numbers
):
    everybody = numbers(100)
    ismart_sandbox.configure(**{setting: [everybody[index] for index in (50, 51, 99)]})
    found, error = outcomes(everybody, on_refused=on_refused)
    assert found["refused"] == refused
    assert (error is not None) is fails
    if fails:
        assert (type(error), error.code) == (ISmartRefusedError, code)
    else:
        assert found["accepted"] == accepted


def test_a_refused_first_batch_is_also_isolated(outcomes, ismart_sandbox, numbers):
    everybody = numbers(60)
    ismart_sandbox.configure(opted_out=[everybody[0], everybody[49]])
    assert outcomes(everybody)[0] == {"accepted": 58, "refused": 2}


# --- nobody knows


UNCERTAIN = [
    faults.Drop(),
    faults.Drop(accept=False),
    faults.Reset(accept=True),
    faults.TruncatedBody(),
    faults.Garbage(),
    faults.Hang(accept=True),
    faults.HttpStatus(status=502, accept=True),
    faults.ReturnCode(code=11, accept=True),
]


@pytest.mark.parametrize(
    ("on_uncertain", "raised"),
    [("fail", ISmartUncertainFinalError), ("resend", ISmartUncertainError), ("accept", None)],
)
@pytest.mark.parametrize("fault", UNCERTAIN, ids=lambda fault: f"{fault.kind}-{fault.accept}")
def test_an_uncertain_call_is_not_repeated_and_the_others_are_sent(
    fault, on_uncertain, raised, outcomes, ismart_sandbox, ismart_default, numbers
):
    ismart_default(extra={"read_timeout": 2})  # which only the fault reaches, on a loaded machine, too
    ismart_sandbox.fail(None, fault)
    found, error = outcomes(numbers(300), on_uncertain=on_uncertain)
    assert found == {"accepted": 250, "uncertain": 50}
    assert (type(error) if error else None) is raised
    assert len(ismart_sandbox.calls) == 6


@pytest.mark.parametrize("on_uncertain", ["fail", "resend", "accept"])
@pytest.mark.parametrize("on_refused", ["isolate", "skip", "fail"])
def test_a_refused_number_and_an_uncertain_call_lose_no_row(
    on_refused, on_uncertain, outcomes, ismart_sandbox, ismart_default, numbers
):
    ismart_default(extra={"max_concurrency": 1})  # so that the fault befalls another batch
    everybody = numbers(250)
    ismart_sandbox.configure(opted_out=[everybody[130]])
    ismart_sandbox.fail(None, faults.Drop())
    found, error = outcomes(everybody, on_refused=on_refused, on_uncertain=on_uncertain)
    assert found["uncertain"] == 50
    assert (error is None) is (on_uncertain == "accept" and on_refused != "fail")


@pytest.mark.parametrize("fault", [faults.Drop(times=99), faults.HttpStatus(status=500, times=99)])
def test_a_send_stops_soon_if_the_gateway_answers_with_garbage(fault, outcomes, ismart_sandbox, numbers):
    ismart_sandbox.fail(fault)
    found, error = outcomes(numbers(1000), on_uncertain="accept")
    assert type(error) is ISmartUnavailableError
    assert found["uncertain"] <= 3 * 50
    assert found["not_attempted"] >= 850


# --- nobody is there


def test_an_unreachable_gateway_leaves_all_rows_for_a_retry(
    send, ismart_sandbox, numbers, quick_back_off, ismart_default
):
    ismart_sandbox.stop()
    with pytest.raises(ISmartUnavailableError, match="Rows certainly not sent: 200") as error:
        send(numbers(200))
    assert not isinstance(error.value, AirflowFailException)
    assert error.value.report.calls == MAX_ATTEMPTS


def test_a_send_waits_for_a_busy_gateway(outcomes, ismart_sandbox, numbers, quick_back_off):
    ismart_sandbox.fail(None, faults.HttpStatus(status=503, headers={"Retry-After": "0"}, times=3))
    assert outcomes(numbers(200)) == ({"accepted": 200}, None)


@pytest.mark.parametrize("moment", [3, 9])
def test_an_outage_sends_nothing_twice(moment, outcomes, ismart_sandbox, ismart_default, numbers, quick_back_off):
    ismart_default(extra={"max_concurrency": 4})
    ismart_sandbox.configure(latency=0.02)
    pulled = threading.Event()

    def pull():
        while len(ismart_sandbox.calls) < moment:
            time.sleep(0.001)
        ismart_sandbox.stop()
        pulled.set()

    thread = threading.Thread(target=pull, daemon=True)
    thread.start()
    found, error = outcomes(numbers(2000))
    thread.join()
    assert pulled.is_set()
    assert isinstance(error, (ISmartUncertainFinalError, ISmartUnavailableError))
    assert found["not_attempted"] > 1000
    assert found.get("uncertain", 0) <= 2 * 4 * 50


# --- the task is killed


def test_on_kill_lets_calls_in_flight_finish_and_starts_no_more(ismart_default, ismart_sandbox, numbers, tmp_path):
    ismart_default(extra={"max_concurrency": 4})
    ismart_sandbox.configure(latency=0.1)
    operator = ISmartSendOperator(
        task_id="tell", recipients=numbers(5000), message="Hello", results_path=str(tmp_path / "results.csv")
    )

    calls_at_kill = []

    def kill():
        while len(ismart_sandbox.calls) < 6:
            time.sleep(0.005)
        operator.on_kill()
        calls_at_kill.append(len(ismart_sandbox.calls))

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    with pytest.raises(ISmartUnavailableError, match="stopped") as error:
        operator.execute({})
    thread.join()
    counts = error.value.report.as_json()["outcomes"]
    assert len(ismart_sandbox.calls) <= calls_at_kill[0] + 4
    assert counts["accepted"] == len(ismart_sandbox.messages)
    assert counts["accepted"] + counts["not_attempted"] == 5000
    results = pandas.read_csv(tmp_path / "results.csv", dtype={"msisdn": str})
    accepted = results[results.outcome == "accepted"].msisdn
    assert sorted(accepted) == sorted(message.msisdn for message in ismart_sandbox.messages)


def test_an_exception_during_a_send_lets_calls_in_flight_finish(
    send, ismart_default, ismart_sandbox, numbers, tmp_path
):
    from airflow_provider_ismart.sending import progress as progress_module

    ismart_sandbox.configure(latency=0.05)

    class Killed(BaseException):
        """The exception that a signal handler raises."""

    def progress(self):
        if len(ismart_sandbox.calls) > 5:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress_module.Progress, "__call__", progress)
        with pytest.raises(Killed):
            send(numbers(5000), results_path=str(tmp_path / "results.csv"))
    results = pandas.read_csv(tmp_path / "results.csv", dtype={"msisdn": str})
    accepted = results[results.outcome == "accepted"].msisdn
    assert sorted(accepted) == sorted(message.msisdn for message in ismart_sandbox.messages)
    assert len(results) == 5000


# --- speed


def test_calls_are_made_concurrently_up_to_the_limit(send, ismart_default, ismart_sandbox, numbers):
    ismart_default(extra={"max_concurrency": 8})
    ismart_sandbox.configure(latency=0.1)
    send(numbers(41), batch_size=1)
    assert len({call.client_port for call in ismart_sandbox.calls}) == 8  # a call uses an idle connection, if any


def test_the_first_call_goes_alone(send, ismart_default, ismart_sandbox, numbers):
    ismart_default(extra={"max_concurrency": 8})
    ismart_sandbox.fail(faults.Latency(seconds=0.4))
    send(numbers(500))
    first, second, *_ = sorted(datetime.fromisoformat(call.at) for call in ismart_sandbox.calls)
    assert second - first >= timedelta(seconds=0.4)
    assert len(ismart_sandbox.messages) == 500


def test_a_hundred_thousand_numbers_are_sent(send, ismart_default, ismart_sandbox, numbers):
    ismart_default(extra={"max_concurrency": 4})
    everybody = numbers(99_999)
    report = send([*everybody, everybody[0]])
    assert report["outcomes"]["accepted"] == 99_999
    assert report["calls"] == 2000
    assert {message.msisdn for message in ismart_sandbox.messages} == set(everybody)


# --- the preview


def test_a_dry_run_makes_no_call_and_needs_no_connection(send, ismart_sandbox, monkeypatch, numbers, airflow_db):
    monkeypatch.delenv("AIRFLOW_CONN_ISMART_DEFAULT")
    report = send([*numbers(120), "nobody"], "x" * 161, dry_run=True)
    assert (report["dry_run"], report["planned_calls"], report["planned_parts"]) == (True, 3, 240)
    assert (report["outcomes"]["not_attempted"], report["outcomes"]["invalid"]) == (120, 1)
    assert (report["calls"], report["credits_estimated"]) == (0, 240)
    assert not ismart_sandbox.calls


def test_a_dry_run_uses_an_existing_connection(send, ismart_default, ismart_sandbox):
    ismart_default(extra={"timezone": "UTC"})
    assert send("90000001", push_at="2090-01-01T00:00+04:00", dry_run=True)["push_at"] == "12/31/2089 20:00:00"
    assert not ismart_sandbox.calls


# --- the results file


ROWS = [
    {"msisdn": "+968 9000 0001"},
    {"msisdn": "nobody"},
    {"msisdn": 90000001},
    {"msisdn": "96890000003"},
    {"msisdn": None},
]
EXPECTED = [
    (0, "+968 9000 0001", "96890000001", "accepted", 1, ""),
    (1, "nobody", "", "invalid", None, "number: has letters; write 9XXXXXXX or 9689XXXXXXX"),
    (2, "90000001", "96890000001", "duplicate", None, ""),
    (3, "96890000003", "96890000003", "refused", 23, "Mobile number opted out by the customer"),
    (4, "", "", "invalid", None, "number: empty"),
]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_every_row_is_in_the_results_file(scheme, ending, send, ismart_sandbox, tmp_path):
    if scheme:
        try:
            ObjectStoragePath(f"{scheme}{tmp_path}")
        except TypeError:
            pytest.skip("this Airflow's ObjectStoragePath does not work with this universal-pathlib")
    ismart_sandbox.configure(opted_out=["96890000003"])
    path = tmp_path / "new" / f"results.{ending}"
    send(ROWS, results_path=f"{scheme}{path}")
    text = dict.fromkeys(["recipient", "msisdn", "outcome", "reason"], str)
    read = pandas.read_parquet if ending == "parquet" else lambda file: pandas.read_csv(file, dtype=text)
    results = read(path)
    assert list(results.columns) == [
        "row",
        "recipient",
        "msisdn",
        "outcome",
        "return_code",
        "reason",
        "lang",
        "parts",
    ]
    found = [
        tuple(None if pandas.isna(cell) else cell for cell in row)
        for row in results.iloc[:, :6].itertuples(index=False)
    ]
    blank = "" if ending == "parquet" else None  # CSV knows no difference
    assert found == [tuple(blank if cell == "" else cell for cell in row) for row in EXPECTED]


def test_the_results_of_a_failed_send_are_also_written(outcomes, ismart_sandbox, numbers):
    ismart_sandbox.configure(credit=60)
    found, _ = outcomes(numbers(100))
    assert found == {"accepted": 50, "refused": 50}


def test_results_replace_earlier_results(send, tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("what was here before\n" * 99)
    send("96890000001", results_path=str(path))
    assert len(path.read_text().splitlines()) == 2


def _full_disk(tmp_path):
    path = tmp_path / "full.csv"
    path.symlink_to("/dev/full")
    return str(path)


def test_unwritable_results_do_not_hide_a_refused_login(send, ismart_default, ismart_sandbox, numbers, tmp_path):
    ismart_default(password="not-the-sandbox-password")
    with pytest.raises(ISmartLoginError):
        send(numbers(3), results_path=_full_disk(tmp_path))
    assert len(ismart_sandbox.calls) == 1


def test_unwritable_results_fail_a_task_that_sent_everything(send, ismart_sandbox, numbers, tmp_path):
    with pytest.raises(ISmartError, match="Could not write the results file"):
        send(numbers(3), results_path=_full_disk(tmp_path))
    assert len(ismart_sandbox.messages) == 3


class LedgerGoneAfterTheFirstCall(MemoryLedger):
    def write(self, settled, intents):
        if settled:
            raise ConnectionError
        return super().write(settled, intents)


def test_a_ledger_failure_does_not_hide_a_refused_login(client, ismart_sandbox, numbers):
    ismart_sandbox.fail(faults.ReturnCode(code=3))
    options = SendOptions.of(message="Hello")
    with pytest.raises(ISmartLoginError):
        Send(numbers(3), options, client(), logging.getLogger()).run(LedgerGoneAfterTheFirstCall())
    assert len(ismart_sandbox.calls) == 1


def test_a_dry_run_does_not_touch_the_results_of_a_real_send(send, numbers, tmp_path):
    results = tmp_path / "results.csv"
    send(numbers(3), results_path=str(results))
    told = results.read_text()
    send(numbers(3), results_path=str(results), dry_run=True)
    assert results.read_text() == told


def test_a_long_send_logs_its_progress(client, ismart_sandbox, numbers, caplog, monkeypatch):
    monkeypatch.setattr(progress_module, "PROGRESS_SECONDS", 0.05)  # seconds would be long for a test
    ismart_sandbox.configure(latency=0.02)
    options = SendOptions.of(message="Hello", batch_size=1)
    log = logging.getLogger("a task's")
    with caplog.at_level(logging.INFO, log.name):
        Send(numbers(20), options, client(extra={"max_concurrency": 1}), log).run(MemoryLedger())
    progress = [record.getMessage() for record in caplog.records if "calls so far" in record.getMessage()]
    assert 3 <= len(progress) <= 20
    assert "accepted" in progress[0]
    assert "not_attempted" in progress[0]


def test_a_text_that_fits_into_no_call_fails_the_task_after_one_call(
    outcomes, ismart_default, ismart_sandbox, numbers
):
    ismart_default(extra={"path": "/not-there"})  # a wrong path looks the same as a call that is too long
    result, error = outcomes(numbers(20), message="ا" * 335)
    assert result == {"invalid": 20}
    assert isinstance(error, ISmartInputError)
    assert "check the connection's host and path" in str(error)
    assert ismart_sandbox.messages == []


def test_a_later_try_that_cannot_send_keeps_the_results_correct(
    ismart_default, ismart_sandbox, numbers, tmp_path, monkeypatch
):
    ledger = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(ledger))
    path = tmp_path / "results.csv"
    task = SimpleNamespace(dag_id="dag", run_id="run", task_id="send", map_index=-1, try_number=1)
    options = {"message": "Hello", "results_path": str(path), "on_invalid": "fail"}
    ISmartHook().submit(numbers(2), options, {"ti": task}, ledger_conn_id="ledger")
    with pytest.raises(ISmartInputError):
        ISmartHook().submit([*numbers(2), "123"], options, {"ti": task}, ledger_conn_id="ledger")
    with path.open(encoding="utf-8", newline="") as file:
        assert [row["outcome"] for row in csv.DictReader(file)] == ["already_sent"] * 2 + ["invalid"]


@pytest.mark.parametrize("code", sorted(CREDIT))
@pytest.mark.parametrize("first", ["the code", "403"])
def test_a_rejected_call_and_a_credit_code_end_as_a_credit_error(
    outcomes, ismart_default, ismart_sandbox, numbers, code, first
):
    ismart_default(extra={"max_concurrency": 2})
    ismart_sandbox.configure(latency=0.2)  # so that both calls are in flight
    both = (faults.ReturnCode(code=code), faults.HttpStatus(status=403))
    ismart_sandbox.fail(None, *(both if first == "the code" else both[::-1]))
    _, error = outcomes(numbers(6), batch_size=2)
    assert isinstance(error, ISmartCreditError)
    assert error.code == code


def test_a_retry_after_push_at_has_passed_reports_the_remaining_rows_and_keeps_outcomes(
    ismart_default, ismart_sandbox, numbers, tmp_path, monkeypatch
):
    ledger = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(ledger))
    path = tmp_path / "results.csv"
    options = {"message": "Hello", "results_path": str(path), "batch_size": 2}
    ti = {"dag_id": "dag", "run_id": "run", "task_id": "send", "map_index": -1}
    ismart_sandbox.fail(None, faults.ReturnCode(code=4), faults.ReturnCode(code=4))
    with pytest.raises(ISmartCreditError):
        ISmartHook().submit(
            numbers(8),
            options | {"push_at": "2040-01-01T09:00"},
            {"ti": SimpleNamespace(**ti, try_number=1)},
            ledger_conn_id="ledger",
        )
    sent = len(ismart_sandbox.messages)
    with pytest.raises(
        ISmartInputError, match=rf"has passed. This try sent nothing. Rows left to send: {8 - sent}"
    ) as caught:
        ISmartHook().submit(
            numbers(8),
            options | {"push_at": "2020-01-01T09:00"},
            {"ti": SimpleNamespace(**ti, try_number=2)},
            ledger_conn_id="ledger",
        )
    assert f"{sent} already_sent" in str(caught.value)
    assert len(ismart_sandbox.messages) == sent
    with path.open(encoding="utf-8", newline="") as file:
        outcomes = [row["outcome"] for row in csv.DictReader(file)]
    assert sorted(outcomes) == ["already_sent"] * sent + ["not_attempted"] * (8 - sent)
