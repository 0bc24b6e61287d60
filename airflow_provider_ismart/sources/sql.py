"""Read recipients in chunks from a SQL query, on any database with an Airflow SQL hook."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException
from airflow.providers.common.sql.hooks.lineage import send_sql_hook_lineage
from airflow.providers.common.sql.hooks.sql import DbApiHook
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from airflow_provider_ismart.core.columns import Columns, shown
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.recipients import ChunkedRecipients
from airflow_provider_ismart.core.report import counted
from airflow_provider_ismart.exceptions import ISmartSourceError
from airflow_provider_ismart.sources import CHUNK_ROWS, positions

#: Errors that mean that there is no engine: SQLAlchemy does not know the database, or its driver is not installed.
_NO_ENGINE = (NotImplementedError, ImportError, ArgumentError, AirflowOptionalProviderFeatureException)

#: Errors (PEP 249) about the statement or the server. Messages of other errors can quote data.
_SAYS_NO_DATA = frozenset({"ProgrammingError", "OperationalError", "InterfaceError"})

#: Type codes of 32-bit floats, in the second item of a cursor's description (PEP 249), by driver.
#: PostgreSQL: the oid of float4 (pg_type.dat); MySQL and MariaDB: MYSQL_TYPE_FLOAT (field_types.h).
_FLOAT_32 = {"psycopg2": 700, "psycopg": 700, "MySQLdb": 4, "pymysql": 4, "mysql": 4, "mariadb": 4}

_DIGITS = re.compile(r"\d[\d\s-]{5,}\d")

_Rows = Sequence[Sequence[Any]]


class QueryRecipients(ChunkedRecipients):
    """Recipients that a query returns.

    The query runs in a transaction that is rolled back, with a server-side cursor if the database's SQLAlchemy
    dialect supports it. Without a dialect, it runs on a cursor of the driver.

    :param hook: the database hook.
    :param sql: one SELECT, with placeholders in the style of the database driver.
    :param parameters: the values of the placeholders.
    """

    def __init__(
        self, hook: DbApiHook, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> None:
        self._hook = hook
        self._sql = sql
        self._parameters: Any = tuple(parameters) if isinstance(parameters, list) else parameters

    def read(self, recipient_column: str, others: Collection[str] = ()) -> Iterator[Columns]:
        """Run the query and yield the chunks.

        :raises InputError: there is no query, or its result lacks a column.
        :raises ISmartSourceError: the query failed, at the start or while rows were read.
        """
        if not isinstance(self._sql, str) or not self._sql.strip():
            raise InputError("sql is empty or not text; it must be a query")
        if not isinstance(self._parameters, tuple | Mapping | None):
            raise InputError(
                f"parameters is of type {type(self._parameters).__name__}; it must be a list, tuple or dict"
            )
        read = 0
        try:
            with self._execute() as (cursor, names, chunks):
                found = positions((recipient_column, *others), names, "the query")
                _check_not_narrow(cursor, found[recipient_column], recipient_column)
                for rows in chunks:
                    read += len(rows)
                    yield {name: [row[index] for row in rows] for name, index in found.items()}
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001  # each driver raises its own errors
            raise ISmartSourceError(
                f"The query failed after {counted(read, 'row')} ({_why(error)}). Nothing was sent. Correct the "
                "query or the connection, or retry."
            ) from None
        send_sql_hook_lineage(context=self._hook, sql=self._sql, row_count=read)

    @contextmanager
    def _execute(self) -> Iterator[tuple[Any, list[str], Iterator[_Rows]]]:
        """Run the query, and yield the driver's cursor, the column names and the rows."""
        engine = self._engine()
        if engine is None:
            with closing(self._hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
                cursor.execute(self._sql, *([self._parameters] if self._parameters else []))
                names = [column[0] for column in cursor.description or ()]
                yield cursor, _of_query(names), _fetched(cursor)
            return
        with engine.connect() as connection, ExitStack() as at_the_end:
            at_the_end.callback(connection.begin().rollback)  # SQLAlchemy 1.4 would commit changes
            # so that a query without parameters can contain a literal %
            streamed = connection.execution_options(
                stream_results=True, max_row_buffer=CHUNK_ROWS, no_parameters=True
            )
            with closing(streamed.exec_driver_sql(self._sql, self._parameters)) as result:
                names = list(result.keys()) if result.returns_rows else []
                yield result.cursor, _of_query(names), result.partitions(CHUNK_ROWS)

    def _engine(self) -> Engine | None:
        try:
            return self._hook.get_sqlalchemy_engine({"hide_parameters": True, "poolclass": NullPool})
        except _NO_ENGINE:
            return None


def _fetched(cursor: Any) -> Iterator[_Rows]:
    while rows := cursor.fetchmany(CHUNK_ROWS):
        yield rows


def _check_not_narrow(cursor: Any, index: int, column: str) -> None:
    """Refuse a column of 32-bit floats if the driver reports the type. Computed columns are checked, too."""
    driver = type(cursor).__module__.partition(".")[0]
    description = getattr(cursor, "description", None)
    if driver in _FLOAT_32 and description and description[index][1] == _FLOAT_32[driver]:
        raise InputError(
            f"the query's column {shown(column)} is a 32-bit float, which cannot hold 11 digits: the numbers in "
            "it are already wrong. Store them as text; a cast in the query does not restore the digits."
        )


def _of_query(names: list[str]) -> list[str]:
    if not names:
        raise InputError("sql is not a query that returns rows; it must be a SELECT")
    return names


def _why(error: Exception) -> str:
    """Return a database's error message without numbers; only the error class if the message can quote data."""
    said = getattr(error, "orig", None) or error  # SQLAlchemy's own message contains the whole statement
    name = type(said).__name__
    if _SAYS_NO_DATA.isdisjoint(base.__name__ for base in type(said).__mro__):
        return name
    first_line = str(said).strip().partition("\n")[0]  # the following lines quote the statement
    return f"{name}: {_DIGITS.sub('…', first_line)}"
