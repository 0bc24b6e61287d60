"""Provide `ISmartCreditSensor`, which waits until the account is in trouble, or until it is usable."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_ismart.core.credit import ALERT_CODES, GOOD_CODES, ProbeVerdict, Watch, in_words, seen
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.return_codes import ACCEPTED_CODE, Kind, return_code
from airflow_provider_ismart.exceptions import (
    ISmartAccountError,
    ISmartCreditError,
    ISmartCreditTimeoutError,
    ISmartError,
    ISmartInputError,
    ISmartLoginError,
    ISmartRefusedError,
    ISmartUnavailableError,
)
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.redaction import RedactedRecipients, RedactsFields, revealed
from airflow_provider_ismart.rendered_options import ChecksRenderedOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ismart.core.outcomes import CallOutcome

#: The text of the canary: one part.
CANARY_MESSAGE = "iSmart credit check"


class ISmartCreditSensor(RedactsFields, ChecksRenderedOptions, BaseSensorOperator):
    """Wait until the account is in trouble, or until it is usable.

    The task returns ``{"code": int, "description": str, "help": str}``. By default, a check is the free probe. Its
    good answer is code 9: the login is good, and no trouble was seen.

    :param alert_codes: the return codes that mean trouble. Codes of kind credit and account are allowed.
    :param wait_for: ``"alert"`` succeeds on the first alert code; ``"ok"`` waits while there is one, to delay a
        send until the account is usable.
    :param canary: your own number (templated). Each check sends it a real message instead of the probe, which is
        conclusive but costs one part. It cannot be combined with ``deferrable=True``.
    :param max_failed_checks: fail after this many checks in a row without a verdict: no answer, or one that says
        nothing about the account. With ``mode="reschedule"``, checks are not counted; set ``timeout``.
    :param deferrable: wait in the triggerer, without a worker slot. The default is Airflow's
        ``operators.default_deferrable``, or ``False`` with a ``canary``.
    :param ismart_conn_id: the connection that holds the account (templated).
    :raises ValueError: an option is invalid.
    :raises ISmartInputError: the connection or the canary's number is invalid; not retried.
    :raises ISmartLoginError: the login was refused; not checked again and not retried.
    :raises ISmartAccountError: the account is not allowed to send, and the code is not in ``alert_codes``; not
        retried.
    :raises ISmartRefusedError: ``max_failed_checks`` checks in a row got no verdict, the last one with a return
        code, or the canary's number was refused; not retried.
    :raises ISmartUnavailableError: ``max_failed_checks`` checks in a row got no verdict, the last one without a
        return code.
    :raises ISmartCreditTimeoutError: ``timeout`` has passed and the last check found trouble, in poke and
        reschedule mode; not retried. Without trouble, or in the triggerer, Airflow raises its own timeout error.
    """

    template_fields: Sequence[str] = ("canary", "ismart_conn_id")
    redacted_fields: ClassVar[Mapping[str, Callable[[Any], Any]]] = {"canary": RedactedRecipients}
    ui_color = "#d8ecf3"

    def __init__(
        self,
        *,
        alert_codes: Sequence[int] = ALERT_CODES,
        wait_for: str = "alert",
        canary: Any = None,
        max_failed_checks: int = 5,
        deferrable: bool | None = None,
        ismart_conn_id: str = ISmartHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        Watch(alert_codes, wait_for)
        if type(max_failed_checks) is not int or max_failed_checks < 1:
            raise InputError(f"max_failed_checks is {max_failed_checks!r}; it must be an integer, 1 or more")
        if deferrable and canary is not None:
            raise InputError("a canary cannot be sent from the triggerer: set deferrable=False")
        self.alert_codes = alert_codes
        self.wait_for = wait_for
        self.canary = canary
        self.max_failed_checks = max_failed_checks
        if deferrable is None:
            deferrable = canary is None and conf.getboolean("operators", "default_deferrable", fallback=False)
        self.deferrable = deferrable
        self.ismart_conn_id = ismart_conn_id
        self._failed_checks = 0
        self._trouble: int | None = None

    def poke(self, context: Context) -> PokeReturnValue:
        """Check once, unless the login is known to be refused.

        :raises ISmartError: waiting would not help, or could do harm.
        """
        hook = ISmartHook(self.ismart_conn_id)
        if refusal := hook.known_refusal(context):
            raise ISmartLoginError(refusal)
        outcome = hook.probe_outcome() if self.canary is None else self._send_canary(hook)
        self.log.info("Checked the account: %s", in_words(outcome))
        verdict = Watch(self.alert_codes, self.wait_for).verdict(outcome.code)
        if verdict is ProbeVerdict.NO_VERDICT:
            self._failed_checks += 1
            if self._failed_checks < self.max_failed_checks:
                self.log.warning("No verdict. The task fails after %d more checks like this.", self._checks_left)
                return PokeReturnValue(is_done=False)
        else:
            self._failed_checks = 0
        if verdict is ProbeVerdict.NOT_YET:
            self._trouble = None if outcome.code in GOOD_CODES else outcome.code
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=_event_or_error(verdict, seen(outcome)))

    def execute(self, context: Context) -> Any:
        """Check, and wait if necessary."""
        self.check_redaction(context)
        self.check_rendered_options(context)  # without a rendered canary, fail instead of probing
        if not self.deferrable:
            return self._wait_in_the_worker(context)
        ends_at = datetime.now(UTC) + timedelta(seconds=self.timeout)
        with self._failing_as_in_poke_mode(waits_on=True):
            if first := self.poke(context):
                return first.xcom_value
        return self._wait_in_the_triggerer(ends_at)

    def _wait_in_the_worker(self, context: Context) -> Any:
        try:
            return super().execute(context)
        except AirflowSkipException as skip:
            if self.soft_fail and isinstance(skip.__cause__, ISmartInputError):
                raise skip.__cause__ from None
            raise
        except AirflowSensorTimeout as error:
            if self._trouble is None:
                raise
            from airflow_provider_ismart.coordination.credit_failure import leave_for_callbacks  # noqa: PLC0415

            text = f"{error} The last check: {return_code(self._trouble)}"
            timeout = ISmartCreditTimeoutError(text, code=self._trouble)
            leave_for_callbacks(timeout, context, self.log)
            raise timeout from None

    def _wait_in_the_triggerer(self, ends_at: datetime) -> NoReturn:
        from airflow_provider_ismart.triggers.ismart import ISmartCreditTrigger  # noqa: PLC0415  # only if deferred

        self.defer(
            trigger=ISmartCreditTrigger(
                ismart_conn_id=self.ismart_conn_id,
                poke_interval=self.poke_interval,
                alert_codes=self.alert_codes,
                wait_for=self.wait_for,
                max_failed_checks=self.max_failed_checks,
                once=True,
            ),
            method_name="execute_complete",
            kwargs={"ends_at": ends_at.isoformat()},
            timeout=max(ends_at - datetime.now(UTC), timedelta(0)),
        )

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after the triggerer, and handle errors as in poke mode.

        Airflow's own method skips the task after every error with ``soft_fail``, and on 2.11 retries a timeout.
        """
        with self._failing_as_in_poke_mode():
            if next_method == "__fail__" and (next_kwargs or {}).get("error") in _TIMEOUTS:
                text = f"The sensor has timed out after {self.timeout} seconds."
                raise AirflowSkipException(text) if self.soft_fail else _TimedOut(text)
            return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)

    def execute_complete(
        self,
        context: Context,  # noqa: ARG002  # passed by Airflow
        event: Mapping[str, Any],
        ends_at: str | None = None,
    ) -> Mapping[str, Any]:
        """Return the trigger's result, or raise the error for it.

        :param ends_at: when the sensor times out, in ISO 8601. With ``silent_fail``, it waits until then.
        """
        verdict = Watch(self.alert_codes, self.wait_for).verdict(event["code"])
        with self._failing_as_in_poke_mode(waits_on=ends_at is not None):
            if event.get("is_blocked"):
                raise ISmartLoginError(str(event["description"]))
            return _event_or_error(verdict, event)
        return self._wait_in_the_triggerer(datetime.fromisoformat(str(ends_at)))

    @property
    def _checks_left(self) -> int:
        return self.max_failed_checks - self._failed_checks

    def _send_canary(self, hook: ISmartHook) -> CallOutcome:
        """Send the canary message and return its outcome, like a probe's."""
        from airflow_provider_ismart.core.outcomes import CallOutcome, Fate, Outcome  # noqa: PLC0415  # only needed at run time
        from airflow_provider_ismart.core.report import in_one_line  # noqa: PLC0415

        options = {"message": CANARY_MESSAGE, "on_empty": "fail", "on_uncertain": "accept"}
        try:
            report = hook.submit(revealed(self.canary), options, {})
        except (ISmartCreditError, ISmartAccountError, ISmartRefusedError) as error:
            known = return_code(error.code or 0)
            if known.kind is Kind.RECIPIENT:
                raise
            return CallOutcome(fate=Fate.REFUSED, code=known.number, detail=str(known))
        except ISmartUnavailableError as error:
            return CallOutcome(fate=Fate.NOT_SENT, detail=str(error))
        if report.outcomes[Outcome.ACCEPTED]:
            return CallOutcome(fate=Fate.ACCEPTED, code=ACCEPTED_CODE)
        if report.outcomes[Outcome.EXCLUDED]:
            raise ISmartInputError(
                f"The canary was not sent: {in_one_line(report.reasons)}. Use an allowed number.", report=report
            )
        return CallOutcome(fate=Fate.UNCERTAIN, code=next(iter(report.codes), None), detail=str(report))

    @contextmanager
    def _failing_as_in_poke_mode(self, *, waits_on: bool = False) -> Iterator[None]:
        """Skip or fail after an error, as Airflow does for errors of ``poke``.

        One difference applies in all modes: ``soft_fail`` never hides an invalid option or connection.

        :param waits_on: whether the caller keeps waiting with ``silent_fail``.
        """
        try:
            yield
        except (AirflowSkipException, _TimedOut):
            raise
        except (AirflowSensorTimeout, AirflowTaskTimeout, AirflowFailException) as error:
            soft_fail = self.soft_fail and not isinstance(error, ISmartInputError)
            if soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
        except Exception as error:
            if self.silent_fail and waits_on:
                what = error if isinstance(error, ISmartError) else type(error).__name__
                self.log.error(  # noqa: TRY400  # no traceback
                    "A check failed; the sensor keeps waiting (silent_fail): %s", what
                )
                return
            if self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise


class _TimedOut(AirflowSensorTimeout):
    """The sensor timed out. ``never_fail`` does not skip the task, as it does after other errors."""


#: Airflow's error messages for the timeout of a deferred task: from 3.0 on, and before.
_TIMEOUTS = {"Trigger timeout", "Trigger/execution timeout"}

_ERROR_OF_VERDICT: dict[ProbeVerdict, type[ISmartError]] = {
    ProbeVerdict.LOGIN_REFUSED: ISmartLoginError,
    ProbeVerdict.ACCOUNT_REFUSED: ISmartAccountError,
    ProbeVerdict.NO_VERDICT: ISmartRefusedError,
}


def _event_or_error(verdict: ProbeVerdict, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the awaited event, or raise the error for any other event."""
    if verdict is ProbeVerdict.FOUND:
        return event
    code = event["code"]
    if code is None:
        raise ISmartUnavailableError(f"The gateway repeatedly returned no code: {event['description']}.")
    raise _ERROR_OF_VERDICT[verdict](f"The account cannot be checked: {return_code(code)}", code=code)
