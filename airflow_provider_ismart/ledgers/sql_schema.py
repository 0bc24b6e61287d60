"""Define the tables of the SQL ledger, and configure its engine."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
    inspect,
)
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from tenacity import retry, retry_if_exception_message, stop_after_delay, wait_random

#: How long a writer waits for the lock, in seconds. PostgreSQL releases the lock of a dead machine after this
#: time.
LOCK_SECONDS = 60

#: Set in each transaction, to override the defaults of connection pools and of the database.
_POSTGRESQL_SETTINGS = "; ".join(
    (
        "SET LOCAL synchronous_commit = on",
        f"SET LOCAL lock_timeout = '{2 * LOCK_SECONDS}s'",
        f"SET LOCAL idle_in_transaction_session_timeout = '{LOCK_SECONDS}s'",
    )
)

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows only in INTEGER columns

metadata = MetaData()

scopes = Table(
    "ismart_ledger_scope",
    metadata,
    Column("id", _NUMBER, primary_key=True),
    Column("name", String(2000), nullable=False, unique=True),
    Column("hash_key", LargeBinary, nullable=False),
)

senders = Table(
    "ismart_ledger_sender",
    metadata,
    Column("id", _NUMBER, primary_key=True),
    Column("scope_id", _NUMBER, ForeignKey("ismart_ledger_scope.id"), nullable=False),
    Column("task", String(2000), nullable=False),
    #: The fencing token: each try writes its own token, which blocks writes of earlier tries.
    Column("token", String(32), nullable=False),
    UniqueConstraint("scope_id", "task"),
)

calls = Table(
    "ismart_ledger_call",
    metadata,
    Column("id", _NUMBER, primary_key=True),
    Column("scope_id", _NUMBER, ForeignKey("ismart_ledger_scope.id"), nullable=False),
    Column("sender_id", _NUMBER, ForeignKey("ismart_ledger_sender.id"), nullable=False),
    Column("digest", String(12), nullable=False),
    Column("copy", Integer, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
    Column("numbers", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("code", Integer),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("ismart_ledger_call_scope", "scope_id", "id"),
    # senders look for calls with higher ids than they have seen, so ids must not be reused after a prune
    sqlite_autoincrement=True,
)


def create_tables(engine: Engine) -> None:
    """Create missing tables of the ledger, even if several tasks do so concurrently."""
    try:
        metadata.create_all(engine)
    except DBAPIError:
        if not set(metadata.tables) <= set(inspect(engine).get_table_names()):
            raise


def prepare_engine(engine: Engine) -> Engine:
    """Configure an engine for a ledger: commits are durable, and SQLite serialises its writers."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    event.listen(engine, "begin", _set_up_transaction)
    # not the default, because a sender must see what was committed while it waited for the lock
    return engine.execution_options(isolation_level="READ COMMITTED")


@retry(
    retry=retry_if_exception_message(match="database is locked"),  # the switch to WAL does not wait for a lock
    wait=wait_random(0, 0.1),
    stop=stop_after_delay(LOCK_SECONDS),
    reraise=True,
)
def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late
    for pragma in (f"busy_timeout={LOCK_SECONDS * 1000}", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _set_up_transaction(connection: Connection) -> None:
    connection.exec_driver_sql(_POSTGRESQL_SETTINGS)


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
