"""Provide `ISmartCreditTrigger`, which probes the account periodically in the triggerer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException
from airflow.triggers.base import TriggerEvent

from airflow_provider_ismart.core.credit import ALERT_CODES, ProbeVerdict, Watch, in_words, seen
from airflow_provider_ismart.hooks.ismart import ISmartHook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from airflow.triggers.base import BaseEventTrigger

    from airflow_provider_ismart.core.outcomes import CallOutcome
    from airflow_provider_ismart.gateway.settings import Settings
else:
    try:
        from airflow.triggers.base import BaseEventTrigger
    except ImportError:  # Airflow 2.11 has no asset watchers
        from airflow.triggers.base import BaseTrigger as BaseEventTrigger


class ISmartCreditTrigger(BaseEventTrigger):
    """Probe the account periodically, and fire when it reaches the awaited state.

    As the trigger of an ``AssetWatcher``, it fires when trouble starts or its code changes, and runs forever.
    After a refused login it makes no calls until the login or password changes, but keeps running, because Airflow
    would restart it. It sends no messages.

    An event is ``{"code": int, "description": str, "help": str}``.

    :param ismart_conn_id: the connection that holds the account.
    :param poke_interval: seconds between checks.
    :param alert_codes: the return codes that mean trouble.
    :param wait_for: ``"alert"``, or ``"ok"`` to fire when a check finds no trouble.
    :param max_failed_checks: with ``once``, also fire after this many checks in a row without a verdict.
    :param once: end after the first event, and also fire for events that fail a sensor: a refused login, or an
        account that is not allowed to send. For use by the sensor.
    :raises ValueError: an option is invalid.
    """

    def __init__(
        self,
        ismart_conn_id: str = ISmartHook.default_conn_name,
        poke_interval: float = 3600.0,
        alert_codes: Sequence[int] = ALERT_CODES,
        wait_for: str = "alert",
        max_failed_checks: int = 5,
        *,
        once: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.supports_triggerer_queue = once  # a sensor's trigger uses the queue of its task
        self._watch = Watch(alert_codes, wait_for)
        self.ismart_conn_id = ismart_conn_id
        self.poke_interval = poke_interval
        self.alert_codes = alert_codes
        self.wait_for = wait_for
        self.max_failed_checks = max_failed_checks
        self.once = once
        self._refused: Settings | None = None
        #: Whether the last check made no call, because the login was refused earlier.
        self._is_blocked = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and arguments that recreate this trigger. They contain no secret."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "ismart_conn_id": self.ismart_conn_id,
                "poke_interval": self.poke_interval,
                "alert_codes": list(self.alert_codes),
                "wait_for": self.wait_for,
                "max_failed_checks": self.max_failed_checks,
                "once": self.once,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Probe until there is an event, and yield it."""
        async for outcome in self._what_ends_a_sensor() if self.once else self._appearances():
            blocked = {"is_blocked": True} if self._is_blocked else {}  # tells the sensor that no call was made
            yield TriggerEvent({**seen(outcome), **blocked})  # type: ignore[no-untyped-call]

    async def _what_ends_a_sensor(self) -> AsyncIterator[CallOutcome]:
        failed_checks = 0
        while True:
            outcome, verdict = await self._check()
            failed_checks = failed_checks + 1 if verdict is ProbeVerdict.NO_VERDICT else 0
            if (
                verdict not in {ProbeVerdict.NOT_YET, ProbeVerdict.NO_VERDICT}
                or failed_checks >= self.max_failed_checks
                or self._is_blocked
            ):
                yield outcome
                return
            await asyncio.sleep(self.poke_interval)

    async def _appearances(self) -> AsyncIterator[CallOutcome]:
        from airflow_provider_ismart.coordination.reported_trouble import ReportedTrouble  # noqa: PLC0415  # imports asgiref

        key = ":".join([self.ismart_conn_id, self.wait_for, *map(str, sorted(self.alert_codes))])
        reported = ReportedTrouble(getattr(self, "asset_state_store", None), key, self.log)
        await reported.load()
        while True:
            outcome, verdict = await self._check()
            if verdict is ProbeVerdict.LOGIN_REFUSED:
                self.log.error(
                    "The login of connection %r was refused. Correct its password; until then no more calls are "
                    "made, because they could lock the account.",
                    self.ismart_conn_id,
                )
            if verdict is ProbeVerdict.FOUND and outcome.code != reported.code:
                yield outcome
            if verdict not in {ProbeVerdict.NO_VERDICT, ProbeVerdict.LOGIN_REFUSED}:
                reported.update(outcome.code if verdict is ProbeVerdict.FOUND else None)
            await reported.record_during(self.poke_interval)

    async def _check(self) -> tuple[CallOutcome, ProbeVerdict]:
        """Look up the connection and probe the account in a thread, because both block.

        Only in this kind of thread can Airflow 3.0 look up a connection: in others it would read the answer in a
        separate event loop, and later calls of the triggerer would fail.
        """
        from asgiref.sync import sync_to_async  # noqa: PLC0415  # keeps the import of DAG files fast

        try:
            outcome = await sync_to_async(self._probe, thread_sensitive=False)()
        except Exception as error:  # noqa: BLE001  # keep watching if the connection cannot be read
            why = error if isinstance(error, AirflowException) else type(error).__name__
            outcome = _no_call(f"the connection cannot be used: {why}")
        verdict = self._watch.verdict(outcome.code)
        level = self.log.info if verdict in {ProbeVerdict.FOUND, ProbeVerdict.NOT_YET} else self.log.warning
        level("Account check: %s", in_words(outcome))
        return outcome, verdict

    def _probe(self) -> CallOutcome:
        hook = ISmartHook(self.ismart_conn_id)
        reason = self._block_reason(hook)
        self._is_blocked = reason is not None
        if reason:
            return _no_call(reason)
        outcome = hook.probe_outcome()
        if self._watch.verdict(outcome.code) is ProbeVerdict.LOGIN_REFUSED:
            self._refused = hook.settings
        return outcome

    def _block_reason(self, hook: ISmartHook) -> str | None:
        """Return why the login must not be tried, if this trigger or the shared record saw it refused."""
        if self._refused is not None and _login(self._refused) == _login(hook.settings):
            return (
                f"The login of connection {self.ismart_conn_id!r} was refused and has not changed since. No call "
                "was made, because it could lock the account. Correct the connection or, if Infocomm has unlocked "
                f"the account, delete the Variable {hook.refused_login.name!r} and restart the triggerer."
            )
        return hook.refused_login.block_reason()


def _no_call(why: str) -> CallOutcome:
    from airflow_provider_ismart.core.outcomes import CallOutcome, Fate  # noqa: PLC0415  # only needed at run time

    return CallOutcome(fate=Fate.NOT_SENT, detail=why, attempts=0)


def _login(settings: Settings) -> tuple[str, str]:
    return settings.login, settings.password
