"""The trigger: probe the account periodically from the triggerer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException
from airflow.triggers.base import TriggerEvent

from airflow_provider_ismart.core.credit import ALERT_CODES, ProbeVerdict, Watch, in_words, seen
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate
from airflow_provider_ismart.hooks.ismart import ISmartHook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from airflow.triggers.base import BaseEventTrigger
else:
    try:
        from airflow.triggers.base import BaseEventTrigger
    except ImportError:  # Airflow 2.11 has no assets to watch
        from airflow.triggers.base import BaseTrigger as BaseEventTrigger


class ISmartCreditTrigger(BaseEventTrigger):
    """Watch the account with the free probe, and fire when what is waited for appears.

    As an ``AssetWatcher``'s trigger it never ends: it fires when an alert code appears, not while it lasts, and
    again when another one takes its place or when it comes back. After a refused login it looks no more until
    the triggerer starts anew, for Airflow restarts an asset's trigger that ends, and each start would be one
    more wrong login. It sends no messages.

    An event is ``{"code": int, "description": str, "help": str}``.

    :param ismart_conn_id: the connection that holds the account.
    :param poke_interval: seconds between two looks.
    :param alert_codes: the return codes that are an alert.
    :param wait_for: ``"alert"``, or ``"ok"`` to fire when no trouble is seen.
    :param max_failed_looks: with ``once``, after so many looks in a row without a verdict it fires, too.
    :param once: end with the first event, and fire for what ends a sensor as well: a refused login, a dead
        account. The sensor uses it.
    :raises ValueError: an option is none of what it can be.
    """

    def __init__(
        self,
        ismart_conn_id: str = ISmartHook.default_conn_name,
        poke_interval: float = 3600.0,
        alert_codes: Sequence[int] = ALERT_CODES,
        wait_for: str = "alert",
        max_failed_looks: int = 5,
        *,
        once: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.supports_triggerer_queue = once  # a sensor's goes where its task's queue says, as any task's trigger
        self._watch = Watch.of(alert_codes, wait_for)
        self.ismart_conn_id = ismart_conn_id
        self.poke_interval = poke_interval
        self.alert_codes = alert_codes
        self.wait_for = wait_for
        self.max_failed_looks = max_failed_looks
        self.once = once

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another triggerer makes the same trigger of; nothing in it is secret."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "ismart_conn_id": self.ismart_conn_id,
                "poke_interval": self.poke_interval,
                "alert_codes": list(self.alert_codes),
                "wait_for": self.wait_for,
                "max_failed_looks": self.max_failed_looks,
                "once": self.once,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Probe until there is something to report."""
        async for outcome in self._what_ends_a_sensor() if self.once else self._appearances():
            yield TriggerEvent(seen(outcome))  # type: ignore[no-untyped-call]

    async def _what_ends_a_sensor(self) -> AsyncIterator[CallOutcome]:
        failed_looks = 0
        while True:
            outcome, verdict = await self._look()
            failed_looks = failed_looks + 1 if verdict is ProbeVerdict.NO_VERDICT else 0
            if (
                verdict not in {ProbeVerdict.NOT_YET, ProbeVerdict.NO_VERDICT}
                or failed_looks >= self.max_failed_looks
            ):
                yield outcome
                return
            await asyncio.sleep(self.poke_interval)

    async def _appearances(self) -> AsyncIterator[CallOutcome]:
        present: int | None = None
        while True:
            outcome, verdict = await self._look()
            if verdict is ProbeVerdict.LOGIN_REFUSED:
                self.log.error("The watch is over: with this login, the next look could lock the account.")
                await asyncio.Event().wait()  # to end would be to be restarted, with the same login
            if verdict is ProbeVerdict.FOUND and outcome.code != present:
                yield outcome
            if verdict is not ProbeVerdict.NO_VERDICT:
                present = outcome.code if verdict is ProbeVerdict.FOUND else None
            await asyncio.sleep(self.poke_interval)

    async def _look(self) -> tuple[CallOutcome, ProbeVerdict]:
        """Probe in a thread, the look-up of the connection included, which blocks on Airflow 3 too.

        In a thread of another kind, Airflow 3.0 would read the answer to the look-up in an event loop of its own,
        and the triggerer could be asked nothing more.
        """
        from asgiref.sync import sync_to_async  # noqa: PLC0415  # a DAG file's import can do without

        try:
            outcome = await sync_to_async(self._probe, thread_sensitive=False)()
        except Exception as error:  # noqa: BLE001  # a watch outlives whatever keeps the connection from it
            why = error if isinstance(error, AirflowException) else type(error).__name__
            outcome = CallOutcome(fate=Fate.NOT_SENT, detail=f"the connection cannot be used: {why}", attempts=0)
        verdict = self._watch.verdict(outcome.code)
        level = self.log.info if verdict in {ProbeVerdict.FOUND, ProbeVerdict.NOT_YET} else self.log.warning
        level("Looked at the account: %s", in_words(outcome))
        return outcome, verdict

    def _probe(self) -> CallOutcome:
        return ISmartHook(self.ismart_conn_id).probe_outcome()
