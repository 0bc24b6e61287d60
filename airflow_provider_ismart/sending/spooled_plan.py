"""Keep a plan in a private temporary file, for more rows than fit into memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from hashlib import sha256
from itertools import groupby, tee
from operator import itemgetter

from airflow_provider_ismart.core.columns import Columns
from airflow_provider_ismart.core.languages import RowLanguages
from airflow_provider_ismart.core.message import SIZES, Message
from airflow_provider_ismart.core.outcomes import Outcome, RowOutcomes
from airflow_provider_ismart.core.plan import Group, ReadRows
from airflow_provider_ismart.core.recipients import as_written
from airflow_provider_ismart.core.segmentation import Lang
from airflow_provider_ismart.core.validation import Reading, Rows
from airflow_provider_ismart.exceptions import ISmartError

#: The file is deleted with the process, so it need not survive a crash.
_PRAGMAS = ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-32768")

_TABLES = (
    "CREATE TABLE text (id INTEGER PRIMARY KEY, digest BLOB UNIQUE, text TEXT, lang INTEGER, parts INTEGER)",
    """CREATE TABLE row (row INTEGER PRIMARY KEY, written TEXT, msisdn TEXT, lang INTEGER, parts INTEGER,
    text INTEGER)""",
    """CREATE TABLE planned (text INTEGER, copy INTEGER, row INTEGER, msisdn TEXT, PRIMARY KEY (text, copy, row))
    WITHOUT ROWID""",
)

#: Texts are numbered in the order of their first row, so this is the order of the plan.
_PLAN = """
INSERT INTO planned
SELECT text, row_number() OVER (PARTITION BY text, msisdn ORDER BY row) - 1 AS copy, row, msisdn
FROM row WHERE text IS NOT NULL ORDER BY text, copy, row
"""

_GROUP_SIZES = "SELECT text, count(*) FROM planned GROUP BY text, copy HAVING count(*) > 1"

_LONG_TEXTS = """
SELECT text.text, text.parts, count(*) FROM text JOIN planned ON planned.text = text.id
WHERE text.lang = ? AND text.parts > 1 GROUP BY text.id
"""


class SpooledPlan:
    """A plan whose rows are in a private temporary SQLite file, which :meth:`close` deletes.

    It needs the memory of one chunk, and four bytes per row or, with a template per language, six. The file is
    about as large as the numbers and texts. It is in SQLite's temporary folder, which the environment variable
    ``SQLITE_TMPDIR`` sets.

    :param chunks: the recipients.
    :raises InputError: the recipients or the message are invalid as a whole.
    :raises ISmartError: there is no disk space for the file.
    """

    def __init__(self, chunks: Iterable[Columns], reading: Reading, *, deduplicate: bool = True) -> None:
        self.outcomes = RowOutcomes()
        self.languages = RowLanguages(reading.content.templates)
        # one thread reads the recipients into it, and later another one sends from it
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        try:
            for pragma in _PRAGMAS:
                self._db.execute(f"PRAGMA {pragma}").close()
            for table in _TABLES:
                self._db.execute(table)
            for columns in chunks:
                first = len(self.outcomes)
                self._store(reading.read(columns, self.outcomes), first)
            self._plan(deduplicate=deduplicate)
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.OperationalError):
                raise ISmartError(
                    f"The rows cannot be stored in SQLite's temporary folder: {error}. Free disk space, or set "
                    "the environment variable SQLITE_TMPDIR to another folder. Nothing was sent."
                ) from None
            raise

    def close(self) -> None:
        """Delete the file."""
        self._db.close()

    def _store(self, rows: Rows, first: int) -> None:
        self.languages.extend(rows.languages, rows.sizes)
        read = zip(rows.texts, rows.sizes, rows.msisdns, strict=True)
        sizes = {text: size for text, size, msisdn in read if text is not None and msisdn}
        digests = {text: sha256(text.encode()).digest()[:16] for text in sizes}
        columns = zip(rows.written, rows.msisdns, rows.sizes, rows.texts, strict=True)
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT OR IGNORE INTO text (digest, text, lang, parts) VALUES (?, ?, ?, ?)",
            ((digest, text, *(sizes[text] or ())) for text, digest in digests.items()),
        )
        self._db.executemany(
            "INSERT INTO row VALUES (?, ?, ?, ?, ?, (SELECT id FROM text WHERE digest = ?))",
            (
                (row, as_written(written), msisdn, *(size or (None, None)), msisdn and digests.get(text or ""))
                for row, (written, msisdn, size, text) in enumerate(columns, first)
            ),
        )
        self._db.execute("COMMIT")

    def _plan(self, *, deduplicate: bool) -> None:
        self._db.execute(_PLAN)
        if deduplicate:
            with closing(self._db.execute("SELECT row FROM planned WHERE copy > 0")) as duplicates:
                self.outcomes.set((row for (row,) in duplicates), Outcome.DUPLICATE)
            self._db.execute("DELETE FROM planned WHERE copy > 0")

    @property
    def groups(self) -> Iterator[Group]:
        """The rows to send, by message, in the order of the input."""
        planned = self._db.execute("SELECT text, copy, row, msisdn FROM planned ORDER BY text, copy, row")
        for (text, copy), same in groupby(planned, itemgetter(0, 1)):
            rows, msisdns = tee(same)
            yield Group(self._message(text), copy, map(itemgetter(2), rows), map(itemgetter(3), msisdns))

    def _message(self, text_id: int) -> Message:
        text, lang, parts = self._db.execute(
            "SELECT text, lang, parts FROM text WHERE id = ?", (text_id,)
        ).fetchone()
        return Message(text=text, lang=Lang(lang), parts=parts)

    @property
    def parts(self) -> int:
        """The number of parts of all messages to send."""
        every = "SELECT coalesce(sum(parts), 0) FROM planned JOIN text ON text.id = planned.text"
        return int(self._db.execute(every).fetchone()[0])

    @property
    def long_arabic(self) -> Iterator[tuple[Message, int]]:
        """The messages of ``Lang.ARABIC`` with several parts, each with its number of rows."""
        counted = self._db.execute(_LONG_TEXTS, (Lang.ARABIC,))
        for text, parts, recipients in counted:
            yield Message(text=text, lang=Lang.ARABIC, parts=parts), recipients

    def count_calls(self, numbers_for: Callable[[Message], int]) -> int:
        """Count the calls of all groups; see :class:`~airflow_provider_ismart.core.plan.Plan`."""
        alone = "SELECT count(*) FROM (SELECT 1 FROM planned GROUP BY text, copy HAVING count(*) = 1)"
        calls = int(self._db.execute(alone).fetchone()[0])
        for text, size in self._db.execute(_GROUP_SIZES):
            calls += -(-size // (numbers_for(self._message(text)) or 1))
        return calls

    def read_rows(self, chunk_size: int) -> Iterator[ReadRows]:
        """Yield all input rows in order, ``chunk_size`` rows at a time."""
        rows = self._db.execute("SELECT written, msisdn, lang, parts FROM row ORDER BY row")
        while some := rows.fetchmany(chunk_size):
            written, msisdns, langs, parts = zip(*some, strict=True)
            yield ReadRows(
                written,
                msisdns,
                [lang if lang is None else SIZES[lang, n] for lang, n in zip(langs, parts, strict=True)],
            )
