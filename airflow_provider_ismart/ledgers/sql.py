"""The ledger in a SQL database that Airflow has a connection to: PostgreSQL, or SQLite on one machine.

Senders of one scope see each other's records: the tries of a task instance, the indexes of a mapped task, or all
tasks that name the same idempotency key. A lock on the scope's row serialises their writes, so that a sender sees
each intent of the others before it records its own. A call is a row, whose numbers are one value of hashes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from secrets import token_bytes, token_hex
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
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.sql import Select
from tenacity import retry, retry_if_exception_message, stop_after_delay, wait_random

from airflow_provider_ismart.core.batching import Batch
from airflow_provider_ismart.core.ledger import HANDED_OVER, STATE_OF_FATE, Entry, LedgerConflictError, State
from airflow_provider_ismart.core.outcomes import CallOutcome
from airflow_provider_ismart.ledgers.records import KEY_BYTES, Call, Records, shared_entry, split_hashes

#: How long a writer waits for its turn, and holds it on PostgreSQL when its machine is gone.
TURN_SECONDS = 60

#: Put before each transaction, as neither a pool of connections in between nor the database's defaults may differ.
_POSTGRESQL_SETTINGS = "; ".join(
    (
        "SET LOCAL synchronous_commit = on",
        f"SET LOCAL lock_timeout = '{2 * TURN_SECONDS}s'",
        f"SET LOCAL idle_in_transaction_session_timeout = '{TURN_SECONDS}s'",
    )
)

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows by itself in INTEGER alone

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
    #: Whose turn it is: each try puts its own here, and so takes it from the try before.
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
)

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

#: How many calls are fetched at once, from a database that can do so.
_FETCHED_AT_ONCE = 1_000


class SqlLedger:
    """A ledger for everything within ``scope``, written to by ``task``.

    :param engine: a database's engine; see :func:`prepared`.
    :param scope: whose senders see each other's records.
    :param task: which task instance writes; its newest try fences off the tries before.
    :param same_text_only: what other senders recorded counts for the same text alone, as among the indexes of a
        mapped task. Otherwise it counts for the number, as under an idempotency key.
    """

    _records: Records

    def __init__(self, engine: Engine, *, scope: str, task: str, same_text_only: bool = False) -> None:
        self._engine = engine
        self._scope = scope
        self._task = task
        self._same_text_only = same_text_only
        self._token = token_hex(16)
        self._ids: dict[Batch, int] = {}
        self._last_seen = 0
        self._has_tables = False
        self._is_claimed = False
        #: Numbers that other senders took since this one claimed its place; by message with ``same_text_only``.
        self._taken: dict[tuple[str, int] | None, set[bytes]] = defaultdict(set)
        #: Intents whose write has failed: they may be on record, and their calls never go out.
        self._ungranted: list[int] = []

    def reopen(self, engine: Engine) -> None:
        """Use this engine from now on, for a further send of the same try."""
        self._engine = engine

    def knows_task(self) -> bool:
        """Whether an earlier try of the task has left a trace, even if it submitted nothing."""
        self._create_tables()
        trace = select(senders.c.id).join(scopes).where(scopes.c.name == self._scope, senders.c.task == self._task)
        with self._engine.begin() as connection:
            return connection.execute(trace).first() is not None

    def knows_task_elsewhere(self) -> bool:
        """Whether the task has calls on record in another scope, as under another idempotency key."""
        trace = select(calls.c.id).join(senders, senders.c.id == calls.c.sender_id).join(scopes)
        elsewhere = trace.where(senders.c.task == self._task, scopes.c.name != self._scope).limit(1)
        with self._engine.begin() as connection:
            return connection.execute(elsewhere).first() is not None

    def _create_tables(self) -> None:
        if not self._has_tables:
            create_tables(self._engine)
            self._has_tables = True

    def take_over(self) -> bool:
        """Read what is on record; what an earlier try left in flight is UNCERTAIN from now on."""
        if self._is_claimed:  # a further send of the same try
            return bool(self._records)
        self._create_tables()
        self._scope_id, self._key = self._find_or_make_scope()
        self._records = Records(self._key)
        with self._engine.begin() as connection:
            self._lock_scope(connection)
            self._sender_id = self._become_sender(connection)
            mine = (calls.c.scope_id == self._scope_id) & (calls.c.sender_id == self._sender_id)
            abandoned = mine & (calls.c.state == State.SUBMITTING.value)
            connection.execute(update(calls).where(abandoned).values(state=State.UNCERTAIN.value))
            for id_, call in self._read_calls(connection):
                self._records.add(call)
                self._last_seen = id_
        self._is_claimed = True
        return bool(self._records)

    def accepted_by(self, batch: Batch) -> str | None:
        """Name who made this very call, if it is on record as accepted: ``""`` is an earlier try of this task."""
        return self._records.accepted_by(batch)

    def recorded(self, msisdns: Collection[str], *, anew: bool = False) -> Mapping[str, Sequence[Entry]]:
        """Return what was on record when this try took over; ``anew``, what is now."""
        if not anew:
            return self._records.recorded(msisdns)
        records = Records(self._key)
        with self._engine.begin() as connection:
            for _, call in self._read_calls(connection):
                records.add(call)
        return records.recorded(msisdns)

    def _read_calls(self, connection: Connection) -> Iterator[tuple[int, Call]]:
        """Yield the scope's calls with their ids, each with the name of its sender where that is another."""
        found = select(senders.c.id, senders.c.task).where(senders.c.scope_id == self._scope_id)
        names = {id_: self._name(task) for id_, task in connection.execute(found)}
        names[self._sender_id] = ""
        for id_, sender_id, digest, copy, state, fingerprint, hashes in _rows(connection, self._calls_since(0)):
            same_text_only = self._same_text_only and sender_id != self._sender_id
            entry = shared_entry(digest, copy, state, names[sender_id], same_text_only=same_text_only)
            yield id_, Call(entry, bytes(fingerprint), bytes(hashes))

    def _name(self, task: str) -> str:
        """Name another sender as the reason of a row does."""
        return f"mapped index {task.rpartition('/')[2]}" if self._same_text_only else "another task"

    def write(self, settled: Sequence[tuple[Batch, CallOutcome]], intents: Sequence[Batch]) -> Sequence[Batch]:
        """Record how calls ended and which are about to go out; return those that may.

        :raises LedgerConflictError: a later try of the task has taken over.
        :raises sqlalchemy.exc.DBAPIError: the database cannot be written to.
        """
        with self._engine.begin() as connection:
            self._lock_scope(connection)
            self._check_token(connection)
            self._take_back(connection)
            self._put_down_ends(connection, settled)
            self._look_at_others(connection)
            granted = [free for intent in intents if (free := self._without_taken(intent))]
            ids = self._put_down_intents(connection, granted)
            self._ungranted.extend(ids.values())
        for batch, _ in settled:  # now that it is certain; a write that fails is made again
            self._ids.pop(batch, None)
        self._ids.update(ids)
        self._last_seen = max([self._last_seen, *ids.values()])  # the others' next ones are higher
        self._ungranted.clear()
        return granted

    def _find_or_make_scope(self) -> tuple[int, bytes]:
        found = select(scopes.c.id, scopes.c.hash_key).where(scopes.c.name == self._scope)
        with self._engine.begin() as connection:
            if row := connection.execute(found).first():
                return row.id, row.hash_key
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(scopes).values(name=self._scope, hash_key=token_bytes(KEY_BYTES)))
        except IntegrityError:
            pass  # another task has just made it
        with self._engine.begin() as connection:
            row = connection.execute(found).one()
            return row.id, row.hash_key

    def _lock_scope(self, connection: Connection) -> None:
        """Lock the scope until the transaction ends. SQLite has locked the whole database already."""
        connection.execute(select(scopes.c.id).where(scopes.c.id == self._scope_id).with_for_update()).one()

    def _become_sender(self, connection: Connection) -> int:
        mine = (senders.c.scope_id == self._scope_id) & (senders.c.task == self._task)
        if not connection.execute(update(senders).where(mine).values(token=self._token)).rowcount:
            connection.execute(insert(senders).values(scope_id=self._scope_id, task=self._task, token=self._token))
        return int(connection.execute(select(senders.c.id).where(mine)).scalar_one())

    def _check_token(self, connection: Connection) -> None:
        token = connection.execute(select(senders.c.token).where(senders.c.id == self._sender_id)).scalar()
        if token != self._token:
            raise LedgerConflictError("a later try of this task has taken over; this one sends no more")

    def _calls_since(self, last_seen: int) -> Any:
        newer = (calls.c.scope_id == self._scope_id) & (calls.c.id > last_seen)
        return _CALLS.where(newer)

    def _look_at_others(self, connection: Connection) -> None:
        """Note which numbers other senders have taken since this one last looked."""
        others = self._calls_since(self._last_seen).where(calls.c.sender_id != self._sender_id)
        for row in connection.execute(others):
            self._last_seen = row.id
            if State(row.state) in HANDED_OVER:
                self._taken[self._taken_key(row.digest, row.copy)].update(split_hashes(row.hashes))

    def _taken_key(self, digest: str, copy: int) -> tuple[str, int] | None:
        return (digest, copy) if self._same_text_only else None

    def _without_taken(self, batch: Batch) -> Batch | None:
        taken = self._taken and self._taken.get(self._taken_key(batch.message.digest, batch.copy))
        if not taken:
            return batch
        free = [i for i, hash_ in enumerate(self._records.hashes(batch.msisdns)) if hash_ not in taken]
        if len(free) == len(batch.rows):
            return batch
        rows, msisdns = tuple(batch.rows[i] for i in free), tuple(batch.msisdns[i] for i in free)
        return batch._replace(rows=rows, msisdns=msisdns) if free else None

    def _put_down_intents(self, connection: Connection, granted: Sequence[Batch]) -> dict[Batch, int]:
        """Put the intents down in two statements, however many they are; return the rows' ids."""
        if not granted:
            return {}
        made = [self._records.call(batch, State.SUBMITTING) for batch in granted]
        shared = {"scope_id": self._scope_id, "sender_id": self._sender_id, "at": datetime.now(UTC)}
        rows = [
            {
                "digest": call.entry.digest,
                "copy": call.entry.copy,
                "fingerprint": call.fingerprint,
                "hashes": call.hashes,
                "numbers": len(batch.msisdns),
                "state": call.entry.state.value,
                **shared,
            }
            for batch, call in zip(granted, made, strict=True)
        ]
        connection.execute(insert(calls), rows)
        mine = (calls.c.scope_id == self._scope_id) & (calls.c.sender_id == self._sender_id)
        newest = select(calls.c.id, calls.c.fingerprint).where(mine).order_by(calls.c.id.desc()).limit(len(rows))
        ids = {bytes(row.fingerprint): row.id for row in connection.execute(newest)}
        return {batch: ids[call.fingerprint] for batch, call in zip(granted, made, strict=True)}

    def _take_back(self, connection: Connection) -> None:
        """Record that these intents, as far as they are on record, were granted to nobody."""
        if not self._ungranted:
            return
        mine = calls.c.id.in_(self._ungranted) & (calls.c.sender_id == self._sender_id)
        open_calls = mine & (calls.c.state == State.SUBMITTING.value)
        connection.execute(update(calls).where(open_calls).values(state=State.NOT_SENT.value))

    def _put_down_ends(self, connection: Connection, settled: Iterable[tuple[Batch, CallOutcome]]) -> None:
        alike: dict[tuple[str, int | None], list[int]] = defaultdict(list)
        for batch, outcome in settled:
            if batch not in self._ids:  # a write that was interrupted has put it down
                continue
            alike[STATE_OF_FATE[outcome.fate].value, outcome.code].append(self._ids[batch])
        for (state, code), ids in alike.items():
            # a call is in its state already where the commit before this one was taken for a failure
            open_calls = calls.c.id.in_(ids) & calls.c.state.in_([State.SUBMITTING.value, state])
            end = update(calls).where(open_calls).values(state=state, code=code)
            if connection.execute(end).rowcount != len(ids):
                raise LedgerConflictError("a call that was in flight is not on record as such any more")


def summary(engine: Engine, scope: str, task: str | None = None) -> dict[State, int]:
    """Return how many messages a scope has in which state, those of one task if it is named.

    A message that was sent again counts once.
    """
    create_tables(engine)
    records = Records(b"")  # no number is looked up
    found = _CALLS.join(scopes, scopes.c.id == calls.c.scope_id).where(scopes.c.name == scope)
    if task is not None:
        found = found.join(senders, senders.c.id == calls.c.sender_id).where(senders.c.task == task)
    with engine.begin() as connection:
        for _, _, digest, copy, state, fingerprint, hashes in _rows(connection, found):
            records.add(Call(shared_entry(digest, copy, state), bytes(fingerprint), bytes(hashes)))
    return records.states()


def _rows(connection: Connection, found: Select[Any]) -> Iterator[Any]:
    """Yield rows in chunks. PostgreSQL's driver gives memory views for bytes."""
    return iter(connection.execute(found.execution_options(yield_per=_FETCHED_AT_ONCE)))


def create_tables(engine: Engine) -> None:
    """Create the ledger's tables where there are none, also when two tasks do so at once."""
    try:
        metadata.create_all(engine)
    except DBAPIError:
        if not set(metadata.tables) <= set(inspect(engine).get_table_names()):
            raise


def prepared(engine: Engine) -> Engine:
    """Make an engine safe for a ledger: nothing that is committed is lost, and writers take turns on SQLite."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        event.listen(engine, "invalidate", _roll_back)
        return engine
    event.listen(engine, "begin", _set_up_transaction)
    # whatever the database's default: who has got its turn has to see what was committed while it waited
    return engine.execution_options(isolation_level="READ COMMITTED")


@retry(
    retry=retry_if_exception_message(match="database is locked"),  # going over to WAL waits for nobody by itself
    wait=wait_random(0, 0.1),
    stop=stop_after_delay(TURN_SECONDS),
    reraise=True,
)
def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late
    for pragma in (f"busy_timeout={TURN_SECONDS * 1000}", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _set_up_transaction(connection: Connection) -> None:
    connection.exec_driver_sql(_POSTGRESQL_SETTINGS)


def _roll_back(connection: Any, *_: Any) -> None:
    """Unlock the file when a signal ends a statement: a cursor in the exception's traceback keeps it open else."""
    connection.rollback()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
