"""`ISmartSendOperator`: a task that sends SMS."""

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
    """Send an SMS to each of ``recipients``, once.

    Returns the report as plain JSON: counts by outcome and return code, calls, parts, credits estimated and
    timing, without full numbers, and without texts but for the ``samples`` of a dry run.

    :param recipients: who gets the message (templated): a number; text with commas, semicolons or line ends
        between numbers; a list, tuple, set or Series of numbers; a list of records; a dict of columns; a
        DataFrame or anything with ``to_pandas()``; the output of a task or of a mapped task that is one of
        those; a path (``ObjectStoragePath`` or :class:`pathlib.Path`) of a CSV or Parquet file or of a directory
        of them, or a list of paths; or the text that Jinja makes of a list. A number is 11 digits, or one of
        the usual notations.
    :param message: the text (templated). ``{column}`` and ``{column:.3f}`` stand for the row's
        values, ``{{`` and ``}}`` for braces (in Jinja's raw block, as Jinja reads double braces first). Or a dict
        with a text for each language: ``{"ar": "…", "en": "…"}``; its key ``"default"`` is for all other rows.
    :param recipient_column: the column with the numbers (templated).
    :param message_column: a column with each row's own text, in place of ``message`` (templated).
    :param language_column: with a dict as ``message``, the column with each row's language (templated): ``ar``,
        ``en``, their names or a locale such as ``ar-OM``.
    :param lang: ``"auto"`` (English where the GSM-7 alphabet has every character, Arabic otherwise),
        ``"english"`` or 0, ``"arabic"`` or 64 (templated).
    :param flash: show the message immediately instead of storing it, where the phone can.
    :param push_at: when to deliver: a datetime or ISO 8601 text (templated). Without an offset it is read in
        the connection's time zone. ``None`` is immediately.
    :param batch_size: numbers per call, 1 to 50.
    :param max_parts: parts that a text may take, 1 to 5; a longer one is not sent.
    :param simplify_text: replace curly quotes, dashes and the like by plain characters, if the whole text then
        fits English; otherwise it is not changed.
    :param deduplicate: send a text once to a number that has several rows with it.
    :param on_empty: if there are no rows, ``"skip"`` the task or ``"fail"``.
    :param on_invalid: rows that cannot be sent are left out (``"skip"``), or nothing is sent (``"fail"``).
    :param on_refused: a batch that is refused for one of its numbers is split until the refused ones stand alone
        (``"isolate"``), left out (``"skip"``), or stops the send (``"fail"``).
    :param on_uncertain: calls that may or may not have been accepted end the task without a retry (``"fail"``),
        are sent again by the next try (``"resend"``: at least once), or are left alone (``"accept"``: at most
        once).
    :param exclude: numbers that get no message, such as opt-outs (templated): whatever ``recipients`` can be. A
        table has them in ``recipient_column`` or in its only column. An invalid entry fails the task.
    :param max_credits: the most credits that a try may cost; if it would cost more, nothing is sent (templated).
    :param dry_run: make no call, and return the report of what would be sent. If the connection exists, its
        extras count.
    :param results_path: a ``.csv`` or ``.parquet`` file that gets every input row with its outcome, full numbers
        included (templated): a local path, a URL, a :class:`pathlib.Path` or an ``ObjectStoragePath``.
    :param settlements_path: a ``.csv`` or ``.parquet`` file with the outcomes of uncertain rows, such as the
        results file with their outcomes edited to ``accepted`` or ``not_sent`` (templated). Each try reads it,
        if it exists, and sends what was not sent.
    :param idempotency_key: a name for this send, such as ``"bills-2026-11"`` (templated): no task of any run or
        DAG that names it sends to a number again what another has sent. It needs a SQL ledger.
    :param ledger_conn_id: a PostgreSQL or SQLite connection that keeps the ledger (templated). Without one, that
        of the connection's extra; without that, the task state store of Airflow 3.3, and on an earlier Airflow
        a later try refuses to send.
    :param ismart_conn_id: the connection that holds the account (templated).
    :raises ISmartError: not every valid row was accepted; see
        :mod:`airflow_provider_ismart.exceptions` for what each class asks of you and which are not retried.
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
        self.is_dry_run = dry_run  # BaseOperator.dry_run is a method of Airflow's own
        self.results_path = results_path
        self.settlements_path = settlements_path
        self.idempotency_key = idempotency_key
        self.ledger_conn_id = ledger_conn_id
        self.ismart_conn_id = ismart_conn_id

    @cached_property
    def hook(self) -> ISmartHook:
        """The hook of ``ismart_conn_id``."""
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
            raise AirflowSkipException("Skipped: recipients has no rows.")
        return report.as_json()

    def _find_recipients(self, context: Context) -> Any:  # noqa: ARG002  # a subclass needs it
        """Return the recipients. Subclasses override this."""
        return revealed(self.recipients)

    def _send_options(self) -> dict[str, Any]:
        """Return the options that :class:`~airflow_provider_ismart.sending.options.SendOptions` checks."""
        from airflow_provider_ismart.sending.options import OPTIONS  # noqa: PLC0415  # only needed at run time

        return {
            option: self.is_dry_run if option == "dry_run" else revealed(getattr(self, option))
            for option in OPTIONS
        }

    def on_kill(self) -> None:
        """Start no new calls; let calls in flight finish and record their outcomes."""
        self.hook.halt()
