"""Exclude valid rows: numbers in ``exclude``, and numbers that a restricted connection must not reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from airflow_provider_ismart.core.columns import Columns, is_name, shown, shown_all
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.message import Size
from airflow_provider_ismart.core.msisdn import canonical_column
from airflow_provider_ismart.core.numbering import NumberingPlan
from airflow_provider_ismart.core.outcomes import Outcome, RowOutcomes
from airflow_provider_ismart.core.recipients import ChunkedRecipients, read_recipients

IN_EXCLUDE = "in exclude"

#: How many unreadable entries an error lists.
MAX_ENTRIES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """The numbers that get no message, as 11 digits.

    ``allowed`` are the only numbers that a restricted connection reaches; ``None`` allows every number. The
    reasons of excluded rows name the connection ``conn_id``.
    """

    opted_out: AbstractSet[str] = frozenset()
    allowed: AbstractSet[str] | None = None
    conn_id: str = ""

    def __bool__(self) -> bool:
        """Return whether any number can be excluded."""
        return bool(self.opted_out) or self.allowed is not None

    def apply(
        self,
        msisdns: Sequence[str],
        texts: list[str | None],
        sizes: list[Size | None],
        outcomes: RowOutcomes,
        first: int,
    ) -> None:
        """Record which valid rows are excluded, and remove their texts, so that they are not planned.

        :param first: the number of the first row.
        """
        opted_out, allowed = self.opted_out, self.allowed
        not_allowed = f"not in the allowed numbers of connection {self.conn_id!r}"
        excluded: dict[str, list[int]] = {IN_EXCLUDE: [], not_allowed: []}
        for row, msisdn in enumerate(msisdns):
            if not msisdn or texts[row] is None:  # invalid
                continue
            if msisdn in opted_out:
                excluded[IN_EXCLUDE].append(row)
            elif allowed is not None and msisdn not in allowed:
                excluded[not_allowed].append(row)
        for reason, rows in excluded.items():
            for row in rows:
                texts[row] = sizes[row] = None
            outcomes.set((first + row for row in rows), Outcome.EXCLUDED, reason=reason)


NOBODY_EXCLUDED = Exclusion()


def read_opt_outs(exclude: Any, recipient_column: str, numbering: NumberingPlan) -> AbstractSet[str]:
    """Return the numbers in ``exclude``, which can have any form that recipients can have.

    In a table, they are in ``recipient_column`` or in the only column.

    :raises InputError: an entry is not a mobile number, so nobody knows whom it means.
    """
    numbers: set[str] = set()
    unreadable: list[str] = []
    total = bad = 0

    def invalid(row: int, why: str) -> None:
        nonlocal bad
        bad += 1
        if bad <= MAX_ENTRIES_SHOWN:
            unreadable.append(f"entry {total + row + 1:,}: {why}")

    try:
        for cells in _cells(exclude, recipient_column):
            numbers.update(canonical_column(cells, numbering, invalid))
            total += len(cells)
    except InputError as error:
        raise InputError(f"exclude: {error}") from None
    if isinstance(exclude, str) and not total and not exclude.strip().startswith(("[", "(", "{")):
        raise InputError("exclude is text without a number; pass [] to exclude nobody")
    if bad:
        more = "; …" if bad > MAX_ENTRIES_SHOWN else ""
        entries = "entry" if total == 1 else "entries"
        are, them = ("is not a mobile number", "it") if bad == 1 else ("are not mobile numbers", "them")
        raise InputError(
            f"{bad:,} of {total:,} {entries} in exclude {are} ({'; '.join(unreadable)}{more}). "
            f"Correct or remove {them}"
        )
    return numbers


def _cells(exclude: Any, recipient_column: str) -> Iterable[Sequence[Any]]:
    if isinstance(exclude, ChunkedRecipients):
        return (_only(columns, recipient_column)[1] for columns in exclude.read(recipient_column))
    if isinstance(exclude, Iterator):
        exclude = list(exclude)
    columns = read_recipients(exclude, recipient_column)
    if not columns:
        return ()
    name, cells = _only(columns, recipient_column)
    if name != recipient_column:  # read again as the column of numbers, which refuses 32-bit floats
        cells = read_recipients(exclude, name)[name]
    return (cells,)


def _only(columns: Columns, recipient_column: str) -> tuple[str, Sequence[Any]]:
    """Return the column of numbers, with its name."""
    if recipient_column in columns:
        return recipient_column, columns[recipient_column]
    name, *others = columns
    if others or not is_name(name):
        wanted = f"it needs a column {shown(recipient_column)} (recipient_column) or only one column"
        raise InputError(f"{wanted}; it has {shown_all(columns)}")
    return name, columns[name]
