"""Read recipients in any supported form into columns, with one row per recipient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum, auto
from itertools import chain
from numbers import Number
from typing import Any

from airflow_provider_ismart.core.columns import (
    ChainedColumns,
    Columns,
    RecordColumns,
    TableColumns,
    check_order,
    column_cells,
    shown,
)
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.msisdn import is_missing
from airflow_provider_ismart.core.native import is_column, native, read_table
from airflow_provider_ismart.core.recipients_text import parse_recipients_text
from airflow_provider_ismart.core.rows import are_outputs_of_mapped_task, as_record, check_outputs

#: Most long lists have only these types. Checking the set of types is faster than checking each item.
_SURELY_CELLS = frozenset({str, int, float})


class ChunkedRecipients(ABC):
    """Recipients that are read once, in chunks, because they may not fit into memory."""

    @abstractmethod
    def read(self, recipient_column: str, others: Collection[str] = ()) -> Iterator[Columns]:
        """Yield chunks with only these columns; none if there are no recipients.

        :param recipient_column: the column with the numbers.
        :param others: the columns that the texts use.
        :raises InputError: the recipients are invalid. A missing column is found before the first chunk.
        """


def read_recipients(source: Any, recipient_column: str) -> Columns:
    """Return the columns of recipients in any supported form.

    ``source`` is a number; text with commas, semicolons or line ends between numbers; a list, tuple, set, Series
    or array of numbers; a record or a list of records; a dict of columns; a DataFrame or an object with Arrow's C
    data interface or ``to_pandas()``; a sequence of those, such as the outputs of a mapped task; or a list that
    Jinja has rendered as text (JSON or a Python literal). Numbers alone become the column ``recipient_column``. An
    empty list has no columns.

    :raises InputError: the recipients have another form, numbers as 32-bit floats, or rows without column names.
    """
    if source is None:
        raise InputError(
            "recipients is None, usually because a task has no return statement. To send to nobody, pass an empty "
            "list."
        )
    source = native(source)
    if (table := read_table(source)) is not None:
        return TableColumns(table, recipient_column)
    if isinstance(source, str):
        return _read_text(source, recipient_column)
    if isinstance(source, Number):
        return {recipient_column: [source]}
    if is_column(source):
        return _read_column(source, recipient_column)
    if (record := as_record(source)) is not None:
        return _read_mapping(record, recipient_column)
    if isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        return _read_items(source, recipient_column)
    raise InputError(
        f"recipients is of type {type(source).__name__}, which is not supported; pass a list or a DataFrame"
    )


def as_written(cell: Any) -> str:
    """Return a cell as text for a file, with half characters (lone surrogates) escaped."""
    if is_missing(cell):
        return ""
    try:
        return str(cell).encode(errors="backslashreplace").decode()
    except ValueError:  # Python does not convert integers of thousands of digits
        return f"a value of type {type(cell).__name__} that cannot be shown"


def all_as_written(cells: Sequence[Any]) -> Sequence[str]:
    """Return all cells as text for a file; most columns are that already."""
    try:
        if all(map(str.isascii, cells)):
            return cells
    except TypeError:  # not all are text
        pass
    return [as_written(cell) for cell in cells]


def _read_text(text: str, recipient_column: str) -> Columns:
    return read_recipients(parse_recipients_text(text), recipient_column)


def _read_mapping(source: Mapping[Any, Any], recipient_column: str) -> Columns:
    if source and all(map(_is_cell, source.values())):
        return RecordColumns([source])
    check_order(source)
    columns = {}
    for name, values in source.items():
        if _is_cell(values):
            raise InputError(
                f"recipients is a dict of columns, but the value of {shown(name)} is not a list; pass only lists, "
                "or a record with only single values"
            )
        columns[str(name)] = column_cells(values, str(name), recipient_column)
    if len({len(cells) for cells in columns.values()}) > 1:
        lengths = ", ".join(f"{shown(name)} has {len(cells)}" for name, cells in columns.items())
        raise InputError(f"recipients is a dict of columns with different lengths; they must be equal: {lengths}")
    return columns


def _read_column(column: Any, recipient_column: str) -> Columns:
    _check_labels(column)
    cells = column_cells(column, recipient_column, recipient_column)
    return {recipient_column: cells} if _are_cells(cells) else _read_items(cells, recipient_column)


def _check_labels(series: Any) -> None:
    """Refuse a Series with text labels, because it can be a row of a DataFrame."""
    labels: Any = getattr(series, "index", ())  # of an array, this is a method
    if hasattr(labels, "__iter__") and any(map(_has_text, labels)):
        raise InputError(
            "recipients contains a Series with text labels, which may be a row of a DataFrame. Pass the "
            "DataFrame, records (to_dict('records')), or only the numbers (tolist())."
        )


def _has_text(label: Any) -> bool:
    return isinstance(label, str) or (isinstance(label, tuple) and any(map(_has_text, label)))


def _read_items(source: Iterable[Any], recipient_column: str) -> Columns:
    items = sorted(source, key=str) if isinstance(source, (set, frozenset)) else list(source)
    if not items:
        return {}
    if _SURELY_CELLS.issuperset(map(type, items)):
        return {recipient_column: items}
    examples = _one_of_each_type(items)
    if all(_is_cell(item) and _shape(item) is _Shape.CELL for item in examples):
        return {recipient_column: items}
    if all(isinstance(item, Mapping) for item in examples):
        if not any(items):
            raise InputError("recipients is a list of records without fields; each record needs a number")
        if _are_cells(chain.from_iterable(item.values() for item in items)):
            return RecordColumns(items)
    elif all(_shape(item) is _Shape.RECORD and not isinstance(item, Mapping) for item in examples):
        return RecordColumns([record for item in items if (record := as_record(item)) is not None])
    return _read_tables(source, [native(item) for item in items], recipient_column)


def _read_tables(source: Iterable[Any], items: Sequence[Any], recipient_column: str) -> Columns:
    """Concatenate tables and lists; refuse rows without column names."""
    shapes = [_shape(item) for item in items]
    if _Shape.CELL in shapes:
        raise InputError("recipients mixes numbers with records, lists or tables; pass items of one kind")
    lists = [item for item, shape in zip(items, shapes, strict=True) if shape is _Shape.LIST]
    for item in lists:
        _check_labels(item)
    if are_outputs_of_mapped_task(source):
        check_outputs(list(filter(_holds_cells, lists)))
    elif any(map(_holds_cells, lists)):
        return {recipient_column: [_only_cell(item, recipient_column) for item in items]}
    return ChainedColumns([read_recipients(item, recipient_column) for item in items])


class _Shape(Enum):
    """The kind of an item in a list of recipients."""

    CELL = auto()
    RECORD = auto()
    LIST = auto()
    TABLE = auto()


def _shape(item: Any) -> _Shape:
    if read_table(item) is not None:
        return _Shape.TABLE
    if is_column(item):
        return _Shape.LIST
    if as_record(item) is not None:
        return _Shape.RECORD
    if _is_cell(item):
        return _Shape.CELL
    if isinstance(item, (Sequence, AbstractSet)):
        return _Shape.LIST
    raise InputError(
        f"an item of recipients is of type {type(item).__name__}; it must be a number, record or table"
    )


def _holds_cells(items: Any) -> bool:
    return is_column(items) or any(map(_is_cell, items))


def _only_cell(row: Any, recipient_column: str) -> Any:
    """Return the only cell of a row. A longer row without names does not show which cell is the number."""
    cells = column_cells(row, recipient_column, recipient_column) if _shape(row) is _Shape.LIST else ()
    if len(cells) != 1:
        raise InputError(
            "recipients is a list of rows without column names. Pass records ({'msisdn': …}), a dict of "
            "columns or a DataFrame."
        )
    return cells[0]


def _one_of_each_type(values: Iterable[Any]) -> Collection[Any]:
    return {type(value): value for value in values}.values()


def _are_cells(values: Iterable[Any]) -> bool:
    return all(map(_is_cell, _one_of_each_type(values)))


def _is_cell(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or not (hasattr(value, "__iter__") or hasattr(value, "to_pandas"))
