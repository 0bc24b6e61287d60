"""Select calls of a SQL ledger by key or task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import and_, inspect, select, true
from sqlalchemy.engine import Engine
from sqlalchemy.sql.elements import ColumnElement

from airflow_provider_ismart.ledgers.sql_connection import key_scope
from airflow_provider_ismart.ledgers.sql_schema import calls, metadata, scopes, senders


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The calls of one scope of a ledger, or of some of its senders."""

    scope_id: int
    hash_key: bytes = b""
    #: ``None`` is every sender of the scope.
    sender_ids: frozenset[int] | None = None

    @property
    def calls(self) -> ColumnElement[bool]:
        """The SQL condition for the selected calls."""
        is_sender = true() if self.sender_ids is None else calls.c.sender_id.in_(self.sender_ids)
        return and_(calls.c.scope_id == self.scope_id, is_sender)


def exists(engine: Engine) -> bool:
    """Return whether the database has a ledger. A missing file of SQLite is not created."""
    file = engine.url.database  # for SQLite, a path or a URI
    if engine.dialect.name == "sqlite" and file and not file.startswith("file:") and not Path(file).exists():
        return False
    return set(metadata.tables) <= set(inspect(engine).get_table_names())


def select_key(engine: Engine, idempotency_key: str) -> Sequence[Selection]:
    """Select the calls of a key: one selection, or none if no send has used the key."""
    found = select(scopes.c.id, scopes.c.hash_key).where(scopes.c.name == key_scope(idempotency_key))
    if not exists(engine):
        return []
    with engine.begin() as connection:
        rows = connection.execute(found).all()
    return [Selection(scope_id=row.id, hash_key=bytes(row.hash_key)) for row in rows]


def select_task(engine: Engine, name: str) -> Sequence[Selection]:
    """Select the calls of a task: one selection for each scope, or none if the task is not on record.

    :param name: ``dag/run/task/index``, or ``dag/run/task`` for all indexes. The index of a task that is not
        mapped is -1. Names are compared as a whole, because run ids can contain slashes.
    """
    columns = (senders.c.id, senders.c.task, senders.c.scope_id, scopes.c.hash_key)
    found = select(*columns).select_from(senders.join(scopes))
    sender = f"task:{name}"
    if not exists(engine):
        return []
    with engine.begin() as connection:
        rows = connection.execute(found.where(senders.c.task == sender)).all()
        if not rows:
            indexes = connection.execute(found.where(senders.c.task.startswith(f"{sender}/", autoescape=True)))
            rows = [row for row in indexes if re.fullmatch("-?[0-9]+", row.task.removeprefix(f"{sender}/"))]
    ids: dict[tuple[int, bytes], set[int]] = {}
    for row in rows:
        ids.setdefault((row.scope_id, bytes(row.hash_key)), set()).add(row.id)
    return [
        Selection(scope_id=scope_id, hash_key=hash_key, sender_ids=frozenset(found_ids))
        for (scope_id, hash_key), found_ids in ids.items()
    ]
