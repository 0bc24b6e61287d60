"""Test the notifier: whom it sends what, what it suppresses, and what it does if it cannot send."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_ismart.coordination.locks import Deadline
from airflow_provider_ismart.coordination.variables import SharedState
from airflow_provider_ismart.exceptions import ISmartLoginError
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.notifications.ismart import ISmartNotifier, send_ismart_notification
from airflow_provider_ismart.sandbox import faults
from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor

# What Airflow itself warns of when it reads a Variable in this process is not ours to mend.
pytestmark = [pytest.mark.usefixtures("in_a_callback"), pytest.mark.filterwarnings("default")]

ON_CALL = "96890000001"


def failure(task_id="send", **context):
    ti = SimpleNamespace(dag_id="bills", task_id=task_id, map_index=-1, try_number=2, state="failed")
    return {
        "ti": ti,
        "logical_date": datetime(2030, 1, 31, 7, 30, tzinfo=UTC),
        "exception": ValueError("the amount of 96890000009 is missing"),
    } | context


def let_the_period_pass(key):
    """Make Airflow's Variable say that the last message was sent long ago."""
    state = SharedState("throttle", key, "ismart_default", ON_CALL)
    state.record(state.load() | {"since": "2024-01-01T00:00:00+00:00"})


def texts(sandbox):
    return [message.text for message in sandbox.messages]


def test_the_default_message_names_the_failed_task_in_one_part(ismart_sandbox):
    ISmartNotifier(recipients=ON_CALL)(failure())
    [message] = ismart_sandbox.messages
    assert message.text == "Airflow: bills.send failed, try 2, run 2030-01-31 07:30Z, ValueError"
    assert (message.msisdn, message.parts) == (ON_CALL, 1)


def test_the_alias_is_the_same_notifier():
    assert send_ismart_notification is ISmartNotifier


def test_an_invalid_recipient_does_not_prevent_the_alert_to_the_others(ismart_sandbox):
    ismart_sandbox.configure(opted_out=["96890000002"])
    ISmartNotifier(recipients=["90000001", "+968 9000 0002", "nobody", "96890000003"])(failure())
    assert {message.msisdn for message in ismart_sandbox.messages} == {"96890000001", "96890000003"}


def test_fields_are_rendered_for_each_event(ismart_sandbox):
    notifier = ISmartNotifier(recipients="{{ oncall }}", message="{{ ti.task_id }} failed {{ '{' }}as {it} is}")
    notifier(failure("first", oncall=ON_CALL))
    notifier(failure("second", oncall="96890000002"))
    assert texts(ismart_sandbox) == ["first failed {as {it} is}", "second failed {as {it} is}"]
    assert [message.msisdn for message in ismart_sandbox.messages] == [ON_CALL, "96890000002"]


def test_the_default_replaces_a_message_that_cannot_be_rendered(ismart_sandbox):
    ISmartNotifier(recipients=ON_CALL, message="{{ nothing.of.that }}")(failure())
    assert texts(ismart_sandbox) == ["Airflow: bills.send failed, try 2, run 2030-01-31 07:30Z, ValueError"]


def test_variables_can_be_used_in_templates_even_if_the_context_has_none(ismart_sandbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_ONCALL", ON_CALL)
    ISmartNotifier(recipients="{{ var.value.oncall }}")(failure())
    assert [message.msisdn for message in ismart_sandbox.messages] == [ON_CALL]


def test_the_numbers_are_not_passed_to_the_next_callback():
    context = failure()
    ISmartNotifier(recipients=ON_CALL)(context)
    assert ON_CALL not in str(context)


@pytest.mark.parametrize(("max_parts", "length"), [(1, 160), (3, 459)])
def test_a_long_message_is_cut_to_max_parts(max_parts, length, ismart_sandbox):
    ISmartNotifier(recipients=ON_CALL, message="x" * 1000, max_parts=max_parts)(failure())
    [message] = ismart_sandbox.messages
    assert (message.parts, len(message.text), message.text[-4:]) == (max_parts, length, "x...")


def test_half_a_character_does_not_prevent_the_alert(ismart_sandbox):
    ISmartNotifier(recipients=ON_CALL, message="half \ud83d")(failure())
    assert texts(ismart_sandbox) == ["half ?"]


def test_awaiting_a_notifier_sends_like_calling_it(ismart_sandbox):
    async def run():
        await ISmartNotifier(recipients=ON_CALL, context=failure())
        await ISmartNotifier(recipients=ON_CALL).async_notify(failure("other"))

    asyncio.run(run())
    assert [text.split()[1] for text in texts(ismart_sandbox)] == ["bills.send", "bills.other"]


# --- throttling


@pytest.mark.parametrize(("case", "rendered"), [("none", None), ("blank", ""), ("text", "None")])
def test_a_key_and_a_message_that_render_to_nothing_use_the_defaults(case, rendered, ismart_sandbox):
    notifier = ISmartNotifier(
        recipients=ON_CALL, throttle=timedelta(hours=1), throttle_key="{{ key }}", message="{{ text }}"
    )
    for task in (f"{case}_1", f"{case}_2"):  # a shared key would hold the second back
        notifier(failure(task, key=rendered, text=rendered))
    assert [text.split()[1] for text in texts(ismart_sandbox)] == [f"bills.{case}_1", f"bills.{case}_2"]


def test_one_message_is_sent_per_period_and_the_next_counts_the_suppressed_ones(ismart_sandbox):
    notifier = ISmartNotifier(recipients=ON_CALL, throttle=timedelta(hours=1), throttle_key="{{ ti.dag_id }}-all")
    for index in range(4):
        notifier(failure(f"task_{index}"))
    assert texts(ismart_sandbox) == ["Airflow: bills.task_0 failed, try 2, run 2030-01-31 07:30Z, ValueError"]
    let_the_period_pass("bills-all")
    notifier(failure("x" * 200))
    notifier(failure())
    let_the_period_pass("bills-all")
    notifier(failure())
    assert [text[text.index("ValueError") :] for text in texts(ismart_sandbox)] == [
        "ValueError",
        "ValueError (+3 suppressed)",
        "ValueError (+1 suppressed)",
    ]
    assert {message.parts for message in ismart_sandbox.messages} == {1}


def test_instances_of_one_task_share_the_default_throttle(ismart_sandbox):
    notifier = ISmartNotifier(recipients=ON_CALL, throttle=timedelta(hours=1))
    for task_id, state in [("by_default", "failed"), ("by_default", "failed"), ("b", "failed"), ("b", "success")]:
        context = failure(task_id)
        context["ti"].state = state
        notifier(context)
    said = [text.split(",")[0] for text in texts(ismart_sandbox)]
    assert said == ["Airflow: bills.by_default failed", "Airflow: bills.b failed", "Airflow: bills.b succeeded"]


def test_different_recipients_do_not_share_a_throttle(ismart_sandbox):
    for recipients in (ON_CALL, "96890000002", ["96890000003", "96890000004"], ["96890000004", "96890000003"]):
        ISmartNotifier(recipients=recipients, throttle=timedelta(hours=1))(failure("people"))
    assert [message.msisdn[-1] for message in ismart_sandbox.messages] == ["1", "2", "3", "4"]


def test_an_alert_that_could_not_be_sent_counts_as_suppressed(ismart_sandbox):
    notifier = ISmartNotifier(recipients=ON_CALL, throttle=timedelta(hours=1), throttle_key="unsent")
    ismart_sandbox.configure(credit=0)
    notifier(failure())
    notifier(failure())
    assert len(ismart_sandbox.calls) == 1
    ismart_sandbox.configure(credit=100)
    let_the_period_pass("unsent")
    notifier(failure())
    assert [text[-16:] for text in texts(ismart_sandbox)] == [" (+2 suppressed)"]


# --- where no message can be sent


def alerts(count=3, conn_id="mistyped"):
    for index in range(count):
        ISmartNotifier(recipients=ON_CALL, ismart_conn_id=conn_id)(failure(f"task_{index}"))


@pytest.fixture
def mistyped(ismart_sandbox, monkeypatch):
    """Set a wrong password, with nothing on record about it; call the result to change the password."""

    def connection(password="fake p@ss&1"):
        described = ismart_sandbox.connection_json().replace(ismart_sandbox.password, password)
        monkeypatch.setenv("AIRFLOW_CONN_MISTYPED", described)

    connection()
    return connection


def refused_hours_ago(hours):
    """Make Airflow's Variable say that the refusal was a number of hours ago."""
    refusals = SharedState("login", "mistyped")
    then = datetime.now(UTC) - timedelta(hours=hours)
    refusals.record(refusals.load() | {"refused_at": then.isoformat()})


def test_alerts_try_a_wrong_password_once_a_day(ismart_sandbox, mistyped):
    alerts()
    assert len(ismart_sandbox.calls) == 1
    refused_hours_ago(23)
    alerts()
    assert len(ismart_sandbox.calls) == 1
    refused_hours_ago(25)
    alerts()
    assert len(ismart_sandbox.calls) == 2


def test_a_refused_login_does_not_affect_other_connections(ismart_sandbox, mistyped):
    alerts()
    alerts(conn_id="ismart_default")
    assert len(ismart_sandbox.messages) == 3


def test_alerts_resume_as_soon_as_the_password_is_corrected(ismart_sandbox, mistyped):
    alerts()
    mistyped(ismart_sandbox.password)
    alerts()
    assert len(ismart_sandbox.messages) == 3


@pytest.mark.parametrize(
    "try_it",
    [
        lambda: ISmartHook("mistyped").send(ON_CALL, "Hello"),
        lambda: ISmartHook("mistyped").probe(),
        lambda: ISmartHook("mistyped").test_connection(),
        lambda: ISmartCreditSensor(task_id="look", ismart_conn_id="mistyped").execute({}),
    ],
    ids=["send", "probe", "test_connection", "sensor"],
)
def test_the_alert_about_a_refused_login_does_not_try_it_again(try_it, ismart_sandbox, mistyped):
    with suppress(ISmartLoginError):
        try_it()
    alerts()
    assert len(ismart_sandbox.calls) == 1


def test_sends_and_probes_outside_a_task_ignore_the_record(ismart_sandbox, mistyped):
    ismart_sandbox.configure(max_failed_logins=9)
    alerts()
    with pytest.raises(ISmartLoginError):
        ISmartHook("mistyped").send(ON_CALL, "Hello")
    assert ISmartHook("mistyped").probe() == 3
    assert len(ismart_sandbox.calls) == 3


@pytest.mark.parametrize("options", [{}, {"canary": ON_CALL}, {"deferrable": True}], ids=str)
def test_no_sensor_tries_a_refused_login(options, ismart_sandbox, mistyped):
    task = SimpleNamespace(dag_id="dag", run_id="run", task_id="send", map_index=-1, try_number=1)
    in_a_task = {"ti": task}
    for _ in range(2):
        sensor = ISmartCreditSensor(task_id="look", ismart_conn_id="mistyped", **options)
        with pytest.raises(ISmartLoginError) as raised:
            sensor.execute(in_a_task)
        assert "fake" not in str(raised.value)
    assert f"delete the Variable '{SharedState('login', 'mistyped').name}'" in str(raised.value)
    assert len(ismart_sandbox.calls) == 1


@pytest.mark.parametrize(
    "nonsense", [{"refused_at": 1}, {"refused_at": "2026-01-01"}, {"salt": None}, {}], ids=str
)
def test_an_edited_record_is_ignored(nonsense, ismart_sandbox, mistyped):
    alerts()
    refusals = SharedState("login", "mistyped")
    refusals.record(refusals.load() | nonsense if nonsense else {})
    alerts()
    assert len(ismart_sandbox.calls) == 2


def test_the_record_of_a_refusal_shows_neither_login_nor_password(ismart_sandbox, mistyped):
    alerts()
    refusals = SharedState("login", "mistyped")
    assert refusals.name.startswith("ismart_login_")
    assert set(refusals.load()) == {"refused_at", "salt", "fingerprint"}
    assert len(refusals.load()["fingerprint"]) == 4
    for secret in ("fake p@ss&1", "fake%20p%40ss%261", ismart_sandbox.user):
        assert secret not in str(refusals.load())


def test_a_login_refused_after_the_alert_gave_up_is_still_recorded(
    ismart_sandbox, mistyped, monkeypatch, airflow_version
):
    if airflow_version in {(3, 0), (3, 1)}:
        pytest.skip("on Airflow 3.0 and 3.1 a thread must not ask the supervisor beside the main one")
    monkeypatch.setattr("airflow_provider_ismart.alerts.alert.CALLING_SECONDS", 2)  # by then it is on its way
    monkeypatch.setattr("airflow_provider_ismart.alerts.alert.ENDING_SECONDS", 0.1)
    ismart_sandbox.fail(faults.Latency(seconds=5))
    alerts(1)
    [late] = [thread for thread in threading.enumerate() if thread.name == "ismart-alert"]
    late.join(30)  # without asking Airflow meanwhile: its stand-in for tests takes one thread at a time
    assert SharedState("login", "mistyped").load()
    alerts()
    assert len(ismart_sandbox.calls) == 1


def test_a_refused_login_outside_airflow_is_still_reported(ismart_sandbox):
    script = (
        "import sys; from airflow_provider_ismart.hooks.ismart import ISmartHook;"
        "print('the code:', ISmartHook().probe())"
    )
    described = ismart_sandbox.connection_json().replace(ismart_sandbox.password, "wrong")
    environment = os.environ | {
        "AIRFLOW_CONN_ISMART_DEFAULT": described,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere/airflow.db",
    }
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "the code: 3" in ended.stdout, ended.stderr
    assert len(ismart_sandbox.calls) == 1


@pytest.mark.parametrize(
    "troubles",
    [
        {"extra": {"ca_bundle": "/no/such/file"}},
        {"host": "no-such-host.invalid"},
        {"host": "http://127.0.0.1", "port": 1},
        {"password": ""},
    ],
    ids=str,
)
def test_a_broken_connection_raises_nothing_and_ends_soon(troubles, ismart_default):
    ismart_default(**troubles)
    started = time.monotonic()
    ISmartNotifier(recipients=ON_CALL)(failure())
    assert time.monotonic() - started < 20


def test_a_missing_connection_raises_nothing():
    ISmartNotifier(recipients=ON_CALL, ismart_conn_id="nowhere")(failure())


def test_an_alert_gives_up_on_a_gateway_that_does_not_answer(ismart_sandbox, ismart_default):
    ismart_default(extra={"read_timeout": 600})
    ismart_sandbox.fail(faults.Hang())
    started = time.monotonic()
    ISmartNotifier(recipients=ON_CALL)(failure())
    assert 7 < time.monotonic() - started < 20
    assert len(ismart_sandbox.calls) == 1


@pytest.mark.parametrize(
    "trouble", [{"password": "fake p@ss&1"}, {"host": "no-such-host.invalid", "password": "fake p@ss&1"}]
)
def test_logs_contain_no_password_number_or_text(trouble, ismart_default, caplog, capfd):
    ismart_default(**trouble)
    with caplog.at_level("DEBUG"):
        ISmartNotifier(recipients=ON_CALL, message="{{ broken.field }}")(failure())
    lines = (caplog.text + "".join(capfd.readouterr())).splitlines()
    # the supervisor that Airflow 3.0 has in tests alone prints what it is asked to mask
    logged = "\n".join(line for line in lines if "MaskSecret(" not in line)
    assert "Could not send an SMS about this event" in logged
    for secret in ("fake p@ss&1", "fake%20p%40ss%261", ON_CALL, "bills.send failed", "the amount of"):
        assert secret not in logged


def test_an_alert_that_gets_no_lock_in_time_is_not_sent(ismart_sandbox, monkeypatch):
    with monkeypatch.context() as patch, SharedState("login", "ismart_default").lock(Deadline()):
        patch.setattr("airflow_provider_ismart.coordination.locks.QUEUE_SECONDS", 0)
        ISmartNotifier(recipients=ON_CALL)(failure())
    assert not ismart_sandbox.calls
    ISmartNotifier(recipients=ON_CALL)(failure())
    assert len(ismart_sandbox.messages) == 1


def test_the_throttles_variable_shows_no_number(ismart_sandbox):
    about = SharedState("throttle", "bills.send failed", "ismart_default", ON_CALL)
    assert about.name == SharedState("throttle", "bills.send failed", "ismart_default", ON_CALL).name
    assert about.name.startswith("ismart_throttle_")
    assert ON_CALL not in about.name
    assert "bills" not in about.name


@pytest.mark.parametrize(
    "options", [{"max_parts": 0}, {"max_parts": 6}, {"throttle": 60}, {"throttle": timedelta(0)}], ids=str
)
def test_an_invalid_option_is_refused_when_the_dag_is_parsed(options):
    with pytest.raises(ValueError, match="it must be"):
        ISmartNotifier(recipients=ON_CALL, **options)


def test_an_alert_on_a_restricted_connection_reaches_only_its_allowed_numbers(ismart_sandbox, ismart_default):
    ismart_default(extra={"allowed_numbers": ON_CALL})
    ISmartNotifier(recipients=[ON_CALL, "96890000002"])(failure())
    assert [message.msisdn for message in ismart_sandbox.messages] == [ON_CALL]
    for _ in range(2):
        ISmartNotifier(recipients="96890000002", throttle=timedelta(hours=1))(failure())
    assert len(ismart_sandbox.calls) == 1


class Approval:
    """A stand-in for an ``HITLOperator``; the approval example runs a real one."""

    def __init__(self, link):
        self._link = link

    def generate_link_to_ui_from_context(self, *, context):
        return self._link


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (60, "Airflow: bills.approve waits for an answer, run 2030-01-31 07:30Z {link}"),
        (130, "Airflow: bills.approve wai... {link}"),
        (170, "Airflow: bills.approve waits for an answer, run 2030-01-31 07:30Z"),
    ],
)
def test_a_link_to_an_approval_is_complete_or_left_out(length, text, ismart_sandbox):
    link = "https://airflow.example/".ljust(length, "a")
    ISmartNotifier(recipients=ON_CALL)(waiting(link))
    [message] = ismart_sandbox.messages
    assert message.text == text.format(link=link)
    assert message.parts == 1


def test_a_custom_message_gets_no_link(ismart_sandbox):
    ISmartNotifier(recipients=ON_CALL, message="Please approve.")(waiting("https://airflow.example/"))
    assert texts(ismart_sandbox) == ["Please approve."]


def waiting(link):
    context = failure("approve", task=Approval(link))
    context["ti"].state = "running"
    del context["exception"]
    return context


def quiet_hours_around(now):
    """Return quiet hours that contain the moment and end hours later."""
    return f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=10):%H:%M}"


@pytest.mark.parametrize("respect_quiet_hours", [False, True])
def test_an_alert_ignores_quiet_hours_unless_it_respects_them(respect_quiet_hours, ismart_default, ismart_sandbox):
    ismart_default(extra={"quiet_hours": quiet_hours_around(datetime.now(ZoneInfo("Asia/Muscat")))})
    ISmartNotifier(recipients=ON_CALL, respect_quiet_hours=respect_quiet_hours)(failure())
    [message] = ismart_sandbox.messages
    assert message.state == ("scheduled" if respect_quiet_hours else "sent")


def test_respect_quiet_hours_must_be_a_boolean():
    with pytest.raises(ValueError, match="respect_quiet_hours is 'yes'; it must be True or False"):
        ISmartNotifier(recipients=ON_CALL, respect_quiet_hours="yes")
