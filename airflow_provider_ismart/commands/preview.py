"""Run ``preview``: a dry run of a file, without Airflow's database, an account or a DAG."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from airflow_provider_ismart.commands.output import NEGATIVE, Output, Silent, reporting
from airflow_provider_ismart.core.columns import Columns
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.recipients import ChunkedRecipients
from airflow_provider_ismart.core.report import counted

if TYPE_CHECKING:
    from airflow_provider_ismart.core.report import Report


@reporting
def run(options: Namespace, output: Output) -> int:
    """Print the report of a dry run. The exit status is 1 if nothing would be sent."""
    from airflow_provider_ismart.exceptions import ISmartInputError  # noqa: PLC0415  # imports Airflow

    if (options.message is None) == (options.message_column is None):
        raise InputError("pass exactly one of --message and --message-column")
    why = None
    try:
        report = _dry_run(options)
    except ISmartInputError as error:
        if error.report is None:
            raise
        report, why = error.report, str(error)
    _print(report, output)
    if report.max_credits is not None and report.planned_parts > report.max_credits:
        why = (
            f"max_credits is {report.max_credits:,}, but the send costs {counted(report.planned_parts, 'credit')}"
        )
    elif not report.planned_parts:
        why = why or "no row can be sent"
    if why:
        output.message(f"Nothing would be sent: {why.rstrip('.')}.")
        return NEGATIVE
    return 0


def _dry_run(options: Namespace) -> Report:
    from airflow_provider_ismart.gateway.client import GatewayClient  # noqa: PLC0415  # imports requests
    from airflow_provider_ismart.gateway.settings import Settings  # noqa: PLC0415
    from airflow_provider_ismart.hooks.task_send import dry_run  # noqa: PLC0415  # imports Airflow
    from airflow_provider_ismart.sending.options import SendOptions  # noqa: PLC0415
    from airflow_provider_ismart.sources.files import from_files  # noqa: PLC0415

    checked = SendOptions.of(
        message=options.message,
        message_column=options.message_column,
        recipient_column=options.recipient_column,
        lang=options.lang,
        exclude=options.exclude,
        max_credits=options.max_credits,
        dry_run=True,
    )
    with closing(GatewayClient(Settings.without_connection())) as client, _progress() as advance:
        recipients = _Observed(from_files(options.file), advance)
        return dry_run(recipients, checked, client, Silent())


class _Observed(ChunkedRecipients):
    """Report how many rows of the recipients have been read."""

    def __init__(self, recipients: ChunkedRecipients, advance: Callable[[int], None]) -> None:
        self._recipients = recipients
        self._advance = advance

    def read(self, recipient_column: str, others: Collection[str] = ()) -> Iterator[Columns]:
        """Return the chunks of the recipients."""
        for chunk in self._recipients.read(recipient_column, others):
            yield chunk
            self._advance(len(next(iter(chunk.values()))))


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal; yield a function that advances it by a number of rows."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415  # only on a terminal
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("Reading"), BarColumn(), TextColumn("{task.completed:,} rows"), TimeElapsedColumn())
    # the bar disappears before the report is printed, and does not redirect stdout
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("", total=None)
        yield lambda rows: progress.advance(task, rows)


def _print(report: Report, output: Output) -> None:
    if output.as_json:
        output.json(report.as_json())
        return
    # a preview attempts nothing
    names = {Outcome.NOT_ATTEMPTED: "would be sent"}
    rows = [(names.get(outcome, outcome.value), count) for outcome, count in report.outcomes.items() if count]
    output.table(counted(report.total, "row"), ("outcome", "rows"), rows)
    if report.reasons:
        output.table("Reasons", ("reason", "rows"), report.reasons.items())
    to_send = [("calls", report.planned_calls), ("credits, one per part", report.planned_parts)]
    if saving := report.saving:
        to_send.append((f"credits that simplify_text would save: {', '.join(saving.characters)}", saving.credits))
    output.table("To send", ("what", "count"), to_send)
    if report.samples:
        samples = [(sample.msisdn, sample.parts, sample.text) for sample in report.samples]
        output.table("Samples", ("number", "parts", "text"), samples)
