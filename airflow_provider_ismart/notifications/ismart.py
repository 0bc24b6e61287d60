"""`ISmartNotifier` sends an SMS about a task or a DAG; `ISmartCreditAlert` calls others if the credit runs out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from copy import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseNotifier, Variable

from airflow_provider_ismart.coordination.locks import BusyError, Deadline
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.segmentation import MAX_PARTS, language, parts, shorten
from airflow_provider_ismart.exceptions import ISmartError
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.rendered_options import is_nothing

if TYPE_CHECKING:
    from collections.abc import Generator

    import jinja2
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ismart.alerts.event import Event

#: How long a DAG's callback waits for its locks. The DAG processor runs it together with all other callbacks of
#: the file, and ends them after 50 seconds (``dag_file_processor_timeout``).
DAG_QUEUE_SECONDS = 15.0

#: Errors whose message is known to contain no secret.
_SAFE_TO_LOG = (ISmartError, InputError, BusyError, AirflowNotFoundException)


class ISmartNotifier(BaseNotifier):
    """Send an SMS about an event of a task or a DAG.

    For ``on_failure_callback`` and similar callbacks, of tasks and DAGs, and from Airflow 3.1 on for a
    ``DeadlineAlert`` and for the ``notifiers`` of an ``ApprovalOperator``.
    A send ends after 15 seconds. If many alerts run at once, it first waits up to 3 minutes (15 seconds in a DAG
    callback). Calling it never raises; failures are logged.

    :param recipients: who gets the message (templated): a number, text with several, or a list.
    :param message: the text (templated). Without one, or if it cannot be rendered, the message says what happened
        to which task, in which try and run. For an approval, it includes the link to the approval page.
    :param max_parts: the most parts of the message, 1 to 5; a longer one is cut.
    :param throttle: send one message per period; the next one says how many were suppressed.
    :param throttle_key: what is throttled together (templated); by default the same event, such as a failure,
        of one task or DAG. Alerts to different recipients or through different connections are separate.
    :param ismart_conn_id: the connection that holds the account (templated).
    :param respect_quiet_hours: whether the connection's ``quiet_hours`` delay the message, too.
    :param context: set by Airflow for a deadline's alert.
    :raises ValueError: an option is invalid.
    """

    template_fields = ("recipients", "message", "throttle_key", "ismart_conn_id")

    def __init__(
        self,
        *,
        recipients: str | Collection[str],
        message: str | None = None,
        max_parts: int = 1,
        throttle: timedelta | None = None,
        throttle_key: str | None = None,
        ismart_conn_id: str = ISmartHook.default_conn_name,
        respect_quiet_hours: bool = False,
        context: Context | None = None,
    ) -> None:
        super().__init__()
        if type(max_parts) is not int or not 1 <= max_parts <= MAX_PARTS:
            raise InputError(f"max_parts is {max_parts!r}; it must be 1 to {MAX_PARTS}")
        _check_period("throttle", throttle)
        if not isinstance(respect_quiet_hours, bool):
            raise InputError(f"respect_quiet_hours is {respect_quiet_hours!r}; it can be True or False")
        self.recipients: Any = recipients
        self.message = message
        self.max_parts = max_parts
        self.throttle = throttle
        self.throttle_key = throttle_key
        self.ismart_conn_id = ismart_conn_id
        self.respect_quiet_hours = respect_quiet_hours
        self.context: Any = context or {}

    def __call__(self, *args: Any) -> None:
        """Render a copy and send it, because one notifier serves many tasks and rendering changes it."""
        BaseNotifier.__call__(copy(self), *args)

    def __await__(self) -> Generator[Any, None, None]:
        """Do the same in a thread, with the context passed to the constructor."""
        return _in_a_thread(self)(self.context).__await__()

    def notify(self, context: Context) -> None:
        """Send the message, unless it is throttled."""
        from airflow_provider_ismart.alerts.event import Event  # noqa: PLC0415  # only needed at run time

        try:
            self._alert(Event.of(context), _deadline(context))
        except Exception as error:  # noqa: BLE001  # a callback must not raise
            _log_failure(self.log, "No SMS for this event", error)

    async def async_notify(self, context: Context) -> None:
        """Do the same as :meth:`notify`, in a thread."""
        await _in_a_thread(self.notify)(context)

    def _alert(self, event: Event, deadline: Deadline) -> None:
        from airflow_provider_ismart.coordination.throttle import Throttle  # noqa: PLC0415  # only needed at run time

        text, link = str(self.message or "").encode(errors="replace").decode().strip(), ""
        if not text:
            text, link = str(event), event.link and f" {event.link}"
        if self.throttle is None:
            self._send(self._in_parts(text, link), deadline)
            return
        key = self.throttle_key or event.key
        throttle = Throttle(self.throttle, deadline, key, self.ismart_conn_id, *_in_order(self.recipients))
        suppressed = throttle.allow()
        if suppressed is None:
            self.log.info("Suppressed: an SMS about this event was sent less than %s ago.", self.throttle)
            return
        tail = f" (+{suppressed:,} suppressed)" if suppressed else ""
        if not self._send(self._in_parts(text, link, tail), deadline):
            return
        try:
            throttle.record_sent(suppressed)
        except Exception as error:  # noqa: BLE001  # a callback must not raise
            _log_failure(self.log, "The SMS was sent, but the next one will count it as suppressed", error)

    def _in_parts(self, text: str, link: str, tail: str = "") -> str:
        """Return all three in ``max_parts`` parts. A link that does not fit is left out, never cut."""
        whole = shorten(text, self.max_parts, tail=link + tail)
        if link and parts(whole, language(whole)) > self.max_parts:
            return shorten(text, self.max_parts, tail=tail)
        return whole

    def _send(self, text: str, deadline: Deadline) -> bool:
        from airflow_provider_ismart.alerts.alert import send_alert  # noqa: PLC0415  # only needed at run time

        return send_alert(
            self.ismart_conn_id,
            self.recipients,
            text,
            max_parts=self.max_parts,
            respect_quiet_hours=self.respect_quiet_hours,
            deadline=deadline,
            log=self.log,
        )

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Render each field separately, so that a field that fails does not prevent the alert."""
        values: Any = context if "var" in context else {"dag": None, "var": {"value": _Variables()}, **context}
        environment = jinja_env or self.get_template_env(dag=context.get("dag"))
        for field in self.template_fields:
            given = getattr(self, field)
            has_default = field in {"message", "throttle_key"}
            try:
                # Before 3.3, Airflow's own method leaves a template that renders to nothing unrendered.
                setattr(self, field, self.render_template(given, values, environment, set()))
            except Exception as error:  # noqa: BLE001  # a template can raise anything
                _log_failure(self.log, f"{field} cannot be rendered", error)
                if has_default:
                    setattr(self, field, None)
            if has_default and given is not None and is_nothing(getattr(self, field)):
                self.log.warning("%s rendered to nothing. Its default is used.", field)
                setattr(self, field, None)

    def _update_context(self, context: Context) -> Context:
        """Do not change the context, so that other callbacks do not get the numbers."""
        return context


send_ismart_notification = ISmartNotifier


class ISmartCreditAlert(BaseNotifier):
    """Call other notifiers when a task fails with a return code of kind credit: the credit has run out.

    Their context has ``ismart_code``, ``ismart_description``, ``ismart_help`` and ``ismart_counts`` (rows by
    outcome). Other failures are ignored. It never raises: errors of notifiers are logged.

    :param notifiers: notifiers that do not send SMS, such as ``SmtpNotifier``, or functions that take the context.
    :param cooldown: after an alert, suppress others about the same code, connection and DAG for this time.
    :raises ValueError: ``cooldown`` is not a positive timedelta, or ``notifiers`` is not a list of callables.
    """

    def __init__(
        self,
        *,
        notifiers: Sequence[Callable[[Context], Any]],
        cooldown: timedelta | None = None,
    ) -> None:
        super().__init__()
        _check_period("cooldown", cooldown)
        if not isinstance(notifiers, Sequence) or not all(map(callable, notifiers)):
            raise InputError("notifiers must be a list of notifiers or of functions that take the context")
        self.notifiers = notifiers
        self.cooldown = cooldown

    def notify(self, context: Context) -> None:
        """Call the notifiers, if the failure is of kind credit."""
        from airflow_provider_ismart.coordination.credit_failure import credit_failure  # noqa: PLC0415  # only needed at run time
        from airflow_provider_ismart.core.return_codes import return_code  # noqa: PLC0415

        try:
            failure = credit_failure(context)
            if failure is None or not self._is_due(failure.code, context):
                return
        except Exception as error:  # noqa: BLE001  # a callback must not raise
            _log_failure(self.log, "No credit alert for this failure", error)
            return
        known = return_code(failure.code)
        found = {
            "ismart_code": failure.code,
            "ismart_description": known.description,
            "ismart_help": known.help,
            "ismart_counts": dict(failure.counts),
        }
        for notifier in self.notifiers:
            self._call(notifier, context, found)

    def _is_due(self, code: int, context: Context) -> bool:
        if self.cooldown is None:
            return True
        from airflow_provider_ismart.alerts.event import Event  # noqa: PLC0415  # only needed at run time
        from airflow_provider_ismart.coordination.throttle import Throttle  # noqa: PLC0415

        conn_id = getattr(context.get("task"), "ismart_conn_id", "")
        names = [_name(notifier) for notifier in self.notifiers]
        about = (Event.of(context).dag_id, str(conn_id), str(code), *names)
        is_due = Throttle(self.cooldown, _deadline(context), *about).allow() is not None
        if not is_due:
            self.log.info(
                "Suppressed: there was an alert about return code %d less than %s ago.", code, self.cooldown
            )
        return is_due

    def _call(self, notifier: Callable[[Context], Any], context: Context, found: Mapping[str, Any]) -> None:
        context.update(found)  # type: ignore[typeddict-item]
        try:
            copy(notifier)(context)  # a copy, because rendering changes the notifier
        except Exception as error:  # noqa: BLE001  # if one fails, the others are still called
            _log_failure(self.log, f"The credit alert's {_name(notifier)} failed", error)


class _Variables:
    """``var.value``, as in Airflow's templates."""

    def __getattr__(self, name: str) -> Any:
        return Variable.get(name)


def _in_a_thread(call: Callable[[Any], None]) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """Run a function in a thread that can call Airflow. Other threads would block Airflow 3.0's triggerer."""
    from asgiref.sync import sync_to_async  # noqa: PLC0415  # keeps the import of DAG files fast

    return sync_to_async(call, thread_sensitive=False)


def _deadline(context: Mapping[str, Any]) -> Deadline:
    """Return the deadline of a callback. Callbacks of DAGs, which alone have these keys, wait less."""
    return Deadline(DAG_QUEUE_SECONDS) if "reason" in context or "blocking_tis" in context else Deadline()


def _log_failure(log: Any, what: str, error: Exception) -> None:
    """Log why an alert was not sent, without a traceback, which could show secrets."""
    log.error("%s: %s", what, error if isinstance(error, _SAFE_TO_LOG) else type(error).__name__)


def _check_period(option: str, period: object) -> None:
    if period is not None and not (isinstance(period, timedelta) and period > timedelta(0)):
        raise InputError(f"{option} is {period!r}; it must be a positive timedelta")


def _in_order(recipients: Any) -> list[str]:
    if isinstance(recipients, (list, tuple, set, frozenset)):
        return sorted(map(str, recipients))
    return [str(recipients)]


def _name(notifier: Callable[..., Any]) -> str:
    return getattr(notifier, "__qualname__", None) or type(notifier).__qualname__
