"""Provide ``ISmartSendOperator``, which sends SMS from a task."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseOperator

from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.redaction import RedactedRecipients, RedactsFields, revealed
from airflow_provider_ismart.rendered_options import ChecksRenderedOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from os import PathLike

    from airflow.providers.common.compat.sdk import Context, XComArg


class ISmartSendOperator(RedactsFields, ChecksRenderedOptions, BaseOperator):
    """Send one SMS to each recipient.

    The task returns a report as plain JSON: counts by outcome and return code, calls, parts, estimated credits and
    timing. It has no full numbers, and no texts except the ``samples`` of a dry run.

    :param recipients: who gets the message (templated): a number; text with commas, semicolons or line ends
        between numbers; a list, tuple, set or Series of numbers; a list of records; a dict of columns; a DataFrame
        or an object with ``to_pandas()``; a path (``ObjectStoragePath`` or :class:`pathlib.Path`) of a CSV or
        Parquet file or of a directory of such files, or a list of paths; a (mapped) task's output in any of these
        forms; or a list that Jinja has rendered as text. A number has 11 digits or another common notation.
    :param message: the text (templated). ``{column}`` and ``{column:.3f}`` insert the row's values. Write a
        literal brace as ``{{`` or ``}}``, in a Jinja ``raw`` block because Jinja also uses double braces. Can also
        be a dict with a text per language, ``{"ar": "…", "en": "…"}``; the key ``"default"`` is for all other
        rows.
    :param recipient_column: the column with the numbers (templated).
    :param message_column: the column with each row's own text, instead of ``message`` (templated).
    :param language_column: the column with each row's language, if ``message`` is a dict (templated): ``ar``,
        ``en``, their names, or a locale such as ``ar-OM``.
    :param lang: ``"auto"`` (English if GSM-7 has every character of the text, else Arabic), ``"english"`` or 0,
        ``"arabic"`` or 64 (templated).
    :param flash: show the message immediately without storing it, if the phone supports that.
    :param push_at: the delivery time, a datetime or ISO 8601 text (templated). Without an offset, the connection's
        time zone applies. ``None`` delivers immediately.
    :param batch_size: numbers per call, 1 to 50.
    :param max_parts: the most parts per text, 1 to 5. Rows with longer texts are invalid.
    :param simplify_text: replace characters such as curly quotes and dashes with plain ones, if the whole text
        then fits English. Otherwise the text stays unchanged.
    :param deduplicate: send the same text to a number only once, even if several rows request it.
    :param on_empty: if there are no rows, ``"skip"`` or ``"fail"`` the task.
    :param on_invalid: if rows are invalid, ``"skip"`` them, or ``"fail"`` and send nothing.
    :param on_refused: if a call is refused for one of its numbers, ``"isolate"`` the refused numbers by splitting
        the batch, ``"skip"`` all its numbers, or ``"fail"`` and stop the send.
    :param on_uncertain: if calls may or may not have been accepted, ``"fail"`` without a retry, ``"resend"`` them
        in the next try (at least once), or ``"accept"`` the uncertainty (at most once).
    :param exclude: numbers that get no message, such as opt-outs (templated), in any form that ``recipients`` can
        have. In a table, they are in ``recipient_column`` or in the only column. An invalid entry fails the task.
    :param max_credits: the most credits that a try may cost (templated). If it would cost more, nothing is sent.
    :param dry_run: make no call, and return a report of what would be sent. The connection's extras apply if it
        exists.
    :param results_path: a ``.csv`` or ``.parquet`` file for every input row with its outcome (templated): a local
        path, a URL, a :class:`pathlib.Path` or an ``ObjectStoragePath``. It contains full numbers.
    :param settlements_path: a ``.csv`` or ``.parquet`` file that says whether uncertain messages were accepted
        (templated), such as a results file whose ``uncertain`` rows you changed to ``accepted`` or ``not_sent``.
        Each try reads it, if it exists, and sends the messages that were not sent.
    :param idempotency_key: a name for this send, such as ``"bills-2026-11"`` (templated). All tasks that share it,
        in any run or DAG, send to a number only once. It requires a SQL ledger.
    :param ledger_conn_id: a PostgreSQL or SQLite connection for the ledger (templated). The default is the
        connection's extra ``ledger_conn_id``, then Airflow 3.3's task state store. Without any ledger, a later try
        refuses to send.
    :param ismart_conn_id: the connection that holds the account (templated).
    :raises ISmartError: not every valid row was accepted. :mod:`airflow_provider_ismart.exceptions` says what to
        do about each class, and which are not retried.
    """

    template_fields: Sequence[str] = (
        "recipients",
        "message",
        "recipient_column",
        "message_column",
        "language_column",
        "lang",
        "push_at",
        "exclude",
        "max_credits",
        "results_path",
        "settlements_path",
        "idempotency_key",
        "ledger_conn_id",
        "ismart_conn_id",
    )
    redacted_fields: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "recipients": RedactedRecipients,
        "exclude": RedactedRecipients,
    }
    ui_color = "#d8ecf3"

    def __init__(
        self,
        *,
        recipients: Any,
        message: str | Mapping[str, str] | XComArg | None = None,
        recipient_column: str = "msisdn",
        message_column: str | None = None,
        language_column: str | None = None,
        lang: str | int = "auto",
        flash: bool = False,
        push_at: datetime | str | XComArg | None = None,
        batch_size: int = 50,
        max_parts: int = 5,
        simplify_text: bool = False,
        deduplicate: bool = True,
        on_empty: str = "skip",
        on_invalid: str = "skip",
        on_refused: str = "isolate",
        on_uncertain: str = "fail",
        exclude: Any = None,
        max_credits: int | str | XComArg | None = None,
        dry_run: bool = False,
        results_path: str | PathLike[str] | None = None,
        settlements_path: str | PathLike[str] | None = None,
        idempotency_key: str | None = None,
        ledger_conn_id: str | None = None,
        ismart_conn_id: str = ISmartHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.recipients = recipients
        self.message = message
        self.recipient_column = recipient_column
        self.message_column = message_column
        self.language_column = language_column
        self.lang = lang
        self.flash = flash
        self.push_at = push_at
        self.batch_size = batch_size
        self.max_parts = max_parts
        self.simplify_text = simplify_text
        self.deduplicate = deduplicate
        self.on_empty = on_empty
        self.on_invalid = on_invalid
        self.on_refused = on_refused
        self.on_uncertain = on_uncertain
        self.exclude = exclude
        self.max_credits = max_credits
        self.is_dry_run = dry_run  # BaseOperator has a method named dry_run
        self.results_path = results_path
        self.settlements_path = settlements_path
        self.idempotency_key = idempotency_key
        self.ledger_conn_id = ledger_conn_id
        self.ismart_conn_id = ismart_conn_id

    @cached_property
    def hook(self) -> ISmartHook:
        """The hook for ``ismart_conn_id``."""
        return ISmartHook(self.ismart_conn_id)

    def execute(self, context: Context) -> dict[str, object]:
        """Send, and return the report."""
        from airflow_provider_ismart.ledgers.current_try import record_if_unsent  # noqa: PLC0415  # only needed at run time

        with record_if_unsent(context, self.ledger_conn_id):
            self.check_redaction(context)
            self.check_rendered_options(context)
            report = self.hook.submit(
                self._find_recipients(context),
                self._send_options(),
                context,
                ledger_conn_id=self.ledger_conn_id,
                idempotency_key=self.idempotency_key,
            )
        if not report.total:
            raise AirflowSkipException("Skipped: recipients has no rows. To fail instead, set on_empty='fail'.")
        return report.as_json()

    def _find_recipients(self, context: Context) -> Any:  # noqa: ARG002  # a subclass needs it
        """Return the recipients; subclasses override this method."""
        return revealed(self.recipients)

    def _send_options(self) -> dict[str, Any]:
        """Return the options, for :class:`~airflow_provider_ismart.sending.options.SendOptions` to check."""
        from airflow_provider_ismart.sending.options import OPTIONS  # noqa: PLC0415  # only needed at run time

        return {
            option: self.is_dry_run if option == "dry_run" else revealed(getattr(self, option))
            for option in OPTIONS
        }

    def on_kill(self) -> None:
        """Start no new calls; let calls in flight finish and record their outcomes."""
        self.hook.halt()
