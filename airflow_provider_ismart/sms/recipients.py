"""Lists, records, columns, frames and Jinja's text of them -> columns of cells, a row a recipient."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from numbers import Number
from typing import Any

from airflow_provider_ismart.sms.errors import InputError
from airflow_provider_ismart.sms.msisdn import is_missing, is_narrow_float
from airflow_provider_ismart.sms.recipients_text import parse_recipients_text

#: Column name -> its cells, all of one length. A column is made a list only when it is asked for.
Columns = Mapping[str, Sequence[Any]]

#: A file that came without a header has its first row in the place of names.
MAX_NAME_LENGTH = 40
MAX_NAME_DIGITS = 7
#: Most long lists hold nothing else, and one look at their types is cheaper than one at each item.
_SURELY_CELLS = frozenset({str, int, float})


class ChunkedRecipients(ABC):
    """Recipients that may be too many for memory: they come in chunks, which are read once, in one order."""

    @abstractmethod
    def read(self, recipient_column: str, others: Collection[str] = ()) -> Iterator[Columns]:
        """Return the chunks, with these columns and no others; none where there is nobody.

        :param recipient_column: the column with the numbers.
        :param others: the columns that the texts are made of.
        :raises InputError: the recipients cannot be used as they are; a column that is missing is found before
            the first chunk.
        """


def read_recipients(source: Any, recipient_column: str) -> Columns:
    """Return the columns of whatever a caller names its recipients with.

    ``source`` is a number; text with commas, semicolons or line ends between numbers; a list, tuple, set,
    Series or array of numbers; a list of records; one record; a dict of columns; a DataFrame or anything
    with ``to_pandas()``; a sequence of those, as a mapped task's outputs are; or the text that Jinja makes
    of a list (JSON or a Python literal). Numbers alone become the column ``recipient_column``. An empty
    list has no columns.

    :raises InputError: the recipients cannot be read as any of these, or hold their numbers as float32.
    """
    if source is None:
        raise InputError(
            "recipients is None: the task before returned nothing. Where nobody is to be told, hand over an "
            "empty list."
        )
    source = _plain(source)
    if _is_frame(source):
        if len(source) and not len(source.columns):
            raise InputError(
                "recipients is a DataFrame without columns; if its index is the numbers, reset_index()"
            )
        return _FrameColumns(source, recipient_column)
    if isinstance(source, str):
        return _read_text(source, recipient_column)
    if isinstance(source, Number):
        return {recipient_column: [source]}
    if isinstance(source, Mapping):
        return _read_mapping(source, recipient_column)
    if hasattr(source, "tolist"):
        _check_labels(source)
        return {recipient_column: _cells(source, recipient_column, recipient_column)}
    if isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        return _read_items(source, recipient_column)
    raise InputError(f"recipients is a {type(source).__name__}, which holds no numbers that can be read")


def _plain(source: Any) -> Any:
    """Return what stands behind a table of another library, or behind one named tuple."""
    if hasattr(source, "to_pandas"):
        source = source.to_pandas()
    return source._asdict() if hasattr(source, "_asdict") else source


def shown(name: Any) -> str:
    """Return a column's name for an error, unless it may be somebody's number or text instead of a name."""
    return repr(str(name)) if _is_name(name) else f"a name of {len(str(name))} characters"


def shown_all(names: Collection[Any]) -> str:
    """Return the columns' names for an error; none where one looks like a cell, for then they all may be cells."""
    if not all(map(_is_name, names)):
        return f"{len(names)} columns, whose names look like a row of recipients. Is a line with names missing?"
    return ", ".join(map(shown, names)) or "none"


def _is_name(name: Any) -> bool:
    text = str(name)
    return len(text) <= MAX_NAME_LENGTH and sum(map(str.isdigit, text)) < MAX_NAME_DIGITS


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


def _is_frame(source: Any) -> bool:
    """Whether it is a DataFrame; it cannot be one as long as nobody has imported pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame)


def _read_text(text: str, recipient_column: str) -> Columns:
    return read_recipients(parse_recipients_text(text), recipient_column)


def _read_mapping(source: Mapping[Any, Any], recipient_column: str) -> Columns:
    if source and all(_is_cell(value) for value in source.values()):
        return _RecordColumns([source])
    columns = {}
    for name, values in source.items():
        if _is_cell(values):
            raise InputError(
                f"recipients is a dict that holds columns, but {shown(name)} in it is a single value; a record "
                "holds single values alone"
            )
        columns[str(name)] = _cells(values, str(name), recipient_column)
    if len({len(cells) for cells in columns.values()}) > 1:
        lengths = ", ".join(f"{shown(name)} has {len(cells)}" for name, cells in columns.items())
        raise InputError(f"recipients is a dict of columns of different lengths: {lengths}")
    return columns


def _check_labels(series: Any) -> None:
    """Refuse a Series with text for labels: a row of a frame looks so, and not all of its cells are numbers."""
    labels: Any = getattr(series, "index", ())  # a method, where it is an array
    if hasattr(labels, "__iter__") and any(isinstance(label, str) for label in labels):
        raise InputError(
            "recipients holds a Series with text for labels, which can be a row of a DataFrame. Hand over the "
            "DataFrame, records (to_dict('records')), or the numbers alone (tolist())."
        )


def _read_items(source: Iterable[Any], recipient_column: str) -> Columns:
    is_mapped = isinstance(source, Sequence) and not isinstance(source, (list, tuple))  # outputs of a mapped task
    items = sorted(source, key=str) if isinstance(source, (set, frozenset)) else list(source)
    if not items:
        return {}
    if set(map(type, items)) <= _SURELY_CELLS or all(map(_is_cell, items)):
        return {recipient_column: items}
    if all(isinstance(item, Mapping) and all(map(_is_cell, item.values())) for item in items):
        if not any(items):
            raise InputError("recipients is a list of records without a field")
        return _RecordColumns(items)
    if all(hasattr(item, "_asdict") for item in items):  # a named tuple, a row of SQLAlchemy
        return _RecordColumns([item._asdict() for item in items])
    if any(map(_is_cell, items)):
        raise InputError("recipients mixes numbers with records, lists or frames")
    if not is_mapped and any(isinstance(item, (list, tuple)) and any(map(_is_cell, item)) for item in items):
        return _read_bare_rows(items, recipient_column)
    if strange := [item for item in items if not _is_table(item)]:
        raise InputError(f"recipients holds a {type(strange[0]).__name__}, which is no number, record or table")
    return _ChainedColumns([read_recipients(item, recipient_column) for item in items])


def _is_table(value: Any) -> bool:
    has_cells = hasattr(value, "to_pandas") or hasattr(value, "tolist") or _is_frame(value)
    return has_cells or isinstance(value, (Mapping, Sequence, AbstractSet))


def _read_bare_rows(items: list[Any], recipient_column: str) -> Columns:
    """Read the rows of a one-column query; with more columns nobody could say which cell is the number."""
    if all(isinstance(item, (list, tuple)) and len(item) == 1 for item in items):
        return {recipient_column: [item[0] for item in items]}
    raise InputError(
        "recipients is a list of rows without column names. Hand over records ({'msisdn': …}), a dict of "
        "columns or a DataFrame."
    )


def _is_cell(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or not (hasattr(value, "__iter__") or hasattr(value, "to_pandas"))


def _cells(values: Any, name: str, recipient_column: str) -> list[Any]:
    if hasattr(values, "to_pandas"):
        values = values.to_pandas()
    if isinstance(values, Mapping):
        raise InputError(
            f"column {shown(name)} is a dict; hand over a list of its values (of a DataFrame, to_dict('list') or "
            "to_dict('records'))"
        )
    dtype = getattr(values, "dtype", None)
    dtype = getattr(getattr(dtype, "categories", None), "dtype", dtype)
    if name == recipient_column and (is_narrow_float(dtype) or getattr(values, "typecode", "") == "f"):
        raise InputError(
            f"column {shown(name)} is {dtype}, which cannot hold 11 digits: the numbers in it are already wrong. "
            "Read it as text."
        )
    if getattr(values, "ndim", 1) != 1:
        raise InputError(f"column {shown(name)} has {values.ndim} dimensions; recipients have one")
    return list(values.tolist() if hasattr(values, "tolist") else values)


class _FrameColumns(Mapping[str, Sequence[Any]]):
    def __init__(self, frame: Any, recipient_column: str) -> None:
        self._frame = frame
        self._recipient_column = recipient_column
        self._names = [str(name) for name in frame.columns]
        if len(frame) and not self._names:
            raise InputError(
                "recipients is a DataFrame without columns; if its index holds the numbers, reset_index()"
            )

    def __getitem__(self, name: str) -> Sequence[Any]:
        found = self._names.count(name)
        if not found:
            raise KeyError(name)
        if found > 1:
            raise InputError(f"recipients has {found} columns named {shown(name)}")
        return _cells(self._frame.iloc[:, self._names.index(name)], name, self._recipient_column)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._names))

    def __len__(self) -> int:
        return len(set(self._names))


class _RecordColumns(Mapping[str, Sequence[Any]]):
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


class _ChainedColumns(Mapping[str, Sequence[Any]]):
    """Tables one under the other; a column that one of them lacks is empty there."""

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
