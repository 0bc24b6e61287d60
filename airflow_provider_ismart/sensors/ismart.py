"""The sensor: a task that waits until the account is in trouble, or until it is not."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_ismart.coordination.credit_failure import leave_for_callbacks
from airflow_provider_ismart.exceptions import (
    ISmartAccountError,
    ISmartCreditError,
    ISmartCreditTimeoutError,
    ISmartError,
    ISmartLoginError,
    ISmartRefusedError,
    ISmartUnavailableError,
)
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.redaction import RedactedRecipients, RedactsFields, revealed
from airflow_provider_ismart.rendered_options import ChecksRenderedOptions
from airflow_provider_ismart.sms.calls import CallOutcome, Fate
from airflow_provider_ismart.sms.credit import ALERT_CODES, GOOD_CODES, Sight, Watch, in_words, seen
from airflow_provider_ismart.sms.errors import InputError
from airflow_provider_ismart.sms.return_codes import ACCEPTED_CODE, return_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

#: The text of the canary: one part.
CANARY_MESSAGE = "iSmart credit check"


class ISmartCreditSensor(RedactsFields, ChecksRenderedOptions, BaseSensorOperator):
    """Wait until the account shows an alert code, or until it shows no trouble.

    Returns ``{"code": int, "description": str, "help": str}``. By default it looks with the free probe, whose
    good answer is code 9: the login is good, and no trouble was seen.

    :param alert_codes: the return codes that are an alert, of those that speak of credit or account.
    :param wait_for: ``"alert"`` ends with the first alert code; ``"ok"`` waits while there is one, to hold a send
        back until the account is fine.
    :param canary: a number of your own (templated) that gets a real message at each look, in place of the probe:
        conclusive, and a part's cost each time. A worker sends it, so not with ``deferrable=True``.
    :param max_failed_looks: fail after so many looks in a row without a verdict: no answer, or one that does not
        speak of the account. In ``mode="reschedule"`` nothing is remembered between looks, and ``timeout`` is
        the limit.
    :param deferrable: wait in the triggerer, without a worker. Unless it is said, Airflow's
        ``operators.default_deferrable`` does, and not with a ``canary``.
    :param ismart_conn_id: the connection that holds the account (templated).
    :raises ValueError: an option is none of what it can be.
    :raises ISmartInputError: the connection or the canary's number cannot be used as it is; no retry.
    :raises ISmartLoginError: the login was refused (3, 12, 17); no further look is made, and no retry.
    :raises ISmartAccountError: the account may not send (2, 7, 18, 19, 20, 25) and the code is no alert; no retry.
    :raises ISmartRefusedError: another code that says nothing of the account kept coming, or the canary was
        refused for its number; no retry.
    :raises ISmartUnavailableError: no code came, ``max_failed_looks`` times in a row.
    :raises ISmartCreditTimeoutError: ``timeout`` is over and the last look showed trouble, in poke and reschedule
        mode; no retry. Where it showed none, and where it waited in the triggerer, Airflow's own time-out.
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
        max_failed_looks: int = 5,
        deferrable: bool | None = None,
        ismart_conn_id: str = ISmartHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        Watch.of(alert_codes, wait_for)
        if deferrable and canary is not None:
            raise InputError("canary sends messages, and the triggerer sends none: set deferrable=False")
        self.alert_codes = alert_codes
        self.wait_for = wait_for
        self.canary = canary
        self.max_failed_looks = max_failed_looks
        if deferrable is None:
            deferrable = canary is None and conf.getboolean("operators", "default_deferrable", fallback=False)
        self.deferrable = deferrable
        self.ismart_conn_id = ismart_conn_id
        self._failed_looks = 0
        self._trouble: int | None = None

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, unless it is known that the login would be refused.

        :raises ISmartError: waiting cannot help, or would do harm.
        """
        hook = ISmartHook(self.ismart_conn_id)
        if refusal := hook.known_refusal(context):
            raise ISmartLoginError(refusal)
        outcome = hook.probe_outcome() if self.canary is None else self._send_canary(hook)
        self.log.info("Looked at the account: %s", in_words(outcome))
        sight = Watch.of(self.alert_codes, self.wait_for).sight(outcome.code)
        if sight is Sight.NO_VERDICT:
            self._failed_looks += 1
            if self._failed_looks < self.max_failed_looks:
                self.log.warning("No verdict; %d more such looks and this task fails.", self._looks_left)
                return PokeReturnValue(is_done=False)
        else:
            self._failed_looks = 0
        if sight is Sight.NOT_YET:
            self._trouble = None if outcome.code in GOOD_CODES else outcome.code
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=_verdict(sight, seen(outcome)))

    def execute(self, context: Context) -> Any:
        """Look, and wait where that is not enough."""
        self.check_redaction(context)
        self.check_rendered_options(context)  # a canary that rendered to None must not turn into a probe
        if not self.deferrable:
            return self._wait_in_the_worker(context)
        with self._skipping():
            first = self.poke(context)
        if not first:
            self._wait_in_the_triggerer()
        return first.xcom_value

    def _wait_in_the_worker(self, context: Context) -> Any:
        try:
            return super().execute(context)
        except AirflowSensorTimeout as error:
            if self._trouble is None:
                raise
            text = f"{error} The last look: {return_code(self._trouble)}"
            timeout = ISmartCreditTimeoutError(text, code=self._trouble)
            leave_for_callbacks(timeout, context, self.log)
            raise timeout from None

    def _wait_in_the_triggerer(self) -> NoReturn:
        from airflow_provider_ismart.triggers.ismart import ISmartCreditTrigger  # noqa: PLC0415  # if deferred

        self.defer(
            trigger=ISmartCreditTrigger(
                ismart_conn_id=self.ismart_conn_id,
                poke_interval=self.poke_interval,
                alert_codes=self.alert_codes,
                wait_for=self.wait_for,
                max_failed_looks=self.max_failed_looks,
                once=True,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def execute_complete(
        self,
        context: Context,  # noqa: ARG002  # Airflow gives it
        event: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        """Return what the trigger saw, or raise what that means."""
        sight = Watch.of(self.alert_codes, self.wait_for).sight(event["code"])
        with self._skipping():
            return _verdict(sight, event)

    @property
    def _looks_left(self) -> int:
        return self.max_failed_looks - self._failed_looks

    def _send_canary(self, hook: ISmartHook) -> CallOutcome:
        """Send a message and return what became of it, as of a probe."""
        from airflow_provider_ismart.sms.report import Outcome  # noqa: PLC0415  # needed at run time alone

        options = {"message": CANARY_MESSAGE, "on_empty": "fail", "on_uncertain": "accept"}
        try:
            report = hook.submit(revealed(self.canary), options, {})
        except ISmartCreditError as error:
            code = error.code or 0
            return CallOutcome(fate=Fate.REFUSED, code=code, detail=str(return_code(code)))
        except ISmartUnavailableError as error:
            return CallOutcome(fate=Fate.NOT_SENT, detail=str(error))
        if report.outcomes[Outcome.ACCEPTED]:
            return CallOutcome(fate=Fate.ACCEPTED, code=ACCEPTED_CODE)
        return CallOutcome(fate=Fate.UNCERTAIN, code=next(iter(report.codes), None), detail=str(report))

    @contextmanager
    def _skipping(self) -> Iterator[None]:
        """Skip instead of failing where the user said so; Airflow does this for ``poke`` alone."""
        try:
            yield
        except AirflowException as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise


_ERROR_OF_SIGHT: dict[Sight, type[ISmartError]] = {
    Sight.LOGIN_REFUSED: ISmartLoginError,
    Sight.ACCOUNT_REFUSED: ISmartAccountError,
    Sight.NO_VERDICT: ISmartRefusedError,
}


def _verdict(sight: Sight, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was seen where it is what was waited for, and raise what it means where it is not."""
    if sight is Sight.FOUND:
        return event
    code = event["code"]
    if code is None:
        raise ISmartUnavailableError(f"the gateway gave no return code, time after time: {event['description']}.")
    raise _ERROR_OF_SIGHT[sight](f"The account cannot be watched: {return_code(code)}", code=code)
