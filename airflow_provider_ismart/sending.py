"""One send from recipients to report: the clock, the threads, the log and the errors around the core."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_ismart.exceptions import (
    ISmartAccountError,
    ISmartCreditError,
    ISmartError,
    ISmartInputError,
    ISmartLoginError,
    ISmartRefusedError,
    ISmartUnavailableError,
    ISmartUncertainError,
    ISmartUncertainFinalError,
)
from airflow_provider_ismart.metrics import count_call, count_numbers
from airflow_provider_ismart.options import OnEmpty, OnInvalid, OnUncertain, SendOptions
from airflow_provider_ismart.results import ResultsFile
from airflow_provider_ismart.sms.batches import CallLimits
from airflow_provider_ismart.sms.calls import Fate
from airflow_provider_ismart.sms.messages import PUSH_AT_FORMAT, read_push_at
from airflow_provider_ismart.sms.msisdn import mask_in, mask_msisdn
from airflow_provider_ismart.sms.numbering import NumberingPlan
from airflow_provider_ismart.sms.plan import Plan, plan
from airflow_provider_ismart.sms.reading import Reading
from airflow_provider_ismart.sms.recipients import ChunkedRecipients
from airflow_provider_ismart.sms.report import Outcome, Report, Sample, in_one_line
from airflow_provider_ismart.sms.return_codes import Kind, return_code
from airflow_provider_ismart.sms.submission import Submission, WaitingQueue, submit_all
from airflow_provider_ismart.stored_plan import StoredPlan

if TYPE_CHECKING:
    from airflow_provider_ismart.client import GatewayClient
    from airflow_provider_ismart.sms.attempt import Attempt
    from airflow_provider_ismart.sms.batches import Batch
    from airflow_provider_ismart.sms.calls import CallOutcome
    from airflow_provider_ismart.sms.ledger import Ledger

#: How often a long send writes a line into the log.
PROGRESS_SECONDS = 5.0

#: How often the ledger is asked how rows ended that another task is sending.
OTHERS_SECONDS = 1.0

#: How many texts a preview shows.
MAX_SAMPLES = 3

_ERROR_OF_KIND: dict[Kind, type[ISmartError]] = {
    Kind.LOGIN: ISmartLoginError,
    Kind.ACCOUNT: ISmartAccountError,
    Kind.CREDIT: ISmartCreditError,
}


class Log(Protocol):
    """What a send uses of a logger: Airflow's, which differ by version, or the standard library's."""

    def info(self, msg: str, /, *args: Any) -> Any:
        """Log what happens."""

    def warning(self, msg: str, /, *args: Any) -> Any:
        """Log what somebody should look at."""


def _now() -> datetime:
    return datetime.now(UTC)


def _threads(count: int) -> Executor:
    return ThreadPoolExecutor(count, thread_name_prefix="ismart")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where a send gets the time and its threads from. A simulation has its own."""

    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.monotonic
    new_executor: Callable[[int], Executor] = _threads
    new_queue: Callable[[], WaitingQueue] = SimpleQueue


class Send:
    """A send, ready to go. Making one finds all that can be wrong before the first call. Close it.

    :raises InputError: the recipients, the message or the options cannot be used as they are.
    """

    def __init__(
        self,
        recipients: Any,
        options: SendOptions,
        client: GatewayClient,
        log: Log,
        runtime: Runtime | None = None,
    ) -> None:
        self._runtime = runtime or Runtime()
        self.started_at = self._runtime.now()
        self._started = self._runtime.monotonic()
        self._open = ExitStack()
        settings = client.settings
        self.options = options
        self.client = client
        self.log = log
        self._push_time = read_push_at(options.push_at, settings.timezone)
        self.push_at = self._push_time.strftime(PUSH_AT_FORMAT) if self._push_time else None
        self.limits = CallLimits(
            batch_size=options.batch_size,
            max_query_length=settings.max_query_length,
            overhead=client.query_overhead(flash=options.flash, push_at=self.push_at),
        )
        self.results = ResultsFile(options.results_path) if options.results_path else None
        self.plan = self._plan(recipients, settings.numbering)
        self.planned_calls = self.plan.count_calls(self.limits.numbers_for)
        self.planned_parts = self.plan.parts

    def _plan(self, recipients: Any, numbering: NumberingPlan) -> Plan:
        reading = Reading(
            content=self.options.content,
            recipient_column=self.options.recipient_column,
            numbering=numbering,
        )
        if not isinstance(recipients, ChunkedRecipients):
            return plan(recipients, reading, deduplicate=self.options.deduplicate)
        self.log.info("Reading all recipients before anything is sent.")
        chunks = recipients.read(reading.recipient_column, reading.content.columns)
        stored = self._open.enter_context(
            closing(StoredPlan(chunks, reading, deduplicate=self.options.deduplicate))
        )
        self.log.info("Read %s rows.", f"{len(stored.outcomes):,}")
        return stored

    def close(self) -> None:
        """Remove what the rows were kept in meanwhile."""
        self._open.close()

    def preview(self) -> Report:
        """Return the report of what would be sent, without a call.

        :raises ISmartInputError: nothing would be.
        """
        report = self._report()
        self._check_rows(report)
        if left := self._left_to_send(report):
            self._check_time(report, left)
        self._conclude(report)
        return replace(report, samples=_samples(self.plan))

    def run(
        self,
        ledger: Ledger,
        *,
        attempt: Attempt | None = None,
        before_first_call: Callable[[], None] = lambda: None,
        known_refusal: Callable[[], str | None] = lambda: None,
    ) -> Report:
        """Make the calls and return the report.

        :param attempt: what the sends of this try asked for, where it sends several times.
        :param before_first_call: called once, immediately before the first call is recorded.
        :param known_refusal: asked, where there is anything to send, whether the login is known to be refused.
        :raises ISmartError: not every recipient got the message; its class says what to do next.
        """
        submission = Submission(
            self.plan,
            ledger,
            self.limits,
            on_refused=self.options.on_refused,
            resend_uncertain=self.options.on_uncertain is OnUncertain.RESEND,
            attempt=attempt,
            before_first_call=before_first_call,
        )
        report = self._report(submission)  # now that it includes what earlier tries sent
        self._check_rows(report)
        if left := self._left_to_send(report):
            self._check_time(report, left)
            if refusal := known_refusal():
                self._conclude(report)
                raise ISmartLoginError(refusal, report=report)
        at_once = self.client.settings.max_concurrency
        try:
            with self._runtime.new_executor(at_once) as executor:
                submit_all(
                    submission,
                    self._submit,
                    executor,
                    max_in_flight=at_once,
                    halted=self.client.halted,
                    on_progress=_Progress(submission, self.log, self._runtime.monotonic),
                    new_queue=self._runtime.new_queue,
                )
            self._wait_for_others(submission)
        except BaseException:
            report = self._report(submission)
            self._conclude(report)
            error = failure(report, submission, self.options.on_uncertain)
            if isinstance(error, ISmartLoginError):  # a try after this would be one more wrong login
                raise error from None
            raise
        report = self._report(submission)
        unwritten = self._conclude(report)
        if error := failure(report, submission, self.options.on_uncertain) or unwritten:
            raise error
        return report

    def _submit(self, batch: Batch) -> CallOutcome:
        outcome = self.client.submit(batch, flash=self.options.flash, push_at=self.push_at)
        count_call(outcome)
        return outcome

    def _wait_for_others(self, submission: Submission) -> None:
        """Wait for rows that other tasks are sending, for as long as two calls can take; then they stay uncertain.

        A task has two calls a thread on record: one in flight, and one that waits for its end.
        """
        settings = self.client.settings
        monotonic = self._runtime.monotonic
        deadline = monotonic() + 2 * (settings.connect_timeout + settings.read_timeout)
        while submission.elsewhere.ask_again() and monotonic() < deadline:
            if self.client.halted.wait(OTHERS_SECONDS):
                break

    def _check_rows(self, report: Report) -> None:
        """Find what is wrong with the rows as a whole, before anything is sent."""
        invalid = report.outcomes[Outcome.INVALID]
        if not report.total:
            if self.options.on_empty is OnEmpty.FAIL:
                raise ISmartInputError("recipients has no rows, and on_empty is 'fail'.", report=report)
        elif invalid == report.total:
            self._conclude(report)
            raise ISmartInputError(f"no row can be sent: {in_one_line(report.reasons)}.", report=report)
        elif invalid and self.options.on_invalid is OnInvalid.FAIL:
            self._conclude(report)
            raise ISmartInputError(
                f"on_invalid is 'fail', and there are: {in_one_line(report.reasons)}.", report=report
            )

    def _left_to_send(self, report: Report) -> int:
        is_resent = self.options.on_uncertain is OnUncertain.RESEND
        return report.outcomes[Outcome.NOT_ATTEMPTED] + report.outcomes[Outcome.UNCERTAIN] * is_resent

    def _check_time(self, report: Report, left: int) -> None:
        """Check, for the rows that are left to send, that their time has not passed."""
        if self._push_time is None or self._push_time > self._runtime.now():
            return
        self._conclude(report)
        is_first = not report.outcomes[Outcome.ALREADY_SENT] and not report.outcomes[Outcome.UNCERTAIN]
        raise ISmartInputError(
            f"push_at is {self._push_time.isoformat()}, which has passed. "
            f"{'Nothing was sent' if is_first else 'This try sent nothing'}; {left:,} rows are left to send. "
            "Set a later push_at, or none, and clear the task.",
            report=report,
        )

    def _report(self, submission: Submission | None = None) -> Report:
        outcomes = self.plan.outcomes
        stopped_by = submission.stopped_by if submission else None
        return Report(
            outcomes=outcomes.counts(),
            codes=outcomes.codes(),
            reasons=outcomes.reasons(),
            calls=submission.calls if submission else 0,
            planned_calls=self.planned_calls,
            parts=submission.parts if submission else 0,
            planned_parts=self.planned_parts,
            push_at=self.push_at,
            stopped_by=stopped_by.detail if stopped_by else None,
            dry_run=self.options.dry_run,
            started_at=self.started_at.isoformat(timespec="seconds"),
            seconds=self._runtime.monotonic() - self._started,
        )

    def _conclude(self, report: Report) -> ISmartError | None:
        """Log what the send came to, and write the results; return what kept them from being written.

        That must not hide how the send itself ended, for that decides whether it may be tried again.
        """
        if report.dry_run:
            self.log.info(
                "Dry run: %s; to send: %s", report, _calls_and_parts(report.planned_calls, report.planned_parts)
            )
        else:
            count_numbers(report)
            self.log.info("%s; %s, %.1f s", report, _calls_and_parts(report.calls, report.parts), report.seconds)
        if report.reasons:
            self.log.warning("Reasons: %s", in_one_line(report.reasons))
        if not self.results or report.dry_run:
            return None
        try:
            self.results.write(self.plan)
        except Exception as error:  # noqa: BLE001  # each kind of storage has its own
            what = f"The results were not written to results_path: {type(error).__name__}."
            self.log.warning(what)
            return ISmartError(what, report=report)
        return None


def _samples(plan: Plan) -> tuple[Sample, ...]:
    """Return the first texts that are to be sent, each with its first number, which is masked in the text too."""
    samples = []
    for group in islice((group for group in plan.groups if not group.copy), MAX_SAMPLES):
        _, msisdn = next(iter(group.numbers))
        samples.append(
            Sample(
                msisdn=mask_msisdn(msisdn),
                text=mask_in(group.message.text, msisdn),
                lang=int(group.message.lang),
                parts=group.message.parts,
            )
        )
    return tuple(samples)


def _calls_and_parts(calls: int, parts: int) -> str:
    return f"{calls:,} calls, {parts:,} parts"


class _Progress:
    """A line in the log every few seconds."""

    def __init__(self, submission: Submission, log: Log, monotonic: Callable[[], float]) -> None:
        self._submission = submission
        self._log = log
        self._monotonic = monotonic
        self._next = monotonic() + PROGRESS_SECONDS

    def __call__(self) -> None:
        now = self._monotonic()
        if now < self._next:
            return
        self._next = now + PROGRESS_SECONDS
        counts = self._submission.outcomes.counts()
        done = ", ".join(f"{n:,} {outcome.value}" for outcome, n in counts.items() if n)
        self._log.info("%s calls so far: %s", f"{self._submission.calls:,}", done)


def failure(report: Report, submission: Submission, on_uncertain: OnUncertain) -> ISmartError | None:
    """Return the error that a send ends with, if it does; the gravest where there are several."""
    stop, uncertain = submission.stopped_by, report.outcomes[Outcome.UNCERTAIN]
    code = stop.code if stop and stop.fate is Fate.REFUSED else None
    if code is not None and (error := _ERROR_OF_KIND.get(return_code(code).kind)):
        return error(str(return_code(code)), code=code, report=report)
    if submission.had_too_long_text and not submission.reached_anybody and not uncertain:
        return _too_long_error(report)
    if uncertain and on_uncertain is not OnUncertain.ACCEPT:
        return _uncertain_error(report, submission, on_uncertain)
    if code is None and submission.refused_texts:
        code = min(submission.refused_texts)
    if code is None and report.outcomes[Outcome.REFUSED] and not submission.reached_anybody:
        code = next(iter(report.codes))
    if code is not None:
        return ISmartRefusedError(str(return_code(code)), code=code, report=report)
    if left := report.outcomes[Outcome.NOT_ATTEMPTED]:
        why = f"the gateway could not be used ({stop.detail})" if stop else "the send was stopped"
        return ISmartUnavailableError(f"{why}. {left:,} rows were certainly not sent.", report=report)
    return None


def _too_long_error(report: Report) -> ISmartError:
    return ISmartInputError(
        f"Nobody was reached: the server took no call as long as the text needs ({in_one_line(report.reasons)}). "
        "Shorten the text, or check path and host of the connection, which can be what was not found.",
        report=report,
    )


def _uncertain_error(report: Report, submission: Submission, on_uncertain: OnUncertain) -> ISmartError:
    seen = in_one_line(submission.outcomes.reasons(Outcome.UNCERTAIN))
    what = (
        f"{report.outcomes[Outcome.UNCERTAIN]:,} rows may or may not have been accepted ({seen}). Ask Infocomm "
        "what became of them; results_path lists them."
    )
    if left := report.outcomes[Outcome.NOT_ATTEMPTED]:
        what += f" {left:,} rows were certainly not sent: where there is a ledger, clear the task to send them."
    code = next((code for code in report.codes if return_code(code).kind is Kind.UNCERTAIN), None)
    if on_uncertain is OnUncertain.RESEND:
        what += " A try that knows this one's ledger sends the uncertain ones again (on_uncertain='resend')."
        return ISmartUncertainError(what, code=code, report=report)
    what += " The uncertain ones are not sent again (on_uncertain='fail')."
    return ISmartUncertainFinalError(what, code=code, report=report)
