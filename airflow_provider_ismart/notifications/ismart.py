"""Provide `ISmartNotifier`, which sends alerts by SMS, and `ISmartCreditAlert`, which reports credit trouble."""

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

#: How long a DAG's callback waits for its locks. The DAG processor runs all callbacks of a file together, and ends
#: them after 50 seconds (``dag_file_processor_timeout``).
DAG_QUEUE_SECONDS = 15.0

#: Errors whose message is known to contain no secret.
_SAFE_TO_LOG = (ISmartError, InputError, BusyError, AirflowNotFoundException)


class ISmartNotifier(BaseNotifier):
    """Send an SMS about an event of a task or a DAG.

    Use it in ``on_failure_callback`` and similar callbacks of tasks and DAGs and, from Airflow 3.1 on, in a
    ``DeadlineAlert`` and in the ``notifiers`` of an ``ApprovalOperator``. It never raises; failures are logged. A
    send takes at most 15 seconds. If many alerts start together, an alert waits up to 3 minutes for the others,
    or 15 seconds in a callback of a DAG.

    :param recipients: who gets the message (templated): a number, text with several numbers, or a list.
    :param message: the text (templated). By default, or if it cannot be rendered, the message says what happened
        to which task, in which try and run. For an approval, it includes a link to the approval page.
    :param max_parts: the most parts, 1 to 5. A longer message is cut.
    :param throttle: send one message per period. The next message says how many were suppressed.
    :param throttle_key: which alerts share the throttle (templated). By default, these are alerts about the same
        event, such as a failure, of one task or DAG. Recipients and connections are always throttled separately.
    :param ismart_conn_id: the connection that holds the account (templated).
    :param respect_quiet_hours: whether the connection's ``quiet_hours`` also delay this message.
    :param context: set by Airflow for a deadline alert.
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
            raise InputError(f"respect_quiet_hours is {respect_quiet_hours!r}; it must be True or False")
        self.recipients: Any = recipients
        self.message = message
        self.max_parts = max_parts
        self.throttle = throttle
        self.throttle_key = throttle_key
        self.ismart_conn_id = ismart_conn_id
        self.respect_quiet_hours = respect_quiet_hours
        self.context: Any = context or {}

    def __call__(self, *args: Any) -> None:
        """Render and send a copy, because rendering changes the notifier, which many tasks share."""
        BaseNotifier.__call__(copy(self), *args)

    def __await__(self) -> Generator[Any, None, None]:
        """Render and send in a thread, with the context from the constructor."""
        return _in_a_thread(self)(self.context).__await__()

    def notify(self, context: Context) -> None:
        """Send the message, unless it is throttled."""
        from airflow_provider_ismart.alerts.event import Event  # noqa: PLC0415  # only needed at run time

        try:
            self._alert(Event.of(context), _deadline(context))
        except Exception as error:  # noqa: BLE001  # a callback must not raise
            _log_failure(self.log, "Could not send an SMS about this event", error)

    async def async_notify(self, context: Context) -> None:
        """Call :meth:`notify` in a thread."""
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
            _log_failure(self.log, "Sent the SMS, but the next one will count it as suppressed", error)

    def _in_parts(self, text: str, link: str, tail: str = "") -> str:
        """Join text, link and tail in at most ``max_parts`` parts. A link that does not fit is left out."""
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
        """Render each field separately, so that an alert is sent even if a field cannot be rendered."""
        values: Any = context if "var" in context else {"dag": None, "var": {"value": _Variables()}, **context}
        environment = jinja_env or self.get_template_env(dag=context.get("dag"))
        for field in self.template_fields:
            given = getattr(self, field)
            has_default = field in {"message", "throttle_key"}
            try:
                # Before 3.3, Airflow's own method leaves a template that renders to nothing unrendered.
                setattr(self, field, self.render_template(given, values, environment, set()))
            except Exception as error:  # noqa: BLE001  # a template can raise anything
                _log_failure(self.log, f"Could not render {field}", error)
                if has_default:
                    setattr(self, field, None)
            if has_default and given is not None and is_nothing(getattr(self, field)):
                self.log.warning("%s rendered to nothing, so its default is used. Correct the template.", field)
                setattr(self, field, None)

    def _update_context(self, context: Context) -> Context:
        """Return the context unchanged, so that other callbacks do not get the numbers."""
        return context


send_ismart_notification = ISmartNotifier


class ISmartCreditAlert(BaseNotifier):
    """Call other notifiers when a task fails with a return code of kind credit.

    Their context also has ``ismart_code``, ``ismart_description``, ``ismart_help`` and ``ismart_counts`` (rows by
    outcome). Other failures are ignored. It never raises; errors of the notifiers are logged.

    :param notifiers: notifiers that do not send SMS, such as ``SmtpNotifier``, or functions that take the context.
    :param cooldown: how long to suppress further alerts about the same code, connection and DAG.
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
            raise InputError("notifiers must be a list of notifiers, or of functions that take the context")
        self.notifiers = notifiers
        self.cooldown = cooldown

    def notify(self, context: Context) -> None:
        """Call the notifiers if the task failed with a return code of kind credit."""
        from airflow_provider_ismart.coordination.credit_failure import credit_failure  # noqa: PLC0415  # only needed at run time
        from airflow_provider_ismart.core.return_codes import return_code  # noqa: PLC0415

        try:
            failure = credit_failure(context)
            if failure is None or not self._is_due(failure.code, context):
                return
        except Exception as error:  # noqa: BLE001  # a callback must not raise
            _log_failure(self.log, "Could not check this failure for credit trouble", error)
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
                "Suppressed: an alert about return code %d was sent less than %s ago.", code, self.cooldown
            )
        return is_due

    def _call(self, notifier: Callable[[Context], Any], context: Context, found: Mapping[str, Any]) -> None:
        context.update(found)  # type: ignore[typeddict-item]
        try:
            copy(notifier)(context)  # a copy, because rendering changes the notifier
        except Exception as error:  # noqa: BLE001  # the other notifiers are still called
            _log_failure(self.log, f"{_name(notifier)} could not send the credit alert", error)


class _Variables:
    """Provide ``var.value``, as in Airflow's templates."""

    def __getattr__(self, name: str) -> Any:
        return Variable.get(name)


def _in_a_thread(call: Callable[[Any], None]) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """Make ``call`` run in a thread. Threads of another kind would block Airflow 3.0's triggerer."""
    from asgiref.sync import sync_to_async  # noqa: PLC0415  # keeps the import of DAG files fast

    return sync_to_async(call, thread_sensitive=False)


def _deadline(context: Mapping[str, Any]) -> Deadline:
    """Return the deadline of a callback. Callbacks of DAGs wait less; only their context has these keys."""
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
