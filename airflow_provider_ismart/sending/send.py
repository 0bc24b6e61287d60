"""Run one send, from recipients to report: combine the core with a clock, threads, a log and errors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_ismart.core.batching import CallLimits, batches
from airflow_provider_ismart.core.cost import Cost
from airflow_provider_ismart.core.dispatch import Submission
from airflow_provider_ismart.core.message import LangChoice
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.plan import samples
from airflow_provider_ismart.core.report import Report, counted, in_one_line
from airflow_provider_ismart.core.schedule import PUSH_AT_FORMAT, read_push_at
from airflow_provider_ismart.core.settlement import NO_SETTLEMENTS, NOTHING_SETTLED, Settlements
from airflow_provider_ismart.core.simplification import find_saving
from airflow_provider_ismart.exceptions import ISmartError, ISmartInputError, ISmartLoginError
from airflow_provider_ismart.sending.executor import submit_all
from airflow_provider_ismart.sending.failure import failure
from airflow_provider_ismart.sending.metrics import count_call, count_numbers
from airflow_provider_ismart.sending.options import OnEmpty, OnInvalid, OnUncertain, SendOptions
from airflow_provider_ismart.sending.planning import planned
from airflow_provider_ismart.sending.progress import Log, Progress
from airflow_provider_ismart.sending.results_file import ResultsFile
from airflow_provider_ismart.sending.runtime import Runtime

if TYPE_CHECKING:
    from airflow_provider_ismart.core.attempt import Attempt
    from airflow_provider_ismart.core.batching import Batch
    from airflow_provider_ismart.core.ledger import Ledger
    from airflow_provider_ismart.core.outcomes import CallOutcome
    from airflow_provider_ismart.gateway.client import GatewayClient

#: The seconds between two reads of the ledger while waiting for rows that another task is sending.
OTHERS_SECONDS = 1.0


class Send:
    """Prepare and run a send. The constructor checks everything that needs no ledger. Close it after use.

    :raises InputError: the recipients, the message or the options are invalid.
    """

    def __init__(
        self,
        recipients: Any,
        options: SendOptions,
        client: GatewayClient,
        log: Log,
        runtime: Runtime | None = None,
    ) -> None:
        self.runtime = runtime or Runtime()
        self.started_at = self.runtime.now()
        self._started = self.runtime.monotonic()
        self._open = ExitStack()
        settings = client.settings
        self.options = options
        self.client = client
        self.log = log
        if settings.restriction:
            log.warning("%s.", settings.restriction)
        self._push_time = read_push_at(options.push_at, settings.timezone, settings.quiet_hours)
        self.push_at = self._push_time.strftime(PUSH_AT_FORMAT) if self._push_time else None
        self.limits = CallLimits(
            batch_size=options.batch_size,
            max_query_length=settings.max_query_length,
            overhead=client.query_overhead(flash=options.flash, push_at=self.push_at),
        )
        self.results = ResultsFile(options.results_path) if options.results_path else None
        self.plan = self._open.enter_context(planned(recipients, options, settings, log))
        self.planned_calls = self.plan.count_calls(self.limits.numbers_for)
        self.planned_parts = self.plan.parts
        self.planned_languages = self.plan.languages.counts(self.plan.outcomes)
        self.saving = find_saving(self.plan.long_arabic) if options.content.lang is LangChoice.AUTO else None

    def close(self) -> None:
        """Delete the temporary file of the rows."""
        self._open.close()

    def preview(self) -> Report:
        """Return the report of a dry run.

        :raises ISmartInputError: nothing would be sent.
        """
        report = self._report()
        self._check_rows(report)
        if left := self._left_to_send(report):
            self._check_time(report, left)
            quiet_hours = None if self._push_time else self.client.settings.quiet_hours
            if end := quiet_hours and quiet_hours.end_after(self.runtime.now()):
                report = replace(report, scheduled=left, scheduled_for=end)
        self._conclude(report)
        if why := self._too_costly(lambda: Cost.of(batches(self.plan.groups, self.limits))):
            self.log.warning("The send would fail: %s.", why)
        return replace(report, samples=samples(self.plan))

    def run(
        self,
        ledger: Ledger,
        *,
        attempt: Attempt | None = None,
        before_first_call: Callable[[], None] = lambda: None,
        known_refusal: Callable[[], str | None] = lambda: None,
        settlements: Settlements = NO_SETTLEMENTS,
    ) -> Report:
        """Make the calls and return the report.

        :param attempt: the messages of this try's earlier sends, if it sends several times.
        :param before_first_call: called once, immediately before the first call is recorded.
        :param known_refusal: called if there is anything to send; returns why the login must not be tried.
        :param settlements: a person's findings about uncertain messages of earlier tries.
        :raises InputError: a message to settle is not uncertain; nothing is settled or sent.
        :raises ISmartError: not every valid row was accepted; the class says what to do next.
        """
        submission = Submission(
            self.plan,
            ledger,
            self.limits,
            on_refused=self.options.on_refused,
            resend_uncertain=self.options.on_uncertain is OnUncertain.RESEND,
            attempt=attempt,
            before_first_call=before_first_call,
            settlements=settlements,
        )
        self._check_all(submission, known_refusal)
        try:
            self._submit_all(submission)
            self._wait_for_others(submission)
        except BaseException:  # the ledger or the client failed
            report = self._report(submission)
            self._conclude(report)
            error = failure(report, submission, self.options.on_uncertain)
            if isinstance(error, ISmartLoginError):  # Airflow does not retry this error
                raise error from None
            raise
        report = self._report(submission)
        unwritten = self._conclude(report)
        if error := failure(report, submission, self.options.on_uncertain) or unwritten:
            raise error
        return report

    def _check_all(self, submission: Submission, known_refusal: Callable[[], str | None]) -> None:
        """Check what is left to send, according to the records of earlier tries."""
        if settled := submission.settlement.described:
            self.log.info("%s.", settled)
        if warning := submission.settlement.warning:
            self.log.warning("%s.", warning)
        report = self._report(submission)
        self._check_rows(report)
        if left := self._left_to_send(report):
            self._check_time(report, left)
            self._check_cost(report, submission)
            if refusal := known_refusal():
                self._conclude(report)
                raise ISmartLoginError(refusal, report=report)

    def _submit_all(self, submission: Submission) -> None:
        max_concurrency = self.client.settings.max_concurrency
        progress = Progress(submission, self.log, self.runtime.monotonic)

        def on_outcome(outcome: CallOutcome) -> None:
            count_call(outcome)
            progress()

        with self.runtime.new_executor(max_concurrency) as executor:
            submit_all(
                submission,
                self._submit,
                executor,
                max_in_flight=max_concurrency,
                halted=self.client.halted,
                paused=self.client.paused,
                on_outcome=on_outcome,
                new_condition=self.runtime.new_condition,
            )

    def _submit(self, batch: Batch) -> CallOutcome:
        return self.client.submit(batch, flash=self.options.flash, push_at=self._push_time, now=self.runtime.now)

    def _wait_for_others(self, submission: Submission) -> None:
        """Wait for rows that other tasks are sending, at most as long as two calls; then they stay uncertain.

        Another task has up to two recorded calls per thread: one in flight, and one that waits for it.
        """
        settings = self.client.settings
        monotonic = self.runtime.monotonic
        deadline = monotonic() + 2 * (settings.connect_timeout + settings.read_timeout)
        while submission.other_tasks.poll() and monotonic() < deadline:
            if self.client.halted.wait(OTHERS_SECONDS):
                break

    def _check_rows(self, report: Report) -> None:
        """Check the rows as a whole, before anything is sent."""
        invalid, why = report.outcomes[Outcome.INVALID], in_one_line(report.reasons)
        if not report.total:
            if self.options.on_empty is OnEmpty.FAIL:
                why = "recipients has no rows, and on_empty is 'fail'. Check its source."
                raise ISmartInputError(why, report=report)
        elif invalid == report.total:
            self._conclude(report)
            raise ISmartInputError(f"no row can be sent: {why}. Correct the rows.", report=report)
        elif invalid and self.options.on_invalid is OnInvalid.FAIL:
            self._conclude(report)
            why = f"on_invalid is 'fail', and there are invalid rows: {why}. Correct or remove them."
            raise ISmartInputError(why, report=report)

    def _left_to_send(self, report: Report) -> int:
        is_resent = self.options.on_uncertain is OnUncertain.RESEND
        return report.outcomes[Outcome.NOT_ATTEMPTED] + report.outcomes[Outcome.UNCERTAIN] * is_resent

    def _check_time(self, report: Report, left: int) -> None:
        """Check that the delivery time of the remaining rows has not passed."""
        if self._push_time is None or self._push_time > self.runtime.now():
            return
        self._conclude(report)
        raise ISmartInputError(
            f"push_at is {self._push_time.isoformat()}, which has passed. "
            f"{_sent_nothing(report)}. Rows left to send: {left:,}. "
            "Set a later push_at or remove it.",
            report=report,
        )

    def _check_cost(self, report: Report, submission: Submission) -> None:
        """Check that the remaining rows cost at most ``max_credits``."""
        if why := self._too_costly(submission.planned_cost):
            self._conclude(report)
            why = f"{why}. {_sent_nothing(report)}. Shorten the messages or raise max_credits."
            raise ISmartInputError(why, report=report)

    def _too_costly(self, cost: Callable[[], Cost]) -> str | None:
        cap = self.options.max_credits
        return found.above(cap) if cap is not None and (found := cost()).credits > cap else None

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
            scheduled=submission.scheduled if submission else 0,
            scheduled_for=submission.scheduled_for if submission else None,
            settled=(submission.settlement if submission else NOTHING_SETTLED).as_json(),
            stopped_by=stopped_by.detail if stopped_by else None,
            dry_run=self.options.dry_run,
            started_at=self.started_at.isoformat(timespec="seconds"),
            seconds=self.runtime.monotonic() - self._started,
            languages=self.plan.languages.counts(outcomes),
            planned_languages=self.planned_languages,
            saving=self.saving,
            restricted=self.client.settings.restriction,
            max_credits=self.options.max_credits,
        )

    def _conclude(self, report: Report) -> ISmartError | None:
        """Log the report and write the results file; return an error if it cannot be written.

        That error must not replace the error of the send itself, which decides whether a retry is allowed.
        """
        if report.dry_run:
            self.log.info(
                "Dry run: %s; would be sent: %s",
                report,
                _calls_and_parts(report.planned_calls, report.planned_parts),
            )
        else:
            count_numbers(report)
            self.log.info("%s; %s, %.1f s", report, _calls_and_parts(report.calls, report.parts), report.seconds)
        if report.saving:
            self.log.info("%s", report.saving)
        if report.reasons:
            self.log.warning("Reasons: %s", in_one_line(report.reasons))
        if not self.results or report.dry_run:
            return None
        try:
            self.results.write(self.plan)
        except Exception as error:  # noqa: BLE001  # each kind of storage raises its own errors
            what = f"Could not write the results file: {type(error).__name__}. Check results_path."
            self.log.warning(what)
            return ISmartError(what, report=report)
        return None


def _sent_nothing(report: Report) -> str:
    is_first = not report.outcomes[Outcome.ALREADY_SENT] and not report.outcomes[Outcome.UNCERTAIN]
    return "Nothing was sent" if is_first else "This try sent nothing"


def _calls_and_parts(calls: int, parts: int) -> str:
    return f"{counted(calls, 'call')}, {counted(parts, 'part')}"
