"""Send one alert by SMS, in bounded time, without a ledger, and never with a refused login."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_2_PLUS

from airflow_provider_ismart.coordination.locks import Deadline
from airflow_provider_ismart.coordination.login_gate import LoginGate
from airflow_provider_ismart.coordination.refused_login import RefusedLogin
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.exceptions import ISmartError, ISmartLoginError, ISmartUncertainFinalError
from airflow_provider_ismart.hooks.ismart import ISmartHook

if TYPE_CHECKING:
    from airflow_provider_ismart.core.report import Report
    from airflow_provider_ismart.gateway.client import GatewayClient
    from airflow_provider_ismart.gateway.settings import Settings
    from airflow_provider_ismart.sending.progress import Log

#: The longest timeouts of an alert's calls, in seconds. They replace longer timeouts of the connection.
CONNECT_SECONDS = 3.0
READ_SECONDS = 8.0
#: No call starts after ``CALLING_SECONDS``. The alert gives up ``ENDING_SECONDS`` later.
CALLING_SECONDS = 4.0
ENDING_SECONDS = CONNECT_SECONDS + READ_SECONDS

#: On Airflow 3.0 and 3.1, two threads that call the supervisor concurrently can get each other's answers. From
#: 3.2 on, a lock prevents this.
_THREADS_REACH_AIRFLOW = AIRFLOW_V_3_2_PLUS or not AIRFLOW_V_3_0_PLUS


def send_alert(
    conn_id: str,
    recipients: Any,
    text: str,
    *,
    max_parts: int,
    respect_quiet_hours: bool,
    deadline: Deadline,
    log: Log,
) -> bool:
    """Send ``text`` to ``recipients``, and end within 15 seconds of getting a slot.

    Return whether any message was accepted: a restricted connection can exclude all recipients.

    A machine sends the alerts of a connection one at a time until a message is accepted, and then up to
    ``max_concurrency`` at a time.

    :raises ISmartError: not every recipient's message was accepted. An :class:`ISmartLoginError` can also mean
        that no call was made, because this login and password were refused less than a day ago.
    :raises InputError: the recipients or the text are invalid.
    :raises BusyError: no slot became free before the deadline.
    """
    settings = ISmartHook(conn_id).settings
    if not respect_quiet_hours:
        settings = replace(settings, quiet_hours=None)
    refused = RefusedLogin(conn_id, settings)
    gate = LoginGate(refused.name, settings)
    with gate.enter(deadline):
        if reason := refused.block_reason() or gate.block_reason():
            raise ISmartLoginError(reason)
        try:
            report = _send(settings, recipients, text, max_parts=max_parts, refused=refused, log=log)
        except ISmartLoginError:
            gate.record_refused(is_shared=refused.record(log))
            raise
        except ISmartError as error:
            if error.report and error.report.outcomes[Outcome.ACCEPTED]:
                gate.record_good()
            raise
        is_sent = bool(report.outcomes[Outcome.ACCEPTED])
        if is_sent:
            gate.record_good()
        return is_sent


def _send(
    settings: Settings, recipients: Any, text: str, *, max_parts: int, refused: RefusedLogin, log: Log
) -> Report:
    from airflow_provider_ismart.core.ledger import MemoryLedger  # noqa: PLC0415
    from airflow_provider_ismart.gateway.client import GatewayClient  # noqa: PLC0415  # imports requests
    from airflow_provider_ismart.sending.options import SendOptions  # noqa: PLC0415  # only needed at run time
    from airflow_provider_ismart.sending.send import Send  # noqa: PLC0415

    message = text.replace("{", "{{").replace("}", "}}")  # a template without placeholders
    options = SendOptions.of(message=message, max_parts=max_parts, on_empty="fail")
    limited = replace(
        settings,
        connect_timeout=min(settings.connect_timeout, CONNECT_SECONDS),
        read_timeout=min(settings.read_timeout, READ_SECONDS),
        max_concurrency=1,  # the gate already limits concurrent alerts
    )
    with closing(GatewayClient(limited)) as client:
        send = Send(recipients, options, client, log)
        return _in_time(
            lambda: send.run(MemoryLedger()),
            client,
            if_refused_late=lambda: refused.record(log),
        )


def _in_time(run: Callable[[], Report], client: GatewayClient, *, if_refused_late: Callable[[], object]) -> Report:
    """Call ``run`` with a time limit, because a DNS lookup, for example, has no timeout."""
    result: Future[Report] = Future()

    def keep_result() -> None:
        report, error = None, None
        try:
            report = run()
        except BaseException as raised:  # noqa: BLE001  # raised again in the waiting thread
            error = raised
        if result.set_running_or_notify_cancel():
            result.set_exception(error) if report is None else result.set_result(report)
        elif isinstance(error, ISmartLoginError) and _THREADS_REACH_AIRFLOW:
            if_refused_late()

    Thread(target=keep_result, name="ismart-alert", daemon=True).start()
    try:
        with suppress(TimeoutError):
            return result.result(CALLING_SECONDS)
    finally:  # also if a signal ends the wait
        client.halted.set()
    with suppress(TimeoutError):
        return result.result(ENDING_SECONDS)
    if result.cancel():
        raise ISmartUncertainFinalError("No answer came in time. The alert may or may not arrive.")
    return result.result()
