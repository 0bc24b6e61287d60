"""Test quiet hours: each call in them is scheduled for their end."""

import csv
import json
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ismart.exceptions import ISmartInputError, ISmartUnavailableError
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.sandbox import faults
from airflow_provider_ismart.sending.send import Runtime

EVENING = datetime.fromisoformat("2090-01-31T20:59:59+04:00")
NIGHT = datetime.fromisoformat("2090-02-01T03:00:00+04:00")
NOON = datetime.fromisoformat("2090-02-01T12:00:00+04:00")
MORNING = "2090-02-01T08:00:00+04:00"


class Clock:
    """A clock that advances by a step each time it is read."""

    def __init__(self):
        self.now, self.step = NIGHT, timedelta(0)

    def __call__(self):
        now = self.now
        self.now += self.step
        return now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(ISmartHook, "runtime", Runtime(now=clock))
    return clock


@pytest.fixture(autouse=True)
def quiet_connection(ismart_default):
    ismart_default(extra={"quiet_hours": "21:00-08:00", "max_concurrency": 1})


def times(sandbox):
    return [message.push_at for message in sandbox.messages]


def test_a_call_in_quiet_hours_is_scheduled_for_their_end(send, clock, ismart_sandbox, numbers):
    report = send(numbers(60))
    assert times(ismart_sandbox) == [MORNING] * 60
    assert {message.push_date_time for message in ismart_sandbox.messages} == {"02/01/2090 08:00:00"}
    assert (report["scheduled"], report["scheduled_for"], report["push_at"]) == (60, MORNING, None)
    assert report["reasons"] == {}


def test_a_call_outside_quiet_hours_is_sent_immediately(send, clock, ismart_sandbox, numbers):
    clock.now = NOON
    report = send(numbers(2))
    assert times(ismart_sandbox) == [None, None]
    assert (report["scheduled"], report["scheduled_for"]) == (0, None)


def test_a_send_that_runs_into_quiet_hours_schedules_only_those_calls(
    send, clock, ismart_sandbox, numbers, tmp_path
):
    clock.now, clock.step = EVENING - timedelta(seconds=3), timedelta(seconds=1)
    path = tmp_path / "results.csv"
    report = send(numbers(6), batch_size=1, results_path=str(path))
    scheduled = [push_at for push_at in times(ismart_sandbox) if push_at]
    assert 0 < len(scheduled) < 6
    assert times(ismart_sandbox) == [None] * (6 - len(scheduled)) + scheduled
    assert set(scheduled) == {MORNING}
    assert report["scheduled"] == len(scheduled)
    with path.open(encoding="utf-8", newline="") as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert reasons == [""] * (6 - len(scheduled)) + [f"scheduled for {MORNING}"] * len(scheduled)


@pytest.mark.usefixtures("quick_back_off")
def test_a_repeated_call_checks_the_clock_again(client, batch, ismart_sandbox):
    ismart_sandbox.fail(faults.HttpStatus(status=503, headers={"Retry-After": "0"}))
    now = iter([EVENING, NIGHT])
    client(extra={"quiet_hours": "21:00-08:00"}).submit(batch(), flash=False, push_at=None, now=lambda: next(now))
    assert times(ismart_sandbox) == [MORNING]


def test_a_call_checks_the_clock_after_waiting_for_the_rate_limit(client, batch, ismart_sandbox):
    gateway = client(extra={"quiet_hours": "21:00-08:00", "calls_per_second": 20})
    events = []
    acquire = gateway._limiter.try_acquire
    gateway._limiter.try_acquire = lambda *args, **options: events.append("limit") or acquire(*args, **options)
    gateway.submit(batch(), flash=False, push_at=None, now=lambda: events.append("clock") or NIGHT)
    assert events[-2:] == ["limit", "clock"]
    assert times(ismart_sandbox) == [MORNING]


def test_a_push_at_outside_quiet_hours_is_unchanged(send, clock, ismart_sandbox, numbers):
    report = send(numbers(1), push_at="2090-02-01T09:30")
    assert times(ismart_sandbox) == ["2090-02-01T09:30:00+04:00"]
    assert (report["scheduled"], report["scheduled_for"]) == (0, None)


def test_calls_in_quiet_hours_are_scheduled_once_push_at_has_passed(send, clock, ismart_sandbox, numbers):
    clock.now, clock.step = datetime.fromisoformat("2090-01-31T20:40:00+04:00"), timedelta(minutes=3)
    report = send(numbers(600), push_at="2090-01-31T20:55")
    *_, last = ismart_sandbox.messages
    assert {message.push_date_time for message in ismart_sandbox.messages} == {
        "01/31/2090 20:55:00",
        "02/01/2090 08:00:00",
    }
    assert (last.push_at, report["scheduled_for"]) == (MORNING, MORNING)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_push_at_in_quiet_hours_is_an_input_error(send, clock, ismart_sandbox, numbers, dry_run):
    clock.now = NOON
    with pytest.raises(
        ISmartInputError, match=r"push_at is .* quiet_hours \(21:00-08:00\).*This send made no call"
    ):
        send(numbers(1), push_at="2090-02-02T07:30", dry_run=dry_run)
    assert not ismart_sandbox.calls


def test_a_preview_counts_the_rows_that_would_be_scheduled_now(send, clock, ismart_sandbox, numbers):
    report = send([*numbers(3), "nobody"], dry_run=True)
    assert (report["scheduled"], report["scheduled_for"]) == (3, MORNING)
    clock.now = NOON
    report = send(numbers(3), dry_run=True)
    assert (report["scheduled"], report["scheduled_for"]) == (0, None)
    assert not ismart_sandbox.calls


def test_refused_rows_are_not_counted_as_scheduled(send, clock, ismart_sandbox, numbers):
    ismart_sandbox.configure(opted_out=numbers(1))
    report = send(numbers(4))
    assert (report["outcomes"]["refused"], report["scheduled"]) == (1, 3)


@pytest.mark.parametrize("later", [NIGHT + timedelta(hours=1), NOON])
def test_a_retry_repeats_no_scheduled_message_and_schedules_the_rest_by_its_own_clock(
    clock, ismart_sandbox, numbers, tmp_path, monkeypatch, later
):
    ledger = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(ledger))
    task = SimpleNamespace(dag_id="dag", run_id="run", task_id="send", map_index=-1, try_number=1)

    def submit():
        options = {"message": "Hello", "batch_size": 2}
        return ISmartHook().submit(numbers(4), options, {"ti": task}, ledger_conn_id="ledger")

    ismart_sandbox.fail(None, faults.HttpStatus(status=403))
    with pytest.raises(ISmartUnavailableError) as error:
        submit()
    assert error.value.report.scheduled == 2
    clock.now = later
    report = submit().as_json()
    assert (report["outcomes"]["already_sent"], report["outcomes"]["accepted"]) == (2, 2)
    assert times(ismart_sandbox) == [MORNING] * 2 + [MORNING if later < NOON else None] * 2


def test_the_query_length_leaves_room_for_a_delivery_time(send, ismart_default, clock, ismart_sandbox, numbers):
    lengths = {}
    for now in (NOON, NIGHT):
        ismart_default(extra={"quiet_hours": "21:00-08:00", "max_query_length": 512})
        clock.now = now
        ismart_sandbox.reset()
        ismart_sandbox.configure(max_query_length=512)
        report = send(numbers(50))
        lengths[now] = max(call.query_length for call in ismart_sandbox.calls)
        assert report["calls"] == report["planned_calls"]
    assert lengths[NOON] < lengths[NIGHT] <= 512


@pytest.mark.parametrize("value", ["25:00-8", "21:00", "21:00-21:00", "night", 21, ["21:00-08:00"], True])
def test_malformed_quiet_hours_are_an_error_with_an_example(value, ismart_default, ismart_sandbox):
    ismart_default(extra={"quiet_hours": value})
    with pytest.raises(ISmartInputError, match=r"'quiet_hours' is .* such as 21:00-08:00") as error:
        ISmartHook().send(["96890000001"], "Hello")
    assert isinstance(error.value, AirflowFailException)
    assert not ismart_sandbox.calls


def test_quiet_hours_are_in_the_connections_time_zone(send, ismart_default, clock, ismart_sandbox, numbers):
    ismart_default(extra={"quiet_hours": "22:00-23:30", "timezone": "UTC"})
    send(numbers(1))  # 3:00 in Muscat is 23:00 in UTC
    assert ismart_sandbox.messages[0].push_date_time == "01/31/2090 23:30:00"
