"""The transfer: a task that tells the people whom a query finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_ismart.exceptions import ISmartInputError
from airflow_provider_ismart.hidden import Hidden, HiddenRecipients, shown
from airflow_provider_ismart.operators.ismart import ISmartSendOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.common.sql.hooks.sql import DbApiHook

    from airflow_provider_ismart.sources.sql import QueryRecipients


class SqlToISmartOperator(ISmartSendOperator):
    """Send an SMS to everybody whom a query finds, once.

    The whole result is read before anything is sent, a chunk at a time; if the query fails, nothing is sent.

    :param sql: one SELECT, or the name of a ``.sql`` file with one (templated). Its columns are there for
        ``recipient_column``, ``message_column`` and the placeholders of ``message``. Airflow's UI shows it.
    :param conn_id: the connection to any database that Airflow's ``common.sql`` provider knows (templated).
    :param parameters: what stands for the query's placeholders, which are written as the database's driver has
        them, ``%s`` or ``%(name)s`` or ``?`` (templated). Airflow's UI does not show them.
    :param hook_params: parameters of the database's hook, such as ``{"database": "crm"}`` (templated).
    :param kwargs: every parameter of :class:`~airflow_provider_ismart.operators.ismart.ISmartSendOperator` but
        ``recipients``.
    :raises ISmartSourceError: the query failed; nothing was sent.
    :raises ISmartError: not everybody who could be told was told.
    """

    template_fields: Sequence[str] = (
        "sql",
        "conn_id",
        "parameters",
        "hook_params",
        *(field for field in ISmartSendOperator.template_fields if field != "recipients"),
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}
    hidden_fields: ClassVar[Mapping[str, Callable[[Any], Any]]] = {"parameters": Hidden}

    def __init__(
        self,
        *,
        sql: str,
        conn_id: str,
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        hook_params: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(recipients=None, **kwargs)
        self.sql = sql
        self.conn_id = conn_id
        self.parameters = parameters
        self.hook_params = hook_params

    def execute(self, context: Context) -> dict[str, object]:
        """Run the query, send, and return the report."""
        self.recipients = HiddenRecipients(self._query())
        return super().execute(context)

    def _query(self) -> QueryRecipients:
        from airflow_provider_ismart.sources.sql import QueryRecipients  # noqa: PLC0415  # brings SQLAlchemy

        return QueryRecipients(self._database_hook(), self.sql, shown(self.parameters))

    def _database_hook(self) -> DbApiHook:
        from airflow.providers.common.sql.hooks.sql import DbApiHook  # noqa: PLC0415  # brings SQLAlchemy

        connection = BaseHook.get_connection(self.conn_id)
        hook = connection.get_hook(hook_params=self.hook_params)  # type: ignore[no-untyped-call]
        if not isinstance(hook, DbApiHook):
            raise ISmartInputError(
                f"conn_id {self.conn_id!r} is a connection of type {connection.conn_type!r}, which is no SQL "
                "database. Nothing was sent."
            )
        return hook
