"""Lists, records, columns, frames and Jinja's text of them -> columns of cells, a row a recipient."""

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
    column_cells,
    shown,
)
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.msisdn import is_missing
from airflow_provider_ismart.core.native import is_column, native, read_table
from airflow_provider_ismart.core.recipients_text import parse_recipients_text
from airflow_provider_ismart.core.rows import are_outputs_of_mapped_task, as_record, check_outputs

#: Most long lists hold nothing else, and one look at their types is cheaper than one at each item.
_SURELY_CELLS = frozenset({str, int, float})


class ChunkedRecipients(ABC):
    """Recipients that may be too many for memory: they come in chunks, which are read once, in one order."""

    @abstractmethod
    def read(self, recipient_column: str, others: Collection[str] = ()) -> Iterator[Columns]:
        """Return the chunks, with these columns and no others; none if there are no recipients.

        :param recipient_column: the column with the numbers.
        :param others: the columns that the texts are made of.
        :raises InputError: the recipients cannot be used as they are; a column that is missing is found before
            the first chunk.
        """


def read_recipients(source: Any, recipient_column: str) -> Columns:
    """Return the columns of recipients in any of the forms that a caller can pass.

    ``source`` is a number; text with commas, semicolons or line ends between numbers; a list, tuple, set,
    Series or array of numbers; a list of records; one record; a dict of columns; a DataFrame or anything
    that speaks Arrow's C data interface or has ``to_pandas()``; a sequence of those, as a mapped task's
    outputs are; or the text that Jinja makes of a list (JSON or a Python literal). Numbers alone become
    the column ``recipient_column``. An empty list has no columns.

    :raises InputError: the recipients cannot be read as any of these, hold their numbers as 32-bit floats, or
        are rows without names for their cells.
    """
    if source is None:
        raise InputError(
            "recipients is None: the task before returned nothing. To send to nobody, pass an empty list."
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
    raise InputError(f"recipients is a {type(source).__name__}, which holds no numbers that can be read")


def as_written(cell: Any) -> str:
    """Return a cell as text that a file can hold: half characters (lone surrogates) are written out."""
    if is_missing(cell):
        return ""
    try:
        return str(cell).encode(errors="backslashreplace").decode()
    except ValueError:  # Python writes no integer of thousands of digits
        return f"a {type(cell).__name__} that cannot be shown"


def all_as_written(cells: Sequence[Any]) -> Sequence[str]:
    """Return each cell by :func:`as_written`; most columns are such text already."""
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
    columns = {}
    for name, values in source.items():
        if _is_cell(values):
            raise InputError(
                f"recipients is a dict that holds columns, but {shown(name)} in it is a single value; a record "
                "holds single values alone"
            )
        columns[str(name)] = column_cells(values, str(name), recipient_column)
    if len({len(cells) for cells in columns.values()}) > 1:
        lengths = ", ".join(f"{shown(name)} has {len(cells)}" for name, cells in columns.items())
        raise InputError(f"recipients is a dict of columns of different lengths: {lengths}")
    return columns


def _read_column(column: Any, recipient_column: str) -> Columns:
    _check_labels(column)
    cells = column_cells(column, recipient_column, recipient_column)
    return {recipient_column: cells} if _are_cells(cells) else _read_items(cells, recipient_column)


def _check_labels(series: Any) -> None:
    """Refuse a Series with text for labels: a row of a frame looks so, and not all of its cells are numbers."""
    labels: Any = getattr(series, "index", ())  # a method, where it is an array
    if hasattr(labels, "__iter__") and any(isinstance(label, str) for label in labels):
        raise InputError(
            "recipients holds a Series with text for labels, which can be a row of a DataFrame. Hand over the "
            "DataFrame, records (to_dict('records')), or the numbers alone (tolist())."
        )


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
            raise InputError("recipients is a list of records without a field")
        if _are_cells(chain.from_iterable(item.values() for item in items)):
            return RecordColumns(items)
    elif all(_shape(item) is _Shape.RECORD and not isinstance(item, Mapping) for item in examples):
        return RecordColumns([record for item in items if (record := as_record(item)) is not None])
    return _read_tables(source, [native(item) for item in items], recipient_column)


def _read_tables(source: Iterable[Any], items: Sequence[Any], recipient_column: str) -> Columns:
    """Read tables and lists, one under the other; refuse rows without names."""
    shapes = [_shape(item) for item in items]
    if _Shape.CELL in shapes:
        raise InputError("recipients mixes numbers with records, lists or frames")
    lists = [item for item, shape in zip(items, shapes, strict=True) if shape is _Shape.LIST]
    for item in lists:
        _check_labels(item)
    if are_outputs_of_mapped_task(source):
        check_outputs(list(filter(_holds_cells, lists)))
    elif any(map(_holds_cells, lists)):
        return {recipient_column: [_only_cell(item, recipient_column) for item in items]}
    return ChainedColumns([read_recipients(item, recipient_column) for item in items])


class _Shape(Enum):
    """What an item of a list of recipients is."""

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
    raise InputError(f"recipients holds a {type(item).__name__}, which is no number, record or table")


def _holds_cells(items: Any) -> bool:
    return is_column(items) or any(map(_is_cell, items))


def _only_cell(row: Any, recipient_column: str) -> Any:
    """Return the cell of a row that has only one: in a longer row, nobody could say which cell is the number."""
    cells = column_cells(row, recipient_column, recipient_column) if _shape(row) is _Shape.LIST else ()
    if len(cells) != 1:
        raise InputError(
            "recipients is a list of rows without column names. Hand over records ({'msisdn': …}), a dict of "
            "columns or a DataFrame."
        )
    return cells[0]


def _one_of_each_type(values: Iterable[Any]) -> Collection[Any]:
    return {type(value): value for value in values}.values()


def _are_cells(values: Iterable[Any]) -> bool:
    return all(map(_is_cell, _one_of_each_type(values)))


def _is_cell(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or not (hasattr(value, "__iter__") or hasattr(value, "to_pandas"))
