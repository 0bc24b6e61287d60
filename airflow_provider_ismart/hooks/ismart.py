"""Provide ``ISmartHook``, which connects operators and ``@task`` functions to the gateway."""

from __future__ import annotations

from contextlib import closing, contextmanager
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus
from weakref import WeakSet

from airflow.providers.common.compat.sdk import BaseHook, mask_secret

from airflow_provider_ismart.coordination.task_identity import TaskIdentity, current_context
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.exceptions import ISmartError, ISmartInputError
from airflow_provider_ismart.gateway.connection_form import field_behaviour, form_widgets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from airflow_provider_ismart.coordination.refused_login import RefusedLogin
    from airflow_provider_ismart.core.batching import Batch
    from airflow_provider_ismart.core.outcomes import CallOutcome
    from airflow_provider_ismart.core.report import Report
    from airflow_provider_ismart.gateway.client import GatewayClient
    from airflow_provider_ismart.gateway.settings import Settings
    from airflow_provider_ismart.sending.runtime import Runtime

#: A task can send several times, and earlier sends may have made calls.
_NO_CALL = "This send made no call."


class ISmartHook(BaseHook):
    """Send SMS through the iSmart gateway.

    :param ismart_conn_id: the Airflow connection that holds the account, of type ``ismart``.
    """

    conn_name_attr = "ismart_conn_id"
    default_conn_name = "ismart_default"
    conn_type = "ismart"
    hook_name = "iSmart SMS"

    #: The source of time and threads; ``None`` is the real one. Simulations set their own.
    runtime: Runtime | None = None

    get_ui_field_behaviour = staticmethod(field_behaviour)
    get_connection_form_widgets = staticmethod(form_widgets)

    def __init__(self, ismart_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.ismart_conn_id = ismart_conn_id
        self._is_halted = False
        #: The events that stop this hook's sends. Several sends can run in threads.
        self._halted: WeakSet[Event] = WeakSet()

    def get_conn(self) -> GatewayClient:
        """Return a gateway client with the connection's settings. This makes no call. Close the client after use.

        :raises ISmartInputError: a field or extra of the connection is invalid; the message names it.
        """
        return self.new_client(self.settings)

    def new_client(self, settings: Settings) -> GatewayClient:
        """Return a client with these settings. :meth:`halt` stops it. Close it after use."""
        from airflow_provider_ismart.gateway.client import GatewayClient  # noqa: PLC0415  # imports requests

        halted = Event()  # a send that stops early sets the event, so each send has its own
        self._halted.add(halted)
        if self._is_halted:
            halted.set()
        with _own_errors():
            return GatewayClient(settings, halted=halted)

    @cached_property
    def settings(self) -> Settings:
        """The validated settings of the connection. Their ``repr`` shows nothing.

        :raises ISmartInputError: a field or extra of the connection is invalid; the message names it.
        """
        from airflow_provider_ismart.gateway.settings import Settings  # noqa: PLC0415  # only needed at run time
        from airflow_provider_ismart.sending.options import check_name  # noqa: PLC0415

        with _own_errors():
            check_name("ismart_conn_id", self.ismart_conn_id)
        connection = self.get_connection(self.ismart_conn_id)
        password = connection.password
        if password and isinstance(password, str):  # Airflow masks it, but not its URL-encoded form
            mask_secret(quote(password, safe=""))
            mask_secret(quote(password, safe="*"))  # the encoding that the client uses
            mask_secret(quote_plus(password))
        with _own_errors():
            settings = Settings.of(connection, self.ismart_conn_id)
        if settings.proxy:  # it can contain a password
            mask_secret(settings.proxy)
        return settings

    def build_url(
        self, batch: Batch, *, flash: bool = False, push_at: str | None = None, reveal: bool = False
    ) -> str:
        """Return the URL of a batch's call. Credentials and numbers are masked unless ``reveal`` is true."""
        with closing(self.get_conn()) as client:
            return client.build_url(batch, flash=flash, push_at=push_at, reveal=reveal)

    def send(
        self,
        recipients: Any,
        message: str | Mapping[str, str],
        *,
        language_column: str | None = None,
        lang: str | int = "auto",
        flash: bool = False,
        push_at: datetime | str | None = None,
        simplify_text: bool = False,
        exclude: Any = None,
        max_credits: int | str | None = None,
        on_empty: str = "skip",
        on_invalid: str = "skip",
        on_refused: str = "isolate",
        on_uncertain: str = "fail",
    ) -> dict[str, object]:
        """Send ``message`` to ``recipients`` inside an ``@task``, and return the report.

        Parameters and errors are those of
        :class:`~airflow_provider_ismart.operators.ismart.ISmartSendOperator`; its other options have their
        defaults. A task can call this several times. Over all its tries, a number gets at most as many messages as
        one try requests. If there are no recipients, ``on_empty="skip"`` returns a report without rows.
        """
        options = {
            "message": message,
            "language_column": language_column,
            "lang": lang,
            "flash": flash,
            "push_at": push_at,
            "simplify_text": simplify_text,
            "exclude": exclude,
            "max_credits": max_credits,
            "on_empty": on_empty,
            "on_invalid": on_invalid,
            "on_refused": on_refused,
            "on_uncertain": on_uncertain,
        }
        with _own_errors(_NO_CALL):
            context = current_context()
        with self._halted_by(context.get("task")):
            return self.submit(recipients, options, context, sends_several_times=True).as_json()

    @contextmanager
    def _halted_by(self, task: Any) -> Iterator[None]:
        """Stop the send when Airflow stops the task, as the operator does."""
        if task is None:
            yield
            return
        on_kill, is_running = task.on_kill, True

        def halt_and_kill() -> None:
            if is_running:
                self.halt()
            on_kill()

        task.on_kill = halt_and_kill
        try:
            yield
        finally:
            is_running = False
            if task.on_kill is halt_and_kill:  # else a send in another thread has replaced it, and calls it
                task.on_kill = on_kill

    def submit(
        self,
        recipients: Any,
        options: Mapping[str, Any],
        context: Mapping[str, Any],
        *,
        ledger_conn_id: str | None = None,
        idempotency_key: str | None = None,
        sends_several_times: bool = False,
    ) -> Report:
        """Send with the operator's ``options``, in the task of ``context``, and return the report.

        :param sends_several_times: whether this try may send several times.
        :raises ISmartError: not every valid row was accepted; the class says what to do next.
        """
        from airflow_provider_ismart.hooks.task_send import TaskSend, preview  # noqa: PLC0415  # only needed at run time
        from airflow_provider_ismart.ledgers.current_try import record_if_unsent  # noqa: PLC0415
        from airflow_provider_ismart.sending.options import SendOptions, check_name  # noqa: PLC0415

        with record_if_unsent(context, ledger_conn_id) as this_try, _own_errors(_NO_CALL):
            if sends_several_times:
                this_try.expect_several_sends()
            checked = SendOptions.of(**options)
            if ledger_conn_id is not None:
                check_name("ledger_conn_id", ledger_conn_id)
            if checked.dry_run:
                return preview(self, recipients, checked)
            return TaskSend(
                self, context, this_try, ledger_conn_id=ledger_conn_id, idempotency_key=idempotency_key
            ).send(recipients, checked)

    def ledger_summary(
        self,
        *,
        idempotency_key: str | None = None,
        task_instance: Any = None,
        ledger_conn_id: str | None = None,
    ) -> dict[str, int]:
        """Count the messages in the SQL ledger by state. Pass either a key or a task instance.

        :param idempotency_key: count the messages of all tasks with this key.
        :param task_instance: count the messages of this task instance, an object with ``dag_id``, ``run_id``,
            ``task_id`` and ``map_index``.
        :param ledger_conn_id: the ledger's connection. The default is the extra of this hook's connection.
        :raises ISmartInputError: there is no SQL ledger, or both or neither of key and task instance are given.
        :raises ISmartError: the ledger's database cannot be read.
        """
        from airflow_provider_ismart.ledgers.operations import count_messages  # noqa: PLC0415  # import SQLAlchemy
        from airflow_provider_ismart.ledgers.selection import select_key, select_task  # noqa: PLC0415
        from airflow_provider_ismart.ledgers.sql_connection import open_engine  # noqa: PLC0415

        with _own_errors(""):
            if (idempotency_key is None) == (task_instance is None):
                raise InputError("ledger_summary takes either idempotency_key or task_instance; pass one of them")
            conn_id = ledger_conn_id or self.settings.ledger_conn_id
            if not conn_id:
                raise InputError("ledger_summary needs a SQL ledger: set ledger_conn_id")
            with open_engine(conn_id) as engine:
                if idempotency_key is not None:
                    selections = select_key(engine, idempotency_key)
                else:
                    selections = select_task(engine, str(TaskIdentity.of_instance(task_instance)))
                return {state.value: count for state, count in count_messages(engine, selections).items()}

    def halt(self) -> None:
        """Start no new calls; let calls in flight finish and record their outcomes."""
        self._is_halted = True
        for halted in list(self._halted):
            halted.set()

    def probe(self) -> int | None:
        """Make the free probe, ``MobileNo=1``, and return its return code; ``None`` if there was none.

        Code 9 means that the login is good and no trouble was seen. It is second-hand knowledge that the probe
        costs nothing, reaches nobody, and checks the login before the number.
        """
        return self.probe_outcome().code

    def probe_outcome(self) -> CallOutcome:
        """Make the free probe once, and return its outcome. Without a code, ``detail`` has the cause."""
        from airflow_provider_ismart.core.return_codes import Kind, return_code  # noqa: PLC0415  # only when needed

        outcome = self.make_probe()
        if outcome.code is not None and return_code(outcome.code).kind is Kind.LOGIN:
            self.refused_login.record(self.log)
        return outcome

    def make_probe(self) -> CallOutcome:
        """Make the free probe once, and return its outcome. The caller records a refused login."""
        from airflow_provider_ismart.sending.metrics import count_probe  # noqa: PLC0415  # only when needed

        with closing(self.get_conn()) as client:
            outcome = client.probe()
        count_probe(outcome)
        return outcome

    def known_refusal(self, context: Mapping[str, Any]) -> str | None:
        """Return why the login must not be tried, if it was refused within a day and has not changed since.

        ``None`` means that it may be tried, as always outside a task, where a person is in control.
        """
        return self.refused_login.block_reason() if TaskIdentity.of(context) else None

    @property
    def refused_login(self) -> RefusedLogin:
        """The shared record of a refused login, which keeps tasks and alerts from trying it again."""
        from airflow_provider_ismart.coordination.refused_login import RefusedLogin  # noqa: PLC0415  # imports Variables

        return RefusedLogin(self.ismart_conn_id, self.settings)

    def test_connection(self) -> tuple[bool, str]:
        """Test the login with one free probe, for Airflow's connection test."""
        from airflow_provider_ismart.core.credit import judge_login  # noqa: PLC0415  # only needed at run time

        return judge_login(self.probe_outcome())


@contextmanager
def _own_errors(consequence: str = "No call was made.") -> Iterator[None]:
    """Convert errors of the core to public errors. ``consequence`` says what invalid input led to."""
    from airflow_provider_ismart.core.ledger import LedgerConflictError  # noqa: PLC0415  # imports the whole core

    try:
        yield
    except InputError as error:
        raise ISmartInputError(f"{str(error).rstrip('.')}. {consequence}".rstrip()) from None
    except LedgerConflictError as error:
        raise ISmartError(f"The ledger stopped this send: {error}.") from None
