"""Keep a ledger in a SQL database: PostgreSQL, or SQLite on one machine.

Senders in one scope see each other's records. A scope comprises the tries of a task instance, the indexes of a
mapped task, or all tasks with the same idempotency key. A lock on the scope's row serialises writes, so a sender
sees the intents of the others before it records its own. A call is one row with the hashes of all its numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from secrets import token_bytes, token_hex
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import Select

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.ledger import MAYBE_SENT, STATE_OF_FATE, LedgerConflictError, State
from airflow_provider_ismart.core.outcomes import CallOutcome
from airflow_provider_ismart.ledgers.base import StoredLedger
from airflow_provider_ismart.ledgers.records import KEY_BYTES, Call, Records, shared_entry, split_hashes
from airflow_provider_ismart.ledgers.sql_schema import calls, create_tables, scopes, senders

#: All calls, in the order in which they were recorded.
_CALLS = select(
    calls.c.id,
    calls.c.sender_id,
    calls.c.digest,
    calls.c.copy,
    calls.c.state,
    calls.c.fingerprint,
    calls.c.hashes,
).order_by(calls.c.id)

# Each write executes these, so they are built only once. In an UPDATE, parameters cannot be named after columns.
_LOCK_SCOPE = select(scopes.c.id).where(scopes.c.id == bindparam("scope")).with_for_update()
_TOKEN = select(senders.c.token).where(senders.c.id == bindparam("sender"))
_CALLS_OF_OTHERS = _CALLS.where(
    calls.c.scope_id == bindparam("scope"),
    calls.c.id > bindparam("last_seen"),
    calls.c.sender_id != bindparam("sender"),
)
_END_CALLS = (
    update(calls)
    .where(calls.c.id.in_(bindparam("ids", expanding=True)), calls.c.state.in_(bindparam("from", expanding=True)))
    .values(state=bindparam("to"), code=bindparam("return_code"))
)
_RECORD_CALL = insert(calls)
_NEWEST_CALLS = (
    select(calls.c.id, calls.c.fingerprint)
    .where(calls.c.scope_id == bindparam("scope"), calls.c.sender_id == bindparam("sender"))
    .order_by(calls.c.id.desc())
    .limit(bindparam("count"))
)

#: How many calls to fetch per chunk, if the database supports it.
_FETCH_SIZE = 1_000


class SqlLedger(StoredLedger[Connection]):
    """Read and write the ledger of a scope, as one of its tasks.

    :param engine: the database's engine; see :func:`~.sql_schema.prepare_engine`.
    :param scope: the name of the scope. Its senders see each other's records.
    :param task: the task instance that writes. Its newest try fences off earlier ones.
    :param same_text_only: whether records of other senders affect only the same text, as between the indexes of a
        mapped task. Otherwise, they affect all texts to the number, as with an idempotency key.
    """

    def __init__(self, engine: Engine, *, scope: str, task: str, same_text_only: bool = False) -> None:
        super().__init__()
        self._engine = engine
        self.scope = scope
        self._task = task
        self._same_text_only = same_text_only
        self._token = token_hex(16)
        self._last_seen = 0
        self._has_tables = False
        #: Numbers that other senders have claimed since this one loaded the records; by message if
        #: ``same_text_only``.
        self._claimed_elsewhere: dict[tuple[str, int] | None, set[bytes]] = defaultdict(set)

    def reopen(self, engine: Engine) -> None:
        """Use a new engine for another send of the same try."""
        self._engine = engine

    def knows_task(self) -> bool:
        """Return whether an earlier try of the task is on record, even if it submitted nothing."""
        self._create_tables()
        trace = select(senders.c.id).join(scopes).where(scopes.c.name == self.scope, senders.c.task == self._task)
        with self._engine.begin() as connection:
            return connection.execute(trace).first() is not None

    def knows_task_elsewhere(self) -> bool:
        """Return whether the task has calls on record in another scope, such as another idempotency key."""
        trace = select(calls.c.id).join(senders, senders.c.id == calls.c.sender_id).join(scopes)
        elsewhere = trace.where(senders.c.task == self._task, scopes.c.name != self.scope).limit(1)
        with self._engine.begin() as connection:
            return connection.execute(elsewhere).first() is not None

    def _create_tables(self) -> None:
        if not self._has_tables:
            create_tables(self._engine)
            self._has_tables = True

    def write(self, settled: Sequence[tuple[Batch, CallOutcome]], intents: Sequence[Batch]) -> Sequence[Batch]:
        """Record the outcomes of calls and the intents of the next ones; return those that may start.

        :raises LedgerConflictError: another try of the task has claimed the ledger.
        :raises sqlalchemy.exc.DBAPIError: the database cannot be written to.
        """
        granted = super().write(settled, intents)
        # only after the commit: other senders can get the ids of a transaction that is rolled back
        self._last_seen = max([self._last_seen, *self._numbers.values()])
        return granted

    def _claim(self) -> Records:
        self._create_tables()
        self._scope_id, self._key = self._find_or_make_scope()
        records = Records(self._key)
        with self._engine.begin() as connection:
            self._lock_scope(connection)
            self._sender_id = self._register_sender(connection)
            mine = (calls.c.scope_id == self._scope_id) & (calls.c.sender_id == self._sender_id)
            abandoned = mine & (calls.c.state == State.SUBMITTING.value)
            connection.execute(update(calls).where(abandoned).values(state=State.UNCERTAIN.value))
            for id_, call in self._read_calls(connection):
                records.add(call)
                self._last_seen = id_
        return records

    def _load(self, transaction: Connection | None = None) -> Records:
        if transaction is None:
            with self._engine.begin() as connection:
                return self._load(connection)
        records = Records(self._key)
        for _, call in self._read_calls(transaction):
            records.add(call)
        return records

    def _find_or_make_scope(self) -> tuple[int, bytes]:
        found = select(scopes.c.id, scopes.c.hash_key).where(scopes.c.name == self.scope)
        with self._engine.begin() as connection:
            if row := connection.execute(found).first():
                return row.id, row.hash_key
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(scopes).values(name=self.scope, hash_key=token_bytes(KEY_BYTES)))
        except IntegrityError:
            pass  # another task has just created it
        with self._engine.begin() as connection:
            row = connection.execute(found).one()
            return row.id, row.hash_key

    def _register_sender(self, connection: Connection) -> int:
        """Record this try's token, and return the id of its task."""
        mine = (senders.c.scope_id == self._scope_id) & (senders.c.task == self._task)
        if not connection.execute(update(senders).where(mine).values(token=self._token)).rowcount:
            connection.execute(insert(senders).values(scope_id=self._scope_id, task=self._task, token=self._token))
        return int(connection.execute(select(senders.c.id).where(mine)).scalar_one())

    def _read_calls(self, connection: Connection) -> Iterator[tuple[int, Call]]:
        """Yield the scope's calls with their ids. The entries of other senders' calls have a name in ``by``."""
        found = select(senders.c.id, senders.c.task).where(senders.c.scope_id == self._scope_id)
        names = {id_: self._name(task) for id_, task in connection.execute(found)}
        names[self._sender_id] = ""
        in_scope = _CALLS.where(calls.c.scope_id == self._scope_id)
        for id_, sender_id, digest, copy, state, fingerprint, hashes in _rows(connection, in_scope):
            same_text_only = self._same_text_only and sender_id != self._sender_id
            entry = shared_entry(digest, copy, state, names[sender_id], same_text_only=same_text_only)
            yield id_, Call(entry, bytes(fingerprint), bytes(hashes))

    def _name(self, task: str) -> str:
        """Return the name of another sender for the reason of a row."""
        return f"mapped index {task.rpartition('/')[2]}" if self._same_text_only else "another task"

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            self._lock_scope(connection)
            self._check_token(connection)
            yield connection

    def _lock_scope(self, connection: Connection) -> None:
        """Lock the scope until the transaction ends. SQLite has already locked the whole database."""
        connection.execute(_LOCK_SCOPE, {"scope": self._scope_id}).one()

    def _check_token(self, connection: Connection) -> None:
        if connection.execute(_TOKEN, {"sender": self._sender_id}).scalar() != self._token:
            raise LedgerConflictError(
                "another try of this task or `ledger release` has taken over, so this try has stopped"
            )

    def _withdraw(self, transaction: Connection, numbers: Sequence[int]) -> None:
        mine = calls.c.id.in_(numbers) & (calls.c.sender_id == self._sender_id)
        open_calls = mine & (calls.c.state == State.SUBMITTING.value)
        transaction.execute(update(calls).where(open_calls).values(state=State.NOT_SENT.value))

    def _record_outcomes(self, transaction: Connection, ended: Sequence[tuple[int, CallOutcome]]) -> None:
        alike: dict[tuple[str, int | None], list[int]] = defaultdict(list)
        for number, outcome in ended:
            alike[STATE_OF_FATE[outcome.fate].value, outcome.code].append(number)
        for (state, code), ids in alike.items():
            # a call already has this state if the last commit succeeded but seemed to fail
            end = {"ids": ids, "from": [State.SUBMITTING.value, state], "to": state, "return_code": code}
            if transaction.execute(_END_CALLS, end).rowcount != len(ids):
                raise LedgerConflictError(
                    "the ledger was changed: the record of a call in flight is missing or closed"
                )

    def _grant(self, transaction: Connection, intents: Sequence[Batch]) -> Sequence[Batch]:
        self._load_other_intents(transaction)
        return [free for intent in intents if (free := self._without_claimed(intent))]

    def _load_other_intents(self, connection: Connection) -> None:
        """Load the numbers that other senders have claimed since the last write."""
        seen = {"scope": self._scope_id, "sender": self._sender_id, "last_seen": self._last_seen}
        for row in connection.execute(_CALLS_OF_OTHERS, seen):
            self._last_seen = row.id
            if State(row.state) in MAYBE_SENT:
                self._claimed_elsewhere[self._claim_key(row.digest, row.copy)].update(split_hashes(row.hashes))

    def _claim_key(self, digest: str, copy: int) -> tuple[str, int] | None:
        return (digest, copy) if self._same_text_only else None

    def _without_claimed(self, batch: Batch) -> Batch | None:
        key = self._claim_key(batch.message.digest, batch.copy)
        claimed = self._claimed_elsewhere and self._claimed_elsewhere.get(key)
        if not claimed:
            return batch
        free = [i for i, hash_ in enumerate(self._records.hashes(batch.msisdns)) if hash_ not in claimed]
        if len(free) == len(batch.rows):
            return batch
        rows, msisdns = tuple(batch.rows[i] for i in free), tuple(batch.msisdns[i] for i in free)
        return batch._replace(rows=rows, msisdns=msisdns) if free else None

    def _record_calls(self, transaction: Connection, new_calls: Sequence[Call]) -> Sequence[int]:
        """Record any number of calls in two statements, and return the ids of their rows."""
        shared = {"scope_id": self._scope_id, "sender_id": self._sender_id, "at": datetime.now(UTC)}
        rows = [
            {
                "digest": call.entry.digest,
                "copy": call.entry.copy,
                "fingerprint": call.fingerprint,
                "hashes": call.hashes,
                "numbers": call.size,
                "state": call.entry.state.value,
                **shared,
            }
            for call in new_calls
        ]
        transaction.execute(_RECORD_CALL, rows)
        newest = {"scope": self._scope_id, "sender": self._sender_id, "count": len(rows)}
        ids = {bytes(row.fingerprint): row.id for row in transaction.execute(_NEWEST_CALLS, newest)}
        return [ids[call.fingerprint] for call in new_calls]


def _rows(connection: Connection, found: Select[Any]) -> Iterator[Any]:
    """Return an iterator that fetches rows in chunks."""
    return iter(connection.execute(found.execution_options(yield_per=_FETCH_SIZE)))
