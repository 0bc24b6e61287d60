"""One alert by SMS: in bounded time, in no ledger, and never again through a login that was refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_3_PLUS

from airflow_provider_ismart.coordination.refused_login import RefusedLogin
from airflow_provider_ismart.coordination.variables import Queue
from airflow_provider_ismart.exceptions import ISmartLoginError, ISmartUncertainFinalError
from airflow_provider_ismart.hooks.ismart import ISmartHook

if TYPE_CHECKING:
    from airflow_provider_ismart.client import GatewayClient
    from airflow_provider_ismart.sending import Log
    from airflow_provider_ismart.settings import Settings

#: The most that an alert waits for a connection, and for an answer, whatever the connection's extras say.
CONNECT_SECONDS = 3.0
READ_SECONDS = 8.0
#: After the first no call starts any more; after both the alert is given up.
CALLING_SECONDS = 4.0
ENDING_SECONDS = CONNECT_SECONDS + READ_SECONDS

#: On Airflow 3.0, two threads that ask the supervisor at once may get each other's answers; 3.3 has a lock.
_THREADS_REACH_AIRFLOW = AIRFLOW_V_3_3_PLUS or not AIRFLOW_V_3_0_PLUS


def send_alert(conn_id: str, recipients: Any, text: str, *, max_parts: int, queue: Queue, log: Log) -> None:
    """Send ``text`` to ``recipients``, or raise 15 seconds after its turn has come, if not before.

    Alerts through one connection go one after the other on a machine, so that the second knows what became of
    the first one's login.

    :raises ISmartError: not everybody was told; an :class:`ISmartLoginError` also where no call was made, for
        this login and password were refused less than a day ago, by whatever call.
    :raises InputError: recipients or text cannot be used as they are.
    :raises BusyError: too many alerts at once.
    """
    settings = ISmartHook(conn_id).settings
    refusal = RefusedLogin(conn_id, settings)
    with refusal.turn(queue):
        if refused := refusal.in_words():
            raise ISmartLoginError(refused)
        try:
            _send(settings, recipients, text, max_parts=max_parts, refusal=refusal, log=log)
        except ISmartLoginError:
            refusal.put_down(log)
            raise


def _send(
    settings: Settings, recipients: Any, text: str, *, max_parts: int, refusal: RefusedLogin, log: Log
) -> None:
    from airflow_provider_ismart.client import GatewayClient  # noqa: PLC0415  # brings urllib3
    from airflow_provider_ismart.options import SendOptions  # noqa: PLC0415  # needed at run time alone
    from airflow_provider_ismart.sending import Send  # noqa: PLC0415
    from airflow_provider_ismart.sms.ledger import MemoryLedger  # noqa: PLC0415

    message = text.replace("{", "{{").replace("}", "}}")  # a template for each row's values: there are none
    options = SendOptions.of(message=message, max_parts=max_parts, on_empty="fail")
    patience = replace(
        settings,
        connect_timeout=min(settings.connect_timeout, CONNECT_SECONDS),
        read_timeout=min(settings.read_timeout, READ_SECONDS),
    )
    with closing(GatewayClient(patience)) as client:
        send = Send(recipients, options, client, log)
        _in_time(
            lambda: send.run(MemoryLedger()),
            client,
            if_refused_late=lambda: refusal.put_down(log),
        )


def _in_time(run: Callable[[], object], client: GatewayClient, *, if_refused_late: Callable[[], None]) -> None:
    """Raise what ``run`` raises, or stop waiting for it: a name server, say, keeps to no time-out of ours."""
    result: Future[None] = Future()

    def keep_result() -> None:
        error: BaseException | None = None
        try:
            run()
        except BaseException as raised:  # noqa: BLE001  # raised again where it is waited for
            error = raised
        if result.set_running_or_notify_cancel():
            result.set_exception(error) if error else result.set_result(None)
        elif isinstance(error, ISmartLoginError) and _THREADS_REACH_AIRFLOW:
            if_refused_late()

    Thread(target=keep_result, name="ismart-alert", daemon=True).start()
    with suppress(TimeoutError):
        return result.result(CALLING_SECONDS)
    client.halted.set()
    with suppress(TimeoutError):
        return result.result(ENDING_SECONDS)
    if result.cancel():
        raise ISmartUncertainFinalError("No answer came in time; the alert may or may not arrive.")
    return result.result()
