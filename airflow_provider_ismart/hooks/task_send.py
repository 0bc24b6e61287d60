"""Run one send of a task: open its connection and ledger, and record its failure for other tasks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_ismart.coordination.credit_failure import leave_for_callbacks
from airflow_provider_ismart.exceptions import ISmartCreditError, ISmartError, ISmartLoginError
from airflow_provider_ismart.gateway.settings import Settings
from airflow_provider_ismart.ledgers.select import open_ledger
from airflow_provider_ismart.sending.lineage import report_gateway
from airflow_provider_ismart.sending.owner import run_in_own_thread
from airflow_provider_ismart.sending.send import Send
from airflow_provider_ismart.sources.files import from_files
from airflow_provider_ismart.sources.overlap import check_no_overlap
from airflow_provider_ismart.sources.settlements import read_settlements

if TYPE_CHECKING:
    from airflow_provider_ismart.core.report import Report
    from airflow_provider_ismart.core.settlement import Settlements
    from airflow_provider_ismart.gateway.client import GatewayClient
    from airflow_provider_ismart.hooks.ismart import ISmartHook
    from airflow_provider_ismart.ledgers.current_try import CurrentTry
    from airflow_provider_ismart.sending.options import SendOptions
    from airflow_provider_ismart.sending.progress import Log
    from airflow_provider_ismart.sending.runtime import Runtime


class TaskSend:
    """Send through a hook, within one try of a task.

    :param ledger_conn_id: the connection of the SQL ledger. The default is the extra of the hook's connection.
    """

    def __init__(
        self,
        hook: ISmartHook,
        context: Mapping[str, Any],
        this_try: CurrentTry,
        *,
        ledger_conn_id: str | None,
        idempotency_key: str | None,
    ) -> None:
        self._hook = hook
        self._context = context
        self._try = this_try
        self._ledger_conn_id = ledger_conn_id
        self._idempotency_key = idempotency_key

    def send(self, recipients: Any, options: SendOptions) -> Report:
        """Plan the send in this thread and run it in another, so that signals interrupt only the wait.

        :raises InputError: the recipients, the options or the ledger are invalid.
        :raises ISmartError: not every valid row was accepted.
        """
        hook = self._hook
        settings = self._settings()
        read_from = from_files(recipients)
        options = _with_exclude_from_files(options)
        for option, source in (("recipients", read_from), ("exclude", options.exclude)):
            check_no_overlap(source, options.results_path, option, "results_path")
            check_no_overlap(source, options.settlements_path, option, "settlements_path")
        settlements = read_settlements(options.settlements_path, settings.numbering, hook.log)
        report_gateway(hook, settings.url)
        with (
            closing(hook.new_client(settings)) as client,
            closing(Send(read_from, options, client, hook.log, hook.runtime)) as send,
        ):
            return run_in_own_thread(
                lambda: self._run(send, settings, settlements),
                send.runtime.new_executor(1),
                halt=client.halted.set,
                ended=send.runtime.new_condition(),
            )

    def _run(self, send: Send, settings: Settings, settlements: Settlements) -> Report:
        with (
            open_ledger(
                self._context,
                self._try,
                send.plan,
                ledger_conn_id=self._ledger_conn_id or settings.ledger_conn_id,
                idempotency_key=self._idempotency_key,
            ) as opened,
            self._try.tracking(send.plan),  # one send at a time, from here on
        ):
            try:
                return send.run(
                    opened.ledger,
                    attempt=self._try.attempt,
                    before_first_call=opened.before_first_call,
                    known_refusal=self._known_refusal,
                    settlements=settlements,
                )
            except ISmartError as error:
                self._try.forget_connection(self._hook.ismart_conn_id)
                self._share(error)
                raise

    def _settings(self) -> Settings:
        """Return the connection's settings. All hooks of a try share them, because reading takes 5 to 30 ms."""
        hook, shared = self._hook, self._try.settings
        if known := shared.get(hook.ismart_conn_id):
            vars(hook).setdefault("settings", known)  # as its cached property does
        shared[hook.ismart_conn_id] = hook.settings
        return hook.settings

    def _known_refusal(self) -> str | None:
        now = self._hook.runtime.monotonic() if self._hook.runtime else monotonic()
        return self._try.check_login(
            self._hook.ismart_conn_id, lambda: self._hook.known_refusal(self._context), now
        )

    def _share(self, error: ISmartError) -> None:
        """Record why the send failed, for callbacks and other tasks."""
        if isinstance(error, ISmartCreditError):
            leave_for_callbacks(error, self._context, self._hook.log)
        if isinstance(error, ISmartLoginError) and error.code is not None:  # only if it was tried just now
            with suppress(Exception):  # another error would replace this one, and Airflow would retry
                self._hook.refused_login.record(self._hook.log)


def _with_exclude_from_files(options: SendOptions) -> SendOptions:
    return replace(options, exclude=from_files(options.exclude, "exclude", or_only_column=True))


def preview(hook: ISmartHook, recipients: Any, options: SendOptions) -> Report:
    """Return the report of a dry run with the hook's connection or, if there is none, with the default extras.

    :raises InputError: the recipients or the options are invalid.
    :raises ISmartInputError: nothing would be sent.
    """
    try:
        settings = hook.settings
    except AirflowNotFoundException:
        hook.log.warning(
            "There is no connection %r, so this dry run uses the default extras.", hook.ismart_conn_id
        )
        settings = Settings.without_connection()
    read_settlements(options.settlements_path, settings.numbering, hook.log)  # only to check the file
    with closing(hook.new_client(settings)) as client:
        return dry_run(recipients, options, client, hook.log, hook.runtime)


def dry_run(
    recipients: Any, options: SendOptions, client: GatewayClient, log: Log, runtime: Runtime | None = None
) -> Report:
    """Return the report of a dry run with the client's settings.

    :raises InputError: the recipients or the options are invalid.
    :raises ISmartInputError: nothing would be sent.
    """
    send = Send(from_files(recipients), _with_exclude_from_files(options), client, log, runtime)
    with closing(send):
        return send.preview()
