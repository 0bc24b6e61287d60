"""Provide `SqlToISmartOperator`, which sends to the recipients that a query returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_ismart.exceptions import ISmartInputError
from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.redaction import Redacted, revealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.common.sql.hooks.sql import DbApiHook

    from airflow_provider_ismart.sources.sql import QueryRecipients


class SqlToISmartOperator(ISmartSendOperator):
    """Send one SMS to each recipient that a query returns.

    The whole result is read in chunks before the first call. If the query fails, nothing is sent.

    :param sql: one SELECT, or the name of a ``.sql`` file with one (templated). ``recipient_column``,
        ``message_column``, ``language_column`` and the placeholders of ``message`` name its columns. Airflow's UI
        shows the query.
    :param conn_id: the connection to a database with an Airflow SQL hook (templated).
    :param parameters: the values of the query's placeholders (templated). The database driver determines whether a
        placeholder is ``%s``, ``%(name)s`` or ``?``. Airflow's UI does not show the values.
    :param hook_params: parameters of the database hook, such as ``{"database": "crm"}`` (templated).
    :param kwargs: all parameters of :class:`~airflow_provider_ismart.operators.ismart.ISmartSendOperator` except
        ``recipients``.
    :raises ISmartSourceError: the query failed; nothing was sent.
    :raises ISmartError: not every valid row was accepted.
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
    redacted_fields: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        **ISmartSendOperator.redacted_fields,
        "parameters": Redacted,
    }

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

    def resolve_template_files(self) -> None:
        """Read no files: Airflow would read one for each field that ends with ``.sql``. Rendering reads them."""
        self.prepare_template()

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        if parent is not self:  # an object within a field
            super()._do_render_template_fields(parent, template_fields, *args, **kwargs)
            return
        try:
            for field in template_fields:
                # Airflow treats any text that ends with this as a file name
                self.template_ext = type(self).template_ext if field == "sql" else ()
                super()._do_render_template_fields(parent, [field], *args, **kwargs)
        finally:
            self.template_ext = type(self).template_ext

    def _find_recipients(self, context: Context) -> QueryRecipients:  # noqa: ARG002  # the query is templated
        from airflow_provider_ismart.sources.sql import QueryRecipients  # noqa: PLC0415  # imports SQLAlchemy

        return QueryRecipients(self._database_hook(), self.sql, revealed(self.parameters))

    def _database_hook(self) -> DbApiHook:
        from airflow.providers.common.sql.hooks.sql import DbApiHook  # noqa: PLC0415  # imports SQLAlchemy

        for option, value, type_, wanted in (
            ("conn_id", self.conn_id, str, "text"),
            ("hook_params", self.hook_params, dict | None, "a dict or None"),
        ):
            if not isinstance(value, type_):
                raise ISmartInputError(
                    f"{option} is of type {type(value).__name__}; it must be {wanted}. Nothing was sent."
                )
        connection = BaseHook.get_connection(self.conn_id)
        hook = connection.get_hook(hook_params=self.hook_params)  # type: ignore[no-untyped-call]
        if not isinstance(hook, DbApiHook):
            raise ISmartInputError(
                f"conn_id {self.conn_id!r} is a connection of type {connection.conn_type!r}, which is not a SQL "
                "database. Set it to a database connection. Nothing was sent."
            )
        return hook
