"""Test the sensor: what it returns and raises, how often it checks, and how Airflow handles it in each mode."""

import json
import runpy
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_ismart.exceptions import (
    ISmartAccountError,
    ISmartCreditTimeoutError,
    ISmartInputError,
    ISmartLoginError,
    ISmartRefusedError,
    ISmartUnavailableError,
)
from airflow_provider_ismart.sandbox import faults
from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor
from tests.return_codes import ACCOUNT, CREDIT, LOGIN

# What Airflow itself warns of when a task runs in this process is not ours to mend.
pytestmark = [pytest.mark.usefixtures("ismart_default"), pytest.mark.filterwarnings("default")]

QUICK = 0.001
CANARY = "96890000001"
MODES = {"poke": {}, "reschedule": {"mode": "reschedule"}, "deferred": {"deferrable": True}}
HOW_TO_FAIL = [{}, {"soft_fail": True}, {"never_fail": True}, {"silent_fail": True}]
by_name = {"ids": lambda options: next(iter(options), "plain")}


def sense(**options):
    return ISmartCreditSensor(task_id="watch", **{"poke_interval": QUICK} | options).execute({})


def answers(sandbox, *codes):
    sandbox.fail(*(faults.ReturnCode(code=code) if code != 9 else None for code in codes))


# --- what it waits for


@pytest.mark.parametrize("code", sorted(CREDIT))
def test_the_sensor_succeeds_when_an_alert_code_appears(code, ismart_sandbox):
    answers(ismart_sandbox, 9, 9, code)
    payload = sense()
    assert (payload["code"], set(payload)) == (code, {"code", "description", "help"})
    assert json.loads(json.dumps(payload)) == payload
    assert len(ismart_sandbox.calls) == 3


def test_wait_for_ok_waits_until_the_trouble_is_gone(ismart_sandbox):
    answers(ismart_sandbox, 4, 13, 14, 9)
    assert sense(wait_for="ok")["code"] == 9
    assert len(ismart_sandbox.calls) == 4


def test_alert_codes_can_be_changed(ismart_sandbox):
    answers(ismart_sandbox, 4, 13, 18)
    assert sense(alert_codes=(18,))["code"] == 18


def test_the_probe_costs_nothing_and_reaches_nobody(ismart_sandbox):
    credit = ismart_sandbox.account.credit
    sense(wait_for="ok")
    assert (ismart_sandbox.messages, ismart_sandbox.account.credit) == ([], credit)


# --- what ends it immediately


@pytest.mark.parametrize("how", HOW_TO_FAIL, **by_name)
@pytest.mark.parametrize("mode", [{}, {"deferrable": True}, {"canary": CANARY}], **by_name)
def test_a_wrong_password_is_tried_once_regardless_of_the_failure_options(
    mode, how, ismart_sandbox, ismart_default
):
    ismart_default(password="wrong")
    skips = {"soft_fail", "never_fail"} & how.keys()
    with pytest.raises(AirflowSkipException if skips else ISmartLoginError):
        sense(**mode, **how)
    assert len(ismart_sandbox.calls) == 1
    assert (ismart_sandbox.account.failed_logins, ismart_sandbox.account.locked) == (1, False)


@pytest.mark.parametrize(
    ("code", "error"),
    [(code, ISmartLoginError) for code in sorted(LOGIN)]
    + [(code, ISmartAccountError) for code in sorted(ACCOUNT)],
)
@pytest.mark.parametrize("wait_for", ["alert", "ok"])
def test_a_login_or_account_code_ends_the_sensor_at_the_first_check(code, error, wait_for, ismart_sandbox):
    answers(ismart_sandbox, code)
    with pytest.raises(error, match=rf"return code {code} ") as raised:
        sense(wait_for=wait_for)
    assert isinstance(raised.value, AirflowFailException)
    assert raised.value.code == code
    assert len(ismart_sandbox.calls) == 1


# --- looks without a verdict


def test_the_sensor_checks_again_after_a_check_without_a_verdict(ismart_sandbox):
    ismart_sandbox.fail(
        faults.Drop(), faults.HttpStatus(status=500), faults.Garbage(), faults.ReturnCode(code=11),
        faults.ReturnCode(code=4),
    )  # fmt: skip
    assert sense()["code"] == 4
    assert len(ismart_sandbox.calls) == 5


def test_the_sensor_fails_after_max_failed_checks_and_can_be_retried(ismart_sandbox):
    ismart_sandbox.fail(faults.Drop(times=2), None, faults.HttpStatus(status=500, times=3))
    with pytest.raises(ISmartUnavailableError, match="HTTP 500") as raised:
        sense(max_failed_checks=3)
    assert not isinstance(raised.value, AirflowFailException)
    assert len(ismart_sandbox.calls) == 6


@pytest.mark.parametrize("code", [11, 15, 99])
def test_a_code_that_says_nothing_about_the_account_is_in_the_final_error(code, ismart_sandbox):
    ismart_sandbox.fail(faults.ReturnCode(code=code, times=2))
    with pytest.raises(ISmartRefusedError, match=rf"return code {code} "):
        sense(max_failed_checks=2)
    assert len(ismart_sandbox.calls) == 2


def test_no_error_or_log_contains_the_password(ismart_sandbox, ismart_default, caplog):
    ismart_default(password="fake p@ss&1")
    with caplog.at_level("DEBUG"), pytest.raises(ISmartLoginError) as raised:
        sense()
    for spelt in ("fake p@ss&1", "fake%20p%40ss%261"):
        assert spelt not in caplog.text + str(raised.value)


# --- when its time is over


@pytest.mark.parametrize("code", sorted(CREDIT))
def test_a_timeout_during_trouble_names_the_trouble(code, ismart_sandbox):
    answers(ismart_sandbox, code)
    with pytest.raises(ISmartCreditTimeoutError, match=rf"return code {code} ") as raised:
        sense(wait_for="ok", timeout=0)
    assert raised.value.code == code
    assert len(ismart_sandbox.calls) == 1


def test_a_timeout_without_trouble_is_airflows_own_error(ismart_sandbox):
    with pytest.raises(AirflowSensorTimeout) as raised:
        sense(timeout=0)
    assert type(raised.value) is AirflowSensorTimeout


def test_a_timeout_skips_the_task_with_soft_fail(ismart_sandbox):
    answers(ismart_sandbox, 4)
    with pytest.raises(AirflowSkipException):
        sense(wait_for="ok", timeout=0, soft_fail=True)


# --- the canary


def test_a_canary_is_a_real_message_per_check(ismart_sandbox):
    answers(ismart_sandbox, 4, 4)
    assert sense(canary=CANARY, wait_for="ok")["code"] == 1
    [message] = ismart_sandbox.messages
    assert (message.msisdn, message.parts) == (CANARY, 1)
    assert len(ismart_sandbox.calls) == 3


def test_a_canary_detects_missing_credit_that_the_probe_misses(ismart_sandbox):
    ismart_sandbox.configure(credit=0, probe_sees_credit=False)
    assert sense(wait_for="ok")["code"] == 9
    assert sense(canary=CANARY)["code"] == 4


def test_an_uncertain_canary_is_no_verdict(ismart_sandbox):
    ismart_sandbox.fail(faults.Drop(), faults.ReturnCode(code=11))
    assert sense(canary=CANARY, wait_for="ok")["code"] == 1
    assert len(ismart_sandbox.calls) == 3


@pytest.mark.parametrize("canary", ["", "not a number"])
def test_an_invalid_canary_number_fails_before_any_call(canary, ismart_sandbox):
    with pytest.raises(ISmartInputError):
        sense(canary=canary)
    assert not ismart_sandbox.calls


def test_an_opted_out_canary_ends_the_sensor(ismart_sandbox):
    ismart_sandbox.configure(opted_out=[CANARY])
    with pytest.raises(ISmartRefusedError, match="return code 23"):
        sense(canary=CANARY)
    assert len(ismart_sandbox.calls) == 1


def test_a_canary_finds_an_account_code_in_alert_codes(ismart_sandbox):
    answers(ismart_sandbox, 20)
    assert sense(canary=CANARY, alert_codes=(4, 20))["code"] == 20


def test_a_canary_does_not_wait_on_an_account_code_outside_alert_codes(ismart_sandbox):
    answers(ismart_sandbox, 20)
    with pytest.raises(ISmartAccountError, match="return code 20"):
        sense(canary=CANARY)
    assert len(ismart_sandbox.calls) == 1


def test_a_canary_that_is_refused_for_another_reason_is_no_verdict(ismart_sandbox):
    answers(ismart_sandbox, 77, 15)
    assert sense(canary=CANARY, wait_for="ok")["code"] == 1
    assert len(ismart_sandbox.calls) == 3


@pytest.mark.parametrize("max_failed_checks", [0, "5", 1.5, True])
def test_max_failed_checks_must_be_a_positive_integer(max_failed_checks):
    with pytest.raises(ValueError, match=r"max_failed_checks is .*; it must be an integer, 1 or more"):
        ISmartCreditSensor(task_id="watch", max_failed_checks=max_failed_checks)


def test_a_canary_outside_allowed_numbers_fails_before_any_call(ismart_default, ismart_sandbox):
    ismart_default(extra={"allowed_numbers": "96890000002"})
    with pytest.raises(ISmartInputError, match="canary was not sent: 1 x not in the allowed numbers"):
        sense(canary=CANARY)
    assert not ismart_sandbox.calls


def test_a_canary_cannot_be_deferrable():
    with pytest.raises(ValueError, match="a canary cannot be sent from the triggerer"):
        ISmartCreditSensor(task_id="watch", canary=CANARY, deferrable=True)


@pytest.mark.parametrize("options", [{"alert_codes": (3,)}, {"alert_codes": ()}, {"wait_for": "credit"}])
def test_an_invalid_option_is_refused_when_the_dag_is_parsed(options):
    with pytest.raises(ValueError, match="it must "):
        ISmartCreditSensor(task_id="watch", **options)


@pytest.mark.parametrize(
    ("options", "deferrable"),
    [({}, True), ({"deferrable": False}, False), ({"canary": CANARY}, False)],
    ids=["unsaid", "said otherwise", "canary"],
)
def test_deferrable_follows_airflows_default_except_with_a_canary(options, deferrable, monkeypatch):
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
    assert ISmartCreditSensor(task_id="watch", **options).deferrable is deferrable


# --- the outcome of a failure, which is the same in each mode

UNUSABLE = {"extra": {"ca_bundle": "/no/such/file"}}


@pytest.mark.parametrize("mode", [{}, {"deferrable": True}], **by_name)
@pytest.mark.parametrize(
    ("how", "error"), [({"soft_fail": True}, None), ({"never_fail": True}, AirflowSkipException)]
)
@pytest.mark.parametrize(
    ("trouble", "options", "plain"),
    [
        (UNUSABLE, {}, ISmartInputError),
        ({}, {"ismart_conn_id": "nowhere"}, AirflowNotFoundException),
        ({"host": "http://127.0.0.1", "port": 1}, {"max_failed_checks": 1}, ISmartUnavailableError),
    ],
    ids=["extra", "no connection", "no gateway"],
)
def test_soft_fail_skips_the_same_errors_in_deferrable_and_poke_mode(
    mode, how, error, trouble, options, plain, ismart_default
):
    ismart_default(**trouble)
    with pytest.raises(error or plain):
        sense(**mode, **how, **options)


def test_silent_fail_keeps_waiting_after_a_failed_check_when_deferred(ismart_sandbox):
    ismart_sandbox.fail(faults.Drop())
    with pytest.raises(TaskDeferred):
        sense(deferrable=True, silent_fail=True, max_failed_checks=1)
    assert len(ismart_sandbox.calls) == 1


NO_CODE = {"code": None, "description": "HTTP 500", "help": ""}


def resume(event, **options):
    """Resume after the triggerer, as Airflow does."""
    sensor = ISmartCreditSensor(task_id="watch", deferrable=True, timeout=60, **options)
    with pytest.raises(TaskDeferred) as deferred:
        sensor._wait_in_the_triggerer(datetime.now(UTC) + timedelta(seconds=60))
    kwargs = deferred.value.kwargs | {"event": event}
    return sensor.resume_execution(deferred.value.method_name, kwargs, {})


@pytest.mark.parametrize(
    ("how", "code", "error"),
    [
        ({}, None, ISmartUnavailableError),
        ({"soft_fail": True}, None, ISmartUnavailableError),
        ({"never_fail": True}, None, AirflowSkipException),
        ({"silent_fail": True}, None, TaskDeferred),
        ({}, 3, ISmartLoginError),
        ({"soft_fail": True}, 3, AirflowSkipException),
        ({"never_fail": True}, 3, AirflowSkipException),
        ({"silent_fail": True}, 3, ISmartLoginError),
        ({"soft_fail": True}, 11, AirflowSkipException),
        ({"silent_fail": True}, 11, ISmartRefusedError),
    ],
)
def test_the_triggers_event_ends_the_task_like_a_check_in_poke_mode(how, code, error):
    with pytest.raises(error):
        resume(NO_CODE | {"code": code}, **how)


def test_silent_fail_does_not_extend_the_timeout():
    with pytest.raises(TaskDeferred) as again:
        resume(NO_CODE, silent_fail=True)
    assert timedelta(seconds=30) < again.value.timeout <= timedelta(seconds=60)


@pytest.mark.parametrize("error", ["Trigger timeout", "Trigger/execution timeout"])
@pytest.mark.parametrize(
    ("how", "ends_as"),
    [
        ({}, AirflowSensorTimeout),
        ({"soft_fail": True}, AirflowSkipException),
        ({"never_fail": True}, AirflowSensorTimeout),
    ],
    ids=str,
)
def test_a_timeout_in_the_triggerer_ends_the_task_like_one_in_poke_mode(error, how, ends_as):
    sensor = ISmartCreditSensor(task_id="watch", deferrable=True, **how)
    with pytest.raises(ends_as):
        sensor.resume_execution("__fail__", {"error": error}, {})
    with pytest.raises(ends_as):
        sense(timeout=0, **how)


@pytest.mark.parametrize("how", [{}, {"soft_fail": True}, {"silent_fail": True}], ids=str)
def test_a_failed_trigger_fails_the_task(how):
    sensor = ISmartCreditSensor(task_id="watch", deferrable=True, **how)
    with pytest.raises(AirflowException) as raised:
        sensor.resume_execution("__fail__", {"error": "Trigger failure", "traceback": None}, {})
    assert not isinstance(raised.value, AirflowSkipException)


# --- in Airflow


DAG_FILE = """
from datetime import datetime, timedelta
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor

with DAG("{dag_id}", schedule=None, start_date=datetime(2024, 1, 1)) as dag:
    ISmartCreditSensor(task_id="watch", retries=3, retry_delay=timedelta(0), poke_interval=0.1, **{options!r})
"""


@pytest.fixture
def run(airflow_db, ismart_default, monkeypatch, tmp_path):
    """Run a sensor as a DAG's only task; return its task instance."""
    # Airflow 3.3 looks the DAG up in its folder; and it is to ask no name server
    monkeypatch.setattr("airflow.settings.DAGS_FOLDER", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__CORE__HOSTNAME_CALLABLE", "socket.gethostname")

    def start(**options):
        dag_id = f"credit_{uuid4().hex}"
        file = tmp_path / f"{dag_id}.py"
        file.write_text(DAG_FILE.format(dag_id=dag_id, options=options), encoding="utf-8")
        [instance] = runpy.run_path(str(file))["dag"].test().get_task_instances()
        return instance

    return start


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_returns_the_result_of_the_check(mode, run, ismart_sandbox):
    answers(ismart_sandbox, 9, 9, 14)
    instance = run(**MODES[mode])
    assert instance.state == "success"
    assert instance.xcom_pull(task_ids="watch")["code"] == 14
    assert len(ismart_sandbox.calls) == 3


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_password_is_tried_once_in_each_mode_despite_retries(mode, run, ismart_sandbox, ismart_default):
    ismart_default(password="wrong")
    assert run(**MODES[mode]).state == "failed"
    assert len(ismart_sandbox.calls) == 1
    assert not ismart_sandbox.account.locked


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_timeout_ends_the_task_without_a_retry(mode, run, ismart_sandbox):
    ismart_sandbox.configure(credit=0)
    assert run(wait_for="ok", timeout=0, **MODES[mode]).state == "failed"
    assert len(ismart_sandbox.calls) == 1


@pytest.mark.parametrize("how", [{}, {"soft_fail": True}, {"never_fail": True}], **by_name)
def test_a_login_refused_in_the_triggerer_ends_the_task_without_a_retry(how, run, ismart_sandbox):
    answers(ismart_sandbox, 9, 9, 3, 3)
    assert run(deferrable=True, **how).state == ("skipped" if how else "failed")
    assert len(ismart_sandbox.calls) == 3


def test_rendered_fields_do_not_show_the_canarys_number():
    sensor = ISmartCreditSensor(task_id="watch", canary="{{ 96890000000 + 1 }}", ismart_conn_id="{{ 'billing' }}")
    sensor.render_template_fields({})
    assert CANARY not in str(sensor.canary)
    assert sensor.canary.value == CANARY
    assert sensor.ismart_conn_id == "billing"
