"""Test the trigger in an event loop like the triggerer's: when it fires, and how often it checks."""

import asyncio
import json
import time

import pytest

from airflow_provider_ismart.exceptions import ISmartLoginError
from airflow_provider_ismart.sandbox import faults
from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor
from airflow_provider_ismart.triggers.ismart import ISmartCreditTrigger
from tests.return_codes import ACCOUNT, CREDIT, LOGIN

pytestmark = pytest.mark.usefixtures("ismart_default")

QUICK = 0.001
#: Checks that a test waits for to see that nothing comes.
SOME = 5


def watch(sandbox, looks, **options):
    """Let a watch make a number of checks; return the codes for which it fired."""

    async def run():
        fired = []

        async def collect():
            async for event in ISmartCreditTrigger(poke_interval=QUICK, **options).run():
                fired.append(event.payload["code"])  # noqa: PERF401  # the test looks while it grows

        task = asyncio.create_task(collect())
        deadline = time.monotonic() + 30
        while len(sandbox.calls) < looks and not task.done():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return fired

    return asyncio.run(run())


def once(**options):
    """Wait like a deferred sensor; return the payload of the only event."""

    async def run():
        trigger = ISmartCreditTrigger(poke_interval=QUICK, once=True, **options)
        return [event.payload async for event in trigger.run()]

    [payload] = asyncio.run(asyncio.wait_for(run(), 30))
    return payload


async def first_call(sandbox):
    """Wait until the sandbox has received a call."""
    while not sandbox.calls:  # noqa: ASYNC110  # the sandbox runs in another thread
        await asyncio.sleep(0.01)


def answers(sandbox, *codes):
    sandbox.fail(*(faults.ReturnCode(code=code) if code != 9 else None for code in codes))


def test_a_watch_fires_when_trouble_starts_and_not_while_it_lasts(ismart_sandbox):
    answers(ismart_sandbox, 9, 4, 4, 4, 9, 9, 4, 4)
    assert watch(ismart_sandbox, 9) == [4, 4]


def test_a_watch_fires_immediately_if_there_is_trouble_already(ismart_sandbox):
    ismart_sandbox.configure(credit=0)
    assert watch(ismart_sandbox, SOME) == [4]


def test_a_watch_fires_again_when_the_code_changes(ismart_sandbox):
    answers(ismart_sandbox, 4, 13, 13, 14)
    assert watch(ismart_sandbox, SOME) == [4, 13, 14]


def test_a_check_without_a_verdict_does_not_cause_a_repeated_alert(ismart_sandbox):
    ismart_sandbox.fail(
        faults.ReturnCode(code=4), faults.Garbage(), faults.HttpStatus(status=500), faults.ReturnCode(code=4)
    )
    assert watch(ismart_sandbox, SOME) == [4]


def test_a_watch_survives_any_number_of_checks_without_a_verdict(ismart_sandbox):
    ismart_sandbox.fail(faults.Drop(times=12), faults.ReturnCode(code=4))
    assert watch(ismart_sandbox, 14, max_failed_checks=2) == [4]


def test_a_watch_checks_again_once_the_connection_exists(ismart_sandbox, monkeypatch):
    described = ismart_sandbox.connection_json()
    ismart_sandbox.configure(credit=0)

    async def run():
        trigger = ISmartCreditTrigger("comes_later", poke_interval=QUICK)
        first = asyncio.create_task(anext(trigger.run()))
        await asyncio.sleep(0.1)
        assert not first.done()
        monkeypatch.setenv("AIRFLOW_CONN_COMES_LATER", described)
        return await asyncio.wait_for(first, 30)

    assert asyncio.run(run()).payload["code"] == 4


def test_a_watch_survives_any_error_while_reading_the_connection(ismart_sandbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", '{"conn_type": "ismart", "port": "no port"}')
    assert once(ismart_conn_id="broken", max_failed_checks=2)["code"] is None
    assert not ismart_sandbox.calls


def test_a_watch_for_ok_fires_when_the_trouble_is_gone(ismart_sandbox):
    answers(ismart_sandbox, 4, 13, 9, 9, 4, 9)
    assert watch(ismart_sandbox, 7, wait_for="ok") == [9, 9]


@pytest.mark.parametrize("code", sorted(LOGIN))
def test_a_watch_neither_checks_again_nor_ends_after_a_refused_login(code, ismart_sandbox):
    answers(ismart_sandbox, code)

    async def run():
        task = asyncio.create_task(anext(ISmartCreditTrigger(poke_interval=QUICK).run()))
        await first_call(ismart_sandbox)
        await asyncio.wait([task], timeout=0.5)  # hundreds of checks, if it made them
        assert not task.done()
        task.cancel()

    asyncio.run(run())
    assert len(ismart_sandbox.calls) == 1


def test_a_watch_resumes_after_a_refused_login_is_corrected(ismart_sandbox, ismart_default):
    ismart_default(password="wrong")
    ismart_sandbox.configure(credit=0)

    async def run():
        first = asyncio.create_task(anext(ISmartCreditTrigger(poke_interval=QUICK).run()))
        await first_call(ismart_sandbox)
        await asyncio.wait([first], timeout=0.5)
        assert ismart_sandbox.account.failed_logins == 1
        ismart_default()
        return await asyncio.wait_for(first, 30)

    assert asyncio.run(run()).payload["code"] == 4


def test_a_watch_that_cannot_use_its_store_warns_and_fires(ismart_sandbox, airflow_version, capsys):
    if airflow_version < (3, 3):
        pytest.skip("assets have a state store from Airflow 3.3 on")
    from airflow.sdk import Asset
    from airflow.sdk.execution_time.context import AssetStateStoreAccessors

    answers(ismart_sandbox, 9, 4)
    trigger = ISmartCreditTrigger(poke_interval=QUICK)
    trigger.asset_state_store = AssetStateStoreAccessors(
        [Asset("first"), Asset("second")]
    )  # both have the trigger
    event = asyncio.run(asyncio.wait_for(anext(trigger.run()), 30))
    assert event.payload["code"] == 4
    logged = capsys.readouterr().out
    assert "Could not read which trouble was reported" in logged
    assert "Could not record which trouble was reported" in logged


def test_a_wrong_password_is_tried_once_and_does_not_lock_the_account(ismart_sandbox, ismart_default):
    ismart_default(password="wrong")
    assert once()["code"] == 3
    assert (ismart_sandbox.account.failed_logins, ismart_sandbox.account.locked) == (1, False)


@pytest.mark.parametrize("code", sorted(LOGIN | ACCOUNT))
def test_an_outcome_that_ends_a_sensor_fires_at_the_first_check(code, ismart_sandbox):
    answers(ismart_sandbox, code)
    assert once()["code"] == code
    assert len(ismart_sandbox.calls) == 1


@pytest.mark.filterwarnings("ignore")  # what the supervisor imports
def test_a_sensors_trigger_makes_no_call_with_a_refused_login(ismart_sandbox, ismart_default, supervision):
    ismart_default(password="wrong")
    with supervision():
        assert once()["code"] == 3
        payload = once()
    assert (payload["code"], payload["is_blocked"]) == (None, True)
    assert "has not changed since" in payload["description"]
    assert ismart_sandbox.account.failed_logins == 1
    with pytest.raises(ISmartLoginError, match="has not changed since"):
        ISmartCreditSensor(task_id="credit").execute_complete({}, payload)


@pytest.mark.parametrize("code", sorted(CREDIT))
def test_an_event_has_description_and_help(code, ismart_sandbox):
    answers(ismart_sandbox, 9, 9, code)
    told = once()
    assert (told["code"], set(told)) == (code, {"code", "description", "help"})
    assert json.loads(json.dumps(told)) == told
    assert len(ismart_sandbox.calls) == 3


def test_a_sensors_trigger_ends_after_max_failed_checks_in_a_row(ismart_sandbox):
    ismart_sandbox.fail(faults.Drop(times=2), None, faults.Drop(times=3))
    told = once(max_failed_checks=3)
    assert told["code"] is None
    assert told["description"].startswith("no answer came")
    assert len(ismart_sandbox.calls) == 6


def test_a_check_does_not_block_other_triggers(ismart_sandbox):
    ismart_sandbox.fail(faults.Latency(seconds=1))

    async def run():
        look = asyncio.create_task(anext(ISmartCreditTrigger(wait_for="ok").run()))
        ticks = 0
        while not look.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks

    assert asyncio.run(run()) > 5


def test_the_trigger_sends_no_message(ismart_sandbox):
    credit = ismart_sandbox.account.credit
    watch(ismart_sandbox, SOME)
    assert (ismart_sandbox.messages, ismart_sandbox.account.credit) == ([], credit)


def test_serialized_arguments_recreate_the_trigger_and_contain_no_secret(ismart_sandbox):
    trigger = ISmartCreditTrigger(
        "billing", poke_interval=60, alert_codes=(4, 7), wait_for="ok", max_failed_checks=2, once=True
    )
    path, options = trigger.serialize()
    assert path == "airflow_provider_ismart.triggers.ismart.ISmartCreditTrigger"
    assert json.loads(json.dumps(options)) == options
    assert options == {
        "ismart_conn_id": "billing",
        "poke_interval": 60,
        "alert_codes": [4, 7],
        "wait_for": "ok",
        "max_failed_checks": 2,
        "once": True,
    }
    assert ISmartCreditTrigger(**options).serialize() == trigger.serialize()
    assert not ismart_sandbox.calls


@pytest.mark.parametrize("options", [{"alert_codes": (3,)}, {"wait_for": "bad"}])
def test_an_invalid_option_is_refused_when_the_trigger_is_created(options):
    with pytest.raises(ValueError, match="it must "):
        ISmartCreditTrigger(**options)


def test_an_asset_watcher_accepts_the_trigger(airflow_version):
    if airflow_version < (3, 0):
        pytest.skip("Airflow 2 has no asset watchers")
    from airflow.sdk import AssetWatcher

    assert AssetWatcher(name="credit", trigger=ISmartCreditTrigger()).name == "credit"
