"""One alert by SMS: in bounded time, in no ledger, and never again through a login that was refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_ismart.alerts.memory import Memory, Queue
from airflow_provider_ismart.exceptions import ISmartLoginError, ISmartUncertainFinalError
from airflow_provider_ismart.hooks.ismart import ISmartHook

if TYPE_CHECKING:
    from airflow_provider_ismart.client import GatewayClient
    from airflow_provider_ismart.sending import Log

#: How long a connection through which a login was refused is left alone.
LOGIN_PAUSE = timedelta(hours=1)

#: The most that an alert waits for a connection, and for an answer, whatever the connection's extras say.
CONNECT_SECONDS = 3.0
READ_SECONDS = 8.0
#: After the first no call starts any more; after both the alert is given up.
CALLING_SECONDS = 4.0
ENDING_SECONDS = CONNECT_SECONDS + READ_SECONDS

_Result = TypeVar("_Result")


def send_alert(conn_id: str, recipients: Any, text: str, *, max_parts: int, queue: Queue, log: Log) -> None:
    """Send ``text`` to ``recipients``, or raise 15 seconds after its turn has come, if not before.

    Alerts through one connection go one after the other on a machine, so that the second knows what became of
    the first one's login.

    :raises ISmartError: not everybody was told; an :class:`ISmartLoginError` also where no call was made, for
        the login was refused within :data:`LOGIN_PAUSE`.
    :raises InputError: recipients or text cannot be used as they are.
    :raises BusyError: too many alerts at once.
    """
    refusals = Memory("login", conn_id)
    with refusals.turn(queue):
        refused_at = refusals.recall().get("refused_at")
        if refused_at and abs(datetime.now(UTC) - datetime.fromisoformat(refused_at)) < LOGIN_PAUSE:
            raise ISmartLoginError(
                f"The login was refused at {refused_at}: no alert goes through {conn_id!r} for an hour from then."
            )
        try:
            _send(ISmartHook(conn_id), recipients, text, max_parts, log)
        except ISmartLoginError:
            refusals.put_down({"refused_at": datetime.now(UTC).isoformat(timespec="seconds")})
            raise


def _send(hook: ISmartHook, recipients: Any, text: str, max_parts: int, log: Log) -> None:
    from airflow_provider_ismart.client import GatewayClient  # noqa: PLC0415  # brings requests
    from airflow_provider_ismart.options import SendOptions  # noqa: PLC0415  # needed at run time alone
    from airflow_provider_ismart.sending import Send  # noqa: PLC0415
    from airflow_provider_ismart.sms.ledger import MemoryLedger  # noqa: PLC0415

    message = text.replace("{", "{{").replace("}", "}}")  # a template for each row's values: there are none
    options = SendOptions.of(message=message, max_parts=max_parts, on_empty="fail")
    settings = hook.get_conn().settings
    patience = replace(
        settings,
        connect_timeout=min(settings.connect_timeout, CONNECT_SECONDS),
        read_timeout=min(settings.read_timeout, READ_SECONDS),
    )
    with closing(GatewayClient(patience)) as client:
        send = Send(recipients, options, client, log)
        _in_time(lambda: send.run(MemoryLedger(), replaces_texts=False), client)


def _in_time(run: Callable[[], _Result], client: GatewayClient) -> _Result:
    """Return what ``run`` returns, or stop waiting for it: a name server, say, keeps to no time-out of ours."""
    result: Future[_Result] = Future()

    def keep_result() -> None:
        try:
            result.set_result(run())
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            result.set_exception(error)

    Thread(target=keep_result, name="ismart-alert", daemon=True).start()
    try:
        return result.result(CALLING_SECONDS)
    except TimeoutError:
        client.halted.set()
    try:
        return result.result(ENDING_SECONDS)
    except TimeoutError:
        raise ISmartUncertainFinalError("No answer came in time; the alert may or may not arrive.") from None
