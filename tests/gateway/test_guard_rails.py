"""Test max_credits, allowed_numbers and exclude with each kind of send, against the sandbox's records."""

import csv
import json
from contextlib import closing

import pandas
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.ledger import MemoryLedger
from airflow_provider_ismart.decorators.ismart import ismart_task
from airflow_provider_ismart.exceptions import ISmartInputError, ISmartUnavailableError
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.sandbox import faults
from airflow_provider_ismart.sending.options import SendOptions
from airflow_provider_ismart.sending.send import Send
from airflow_provider_ismart.transfers.sql_to_ismart import SqlToISmartOperator

A, B, C = "96890000001", "96890000002", "96890000003"
TWO_PARTS = "x" * 200
NOT_ALLOWED = "not in the allowed numbers of connection 'ismart_default'"
RESTRICTED = "Connection 'ismart_default' is restricted to its allowed numbers (1)"


@pytest.fixture
def people_db(monkeypatch, tmp_path):
    database = {"conn_type": "sqlite", "host": str(tmp_path / "people.db")}
    monkeypatch.setenv("AIRFLOW_CONN_PEOPLE_DB", json.dumps(database))


@pytest.fixture(params=["operator", "hook", "decorator", "transfer"])
def send_to_abc(request, ismart_default, people_db):
    """Send to A, B and C with one of the four kinds of sends; return the report."""

    def run(**options):
        options = {"message": "Hello"} | options
        if request.param == "hook":
            return ISmartHook().send([A, B, C], **options)
        if request.param == "decorator":
            task = ismart_task(lambda: [A, B, C], task_id="tell", **options)().operator
        elif request.param == "transfer":
            sql = " UNION ALL ".join(f"SELECT '{number}' AS msisdn" for number in (A, B, C))
            task = SqlToISmartOperator(task_id="tell", sql=sql, conn_id="people_db", **options)
        else:
            task = ISmartSendOperator(task_id="tell", recipients=[A, B, C], **options)
        task.render_template_fields({"cap": 2})
        return task.execute({})

    return run


@pytest.fixture
def logged():
    """Return a log that keeps its lines."""

    class Logged:
        def __init__(self):
            self.lines = []

        def info(self, msg, *args):
            self.lines.append(msg % args)

        warning = info

    return Logged()


def reached(sandbox):
    return sorted(message.msisdn for message in sandbox.messages)


# --- exclude


def test_excluded_numbers_get_no_message_from_any_kind_of_send(send_to_abc, ismart_sandbox):
    report = send_to_abc(exclude=["+968 9000 0002"])
    assert reached(ismart_sandbox) == [A, C]
    assert (report["outcomes"]["excluded"], report["outcomes"]["accepted"]) == (1, 2)
    assert report["reasons"] == {"in exclude": 1}


def test_an_invalid_exclude_stops_any_kind_of_send(send_to_abc, ismart_sandbox):
    with pytest.raises(
        ISmartInputError, match=r"1 of 2 entries in exclude is not .*\(entry 2: too short.*This send made no call"
    ) as error:
        send_to_abc(exclude=[A, "9000000"])
    assert isinstance(error.value, AirflowFailException)
    assert "9000000" not in str(error.value)
    assert not ismart_sandbox.calls


def test_an_empty_exclude_excludes_nobody(send_to_abc, ismart_sandbox):
    send_to_abc(exclude=[])
    assert reached(ismart_sandbox) == [A, B, C]


def test_a_send_with_all_rows_excluded_succeeds_without_a_call(send_to_abc, ismart_sandbox):
    report = send_to_abc(exclude=[A, B, C], on_invalid="fail", on_empty="fail")
    assert {outcome: count for outcome, count in report["outcomes"].items() if count} == {"excluded": 3}
    assert not ismart_sandbox.calls


def test_exclude_can_be_a_template_and_is_redacted_when_rendered(ismart_default, ismart_sandbox):
    task = ISmartSendOperator(task_id="tell", recipients=[A, B], message="Hello", exclude="{{ opt_outs }}")
    task.render_template_fields({"opt_outs": f"{A}; {C}"})
    assert A not in str(task.exclude)
    task.execute({})
    assert reached(ismart_sandbox) == [B]


@pytest.mark.parametrize("operator", ["decorator", "transfer"])
def test_exclude_is_also_redacted_in_the_other_operators(operator, airflow_loaded):
    if operator == "decorator":
        task = ismart_task(list, task_id="tell", message="Hello", exclude=[A])().operator
    else:
        task = SqlToISmartOperator(task_id="tell", sql="SELECT 1", conn_id="db", message="Hello", exclude=[A])
    task.render_template_fields({})
    assert str(task.exclude) == "<1 recipients as list, hidden>"


@pytest.mark.parametrize("name", ["msisdn", "mobile"])
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_exclude_can_be_a_file(name, ending, send, ismart_sandbox, tmp_path):
    frame = pandas.DataFrame({name: [A, "90000002"]})
    path = tmp_path / f"opt_outs.{ending}"
    frame.to_parquet(path) if ending == "parquet" else frame.to_csv(path, index=False)
    send([A, B, C], exclude=path)
    send([A, B, C], exclude=[tmp_path])
    assert reached(ismart_sandbox) == [C, C]


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ([A, B], "no column 'msisdn'.*look like a row of recipients"),
        (["phone,name", f"{A},Ali"], "no column 'msisdn'; it has 'phone', 'name'"),
        (["msisdn,name", f"{A},Ali", ",Zoe"], "1 of 2 entries in exclude is not .*entry 2: empty"),
        ([], "must have column names"),
    ],
)
def test_an_ambiguous_file_of_opt_outs_sends_nothing(lines, named, send, ismart_sandbox, tmp_path):
    (tmp_path / "opt_outs.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ISmartInputError, match=named):
        send([A], exclude=tmp_path / "opt_outs.csv")
    assert not ismart_sandbox.calls


def test_32_bit_floats_in_a_file_of_opt_outs_are_refused(send, ismart_sandbox, tmp_path):
    frame = pandas.DataFrame({"mobile": pandas.Series([96890000001], dtype="float32")})
    frame.to_parquet(tmp_path / "opt_outs.parquet")
    with pytest.raises(ISmartInputError, match=r"exclude: .*float"):
        send([A], exclude=tmp_path / "opt_outs.parquet")
    assert not ismart_sandbox.calls


def test_a_results_path_among_the_opt_out_files_is_refused(send, ismart_sandbox, tmp_path):
    (tmp_path / "opt_outs.csv").write_text(f"msisdn\n{A}\n", encoding="utf-8")
    with pytest.raises(ISmartInputError, match="results_path is among the files of exclude"):
        send([B], exclude=tmp_path, results_path=str(tmp_path / "results.csv"))
    assert not ismart_sandbox.calls


def test_the_results_file_lists_the_excluded_rows_with_their_reason(send, ismart_default, tmp_path):
    ismart_default(extra={"allowed_numbers": [A, B]})
    results = tmp_path / "results.csv"
    send([A, "9000 0002", C, "nobody"], exclude=[B], results_path=str(results))
    with results.open(encoding="utf-8", newline="") as file:
        rows = [(row["recipient"], row["msisdn"], row["outcome"], row["reason"]) for row in csv.DictReader(file)]
    assert rows == [
        (A, A, "accepted", ""),
        ("9000 0002", B, "excluded", "in exclude"),
        (C, C, "excluded", NOT_ALLOWED),
        ("nobody", "", "invalid", "number: has letters; write 9XXXXXXX or 9689XXXXXXX"),
    ]


# --- allowed_numbers


@pytest.mark.parametrize(
    "allowed", [[A], "9000 0001", f"{A}\n", [90000001], f" {A}, ", f' ["{A}"]', "[90000001]"], ids=repr
)
def test_a_restricted_connection_reaches_nobody_else_in_any_kind_of_send(
    allowed, send_to_abc, ismart_default, ismart_sandbox
):
    ismart_default(extra={"allowed_numbers": allowed})
    report = send_to_abc()
    assert reached(ismart_sandbox) == [A]
    assert (report["outcomes"]["excluded"], report["outcomes"]["accepted"]) == (2, 1)
    assert report["reasons"] == {NOT_ALLOWED: 2}
    assert report["restricted"] == RESTRICTED
    assert next(iter(report)) == "restricted"


def test_the_log_first_says_that_the_connection_is_restricted(client, logged):
    with closing(
        Send([A, B], SendOptions.of(message="Hello"), client(extra={"allowed_numbers": A}), logged)
    ) as send:
        send.run(MemoryLedger())
    assert logged.lines[0] == "Connection 'ismart_default' is restricted to its allowed numbers (1)."
    assert logged.lines[1].startswith(f"{RESTRICTED}. 2 rows: 1 accepted, 1 excluded; 1 call, 1 part")


def test_an_error_says_that_the_connection_is_restricted(send, ismart_default, ismart_sandbox):
    ismart_default(extra={"allowed_numbers": A})
    with pytest.raises(ISmartInputError, match="restricted to its allowed numbers"):
        send(["nobody"])


@pytest.mark.parametrize("blank", [None, ""])
def test_a_blank_form_field_restricts_nothing(blank, send, ismart_default, ismart_sandbox):
    ismart_default(extra={"allowed_numbers": blank})
    assert send([A])["restricted"] is None
    assert reached(ismart_sandbox) == [A]


def test_an_invalid_entry_of_allowed_numbers_is_not_shown(send, ismart_default, ismart_sandbox):
    ismart_default(extra={"allowed_numbers": [A, "9000111"]})
    with pytest.raises(ISmartInputError, match=r"'allowed_numbers'.* entry 2 is not a mobile number") as error:
        send([A])
    assert "9000" not in str(error.value)
    assert not ismart_sandbox.calls


def test_a_dry_run_shows_who_would_be_excluded(send, ismart_default, ismart_sandbox):
    ismart_default(extra={"allowed_numbers": A})
    report = send([A, B, C], exclude=[C], dry_run=True)
    assert (report["outcomes"]["excluded"], report["planned_parts"], report["restricted"]) == (2, 1, RESTRICTED)
    assert not ismart_sandbox.calls


def test_the_client_itself_refuses_numbers_that_are_not_allowed(client, batch, ismart_sandbox):
    restricted = client(extra={"allowed_numbers": [A]})
    with pytest.raises(InputError, match="restricted to its allowed numbers"):
        restricted.submit(batch(A, B), flash=False, push_at=None)
    assert not ismart_sandbox.calls
    restricted.submit(batch(A), flash=False, push_at=None)
    assert reached(ismart_sandbox) == [A]


def test_the_login_of_a_restricted_connection_can_be_tested(ismart_default, ismart_sandbox):
    ismart_default(extra={"allowed_numbers": A})
    assert ISmartHook().test_connection()[0]
    assert not ismart_sandbox.messages


# --- max_credits


@pytest.mark.parametrize("cap", [0, 2, "2", "{{ cap }}"])
def test_a_send_above_max_credits_makes_no_call_in_any_kind_of_send(cap, send_to_abc, ismart_sandbox, request):
    if cap == "{{ cap }}" and "hook" in request.node.callspec.id:
        pytest.skip("a hook has no templates")
    with pytest.raises(ISmartInputError, match=r"max_credits is [02].* cost 3 credits for 3 recipients") as error:
        send_to_abc(max_credits=cap)
    assert isinstance(error.value, AirflowFailException)
    assert error.value.report.outcomes
    assert not ismart_sandbox.calls


@pytest.mark.parametrize("cap", [3, "3", 10**9, None])
def test_a_send_within_max_credits_is_sent(cap, send_to_abc, ismart_sandbox):
    report = send_to_abc(max_credits=cap)
    assert reached(ismart_sandbox) == [A, B, C]
    assert report["max_credits"] == (None if cap is None else int(cap))


def test_the_error_lists_the_most_expensive_messages_without_texts_or_numbers(send, ismart_sandbox):
    rows = [{"msisdn": number, "text": TWO_PARTS} for number in (A, B, C)] + [{"msisdn": A, "text": "Hello"}]
    with pytest.raises(ISmartInputError, match="2 parts to 3 recipients; 1 part to 1 recipient") as error:
        send(rows, "{text}", max_credits=6)
    assert "max_credits is 6, but the messages to send cost 7 credits for 4 recipients" in str(error.value)
    assert not any(secret in str(error.value) for secret in ("xxx", "Hello", "9000"))
    assert not ismart_sandbox.calls


def test_duplicates_invalid_and_excluded_rows_cost_nothing(send, ismart_sandbox):
    send([A, A, B, "nobody", C], exclude=[C], max_credits=2)
    assert reached(ismart_sandbox) == [A, B]


def test_a_dry_run_reports_exceeded_max_credits_without_failing(send, ismart_sandbox):
    report = send([A, B], TWO_PARTS, max_credits=3, dry_run=True)
    assert (report["credits_estimated"], report["max_credits"], report["exceeds_max_credits"]) == (4, 3, True)
    assert send([A, B], TWO_PARTS, max_credits=4, dry_run=True)["exceeds_max_credits"] is False
    assert send([A, B], TWO_PARTS, dry_run=True)["exceeds_max_credits"] is False
    assert not ismart_sandbox.calls


def test_the_log_of_a_dry_run_says_why_the_send_would_fail(client, logged):
    options = SendOptions.of(message=TWO_PARTS, max_credits=3, dry_run=True)
    with closing(Send([A, B], options, client(), logged)) as send:
        send.preview()
    assert logged.lines[-1] == (
        "The send would fail: max_credits is 3, but the messages to send cost 4 credits for 2 recipients. "
        "The most expensive: 2 parts to 2 recipients."
    )


def test_the_results_file_lists_the_rows_that_max_credits_stopped(send, tmp_path):
    results = tmp_path / "results.csv"
    with pytest.raises(ISmartInputError, match="max_credits"):
        send([A, B], max_credits=1, results_path=str(results))
    with results.open(encoding="utf-8", newline="") as file:
        assert [row["outcome"] for row in csv.DictReader(file)] == ["not_attempted"] * 2


def test_a_retry_counts_only_the_cost_of_the_remaining_rows(client, ismart_sandbox, quick_back_off, logged):
    ledger = MemoryLedger()
    options = SendOptions.of(message="Hello", max_credits=2, batch_size=1)

    def a_try(recipients, options=options):
        with closing(Send(recipients, options, client(), logged)) as send:
            return send.run(ledger)

    ismart_sandbox.fail(None, *[faults.HttpStatus(status=429)] * 4)
    with pytest.raises(ISmartUnavailableError):
        a_try([A, B])
    a_try([A, B, C])  # three rows, and two left
    assert reached(ismart_sandbox) == [A, B, C]
    with pytest.raises(ISmartInputError, match=r"cost 3 credits .* This try sent nothing"):
        a_try([A, "96890000004", "96890000005", "96890000006"])
    assert reached(ismart_sandbox) == [A, B, C]


def test_max_credits_and_exclude_also_apply_to_files(send, ismart_sandbox, tmp_path):
    everybody = [f"9689000{number:04}" for number in range(100)]
    (tmp_path / "people.csv").write_text("\n".join(["msisdn", *everybody]), encoding="utf-8")
    with pytest.raises(ISmartInputError, match="cost 90 credits for 90 recipients"):
        send(tmp_path / "people.csv", exclude=everybody[:10], max_credits=89)
    assert not ismart_sandbox.calls
    send(tmp_path / "people.csv", exclude=everybody[:10], max_credits=90)
    assert reached(ismart_sandbox) == everybody[10:]
