"""Read the columns of tables and records, with one row per recipient."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.native import Table, cells_of, index_of, narrow_bits, native, type_of

#: The cells of each column, by name. All columns have the same length. A column becomes a list when it is read.
Columns = Mapping[str, Sequence[Any]]

#: Longer names, or names with more digits, are probably cells: a file without a header has its first row as names.
MAX_NAME_LENGTH = 40
MAX_NAME_DIGITS = 7


def shown(name: Any) -> str:
    """Return a column's name for an error message, redacted if it could be a number or a text."""
    return repr(str(name)) if is_name(name) else f"a name of {len(str(name))} characters"


def shown_all(names: Collection[Any]) -> str:
    """Return the columns' names for an error message; redact all if one looks like a cell."""
    if not all(map(is_name, names)):
        return f"{len(names)} column names that look like a row of recipients. Is the line with the names missing?"
    return ", ".join(map(shown, names)) or "none"


def is_name(name: Any) -> bool:
    """Return whether a name looks like a column name, not like a cell of a table without a header."""
    text = str(name)
    return len(text) <= MAX_NAME_LENGTH and sum(map(str.isdigit, text)) < MAX_NAME_DIGITS


def column_cells(values: Any, name: str, recipient_column: str) -> list[Any]:
    """Return the cells of one column.

    :raises InputError: the column is a table, or contains numbers as 16- or 32-bit floats.
    """
    if isinstance(values, Mapping):
        raise InputError(
            f"column {shown(name)} is a dict; pass a list of its values, such as to_dict('list') of a DataFrame"
        )
    values = native(values)
    if name == recipient_column and narrow_bits(values):
        raise InputError(
            f"column {shown(name)} is {type_of(values)}, which cannot hold 11 digits: the numbers in it are "
            "already wrong. Read it as text."
        )
    if getattr(values, "ndim", 1) != 1:
        raise InputError(f"column {shown(name)} has {values.ndim} dimensions; it must have one")
    return cells_of(values)


def check_order(columns: Mapping[Any, Any]) -> None:
    """Check that it is known which cells of a dict of columns belong to one row.

    :raises InputError: a column among several is a set, or two are pandas Series with different indexes.
    """
    unordered = [name for name, column in columns.items() if isinstance(column, (set, frozenset))]
    if unordered and len(columns) > 1:
        raise InputError(
            f"column {shown(unordered[0])} is a set, which has no order, so its values could get into other rows. "
            "Pass lists"
        )
    indexes = [index for column in columns.values() if (index := index_of(column)) is not None]
    if not all(index.equals(indexes[0]) for index in indexes):
        raise InputError(
            "recipients is a dict of Series with different indexes, so it is unknown which of their values belong "
            "to one row. Pass a DataFrame, or lists"
        )


class TableColumns(Mapping[str, Sequence[Any]]):
    """The columns of a library's table."""

    def __init__(self, table: Table, recipient_column: str) -> None:
        self._table = table
        self._recipient_column = recipient_column
        self._names = [str(name) for name in table.names]
        if table.rows and not self._names:
            raise InputError(
                "recipients is a DataFrame without columns; if its index has the numbers, call reset_index()"
            )

    def __getitem__(self, name: str) -> Sequence[Any]:
        found = self._names.count(name)
        if not found:
            raise KeyError(name)
        if found > 1:
            raise InputError(f"recipients has {found} columns named {shown(name)}; rename all but one")
        return column_cells(self._table.column(self._names.index(name)), name, self._recipient_column)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._names))

    def __len__(self) -> int:
        return len(set(self._names))


class RecordColumns(Mapping[str, Sequence[Any]]):
    """The columns of records. A missing field is an empty cell."""

    def __init__(self, records: Sequence[Mapping[Any, Any]]) -> None:
        self._records = records
        self._keys = {str(key): key for record in records for key in record}

    def __getitem__(self, name: str) -> Sequence[Any]:
        key = self._keys[name]
        return [record.get(key) for record in self._records]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class ChainedColumns(Mapping[str, Sequence[Any]]):
    """The columns of concatenated tables. A missing column has empty cells."""

    def __init__(self, tables: Sequence[Columns]) -> None:
        self._tables = [(table, len(next(iter(table.values())))) for table in tables if table]
        self._names = dict.fromkeys(name for table in tables for name in table)

    def __getitem__(self, name: str) -> Sequence[Any]:
        if name not in self._names:
            raise KeyError(name)
        return [cell for table, rows in self._tables for cell in table.get(name, [None] * rows)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
