"""Convert tables and columns of pandas, NumPy, Arrow and polars to Python values that print alike.

This module imports no library that the caller has not imported, except pyarrow, which reads other libraries'
tables through Arrow's C data interface
(https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html).

Times are truncated to microseconds, as in Python. A 32-bit float becomes the shortest decimal that identifies it,
as in a database's output: 1.2, not 1.2000000476837158.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from airflow_provider_ismart.core.msisdn import is_narrow_float

#: Units of NumPy times that Python's times lack; ``tolist`` turns such times into integers.
_FINER_THAN_MICROSECONDS = ("[ns]", "[ps]", "[fs]", "[as]")
#: The struct format of a narrow float and how many digits identify it, by its bits.
_NARROW = {16: ("e", range(3, 6)), 32: ("f", range(6, 10))}


class Table(NamedTuple):
    """A library's table: its column names, a function that returns a column by position, and the row count."""

    names: Sequence[Any]
    column: Callable[[int], Any]
    rows: int


def native(source: Any) -> Any:
    """Convert a table or column of another library to Arrow or, if that fails, to pandas."""
    if _is_known(source):
        return source
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        try:
            import pyarrow as pa  # noqa: PLC0415  # heavy, and only needed for other libraries' tables
        except ImportError:
            pass
        else:
            is_stream = hasattr(source, "__arrow_c_stream__")
            return pa.chunked_array(source) if is_stream else pa.array(source)
    return source.to_pandas() if hasattr(source, "to_pandas") else source


def read_table(source: Any) -> Table | None:
    """Return the source as a table; ``None`` if it is not one."""
    if _is_of(source, "pandas", "DataFrame"):
        return Table(list(source.columns), lambda index: source.iloc[:, index], len(source))
    if _is_of(source, "polars", "LazyFrame"):
        source = source.collect()
    if _is_of(source, "polars", "DataFrame"):
        return Table(source.columns, source.to_series, source.height)
    if _is_of(source, "polars", "Series") and str(source.dtype).startswith("Struct"):
        return read_table(source.struct.unnest())
    if _is_arrow_column(source) and (pa := sys.modules["pyarrow"]).types.is_struct(source.type):
        source = pa.Table.from_struct_array(source)
    if _is_of(source, "pyarrow", "Table", "RecordBatch"):
        return Table(source.schema.names, source.column, source.num_rows)
    if names := getattr(getattr(source, "dtype", None), "names", None):  # a structured array of NumPy, or its row
        array = source if source.ndim else source.reshape(1)
        return Table(names, lambda index: array[names[index]], len(array))
    return None


def is_column(value: Any) -> bool:
    """Return whether a value is a library's array or series."""
    is_cell = isinstance(value, (str, bytes)) or not hasattr(value, "__iter__")  # NumPy's scalars also have tolist
    return (
        (hasattr(value, "tolist") and not is_cell) or _is_arrow_column(value) or _is_of(value, "polars", "Series")
    )


def index_of(values: Any) -> Any:
    """Return the index of a pandas Series; ``None`` for other columns."""
    return values.index if _is_of(values, "pandas", "Series") else None


def cells_of(values: Any) -> list[Any]:
    """Return the cells of a column, which can be any sequence, as Python values."""
    values = native(values)
    if _is_arrow_column(values):
        cells = _arrow_cells(values)
    elif _is_of(values, "polars", "Series"):
        cells = values.to_list()
    elif _is_of(values, "pandas", "Series"):
        cells = _pandas_cells(values)
    elif _is_of(values, "pandas", "Index"):
        cells = _pandas_cells(values.to_series())
    elif _is_pandas_array(values):
        cells = _pandas_cells(sys.modules["pandas"].Series(values, dtype=values.dtype))
    elif _is_of(values, "numpy", "ndarray"):
        cells = _numpy_cells(values)
    else:
        cells = list(values.tolist() if hasattr(values, "tolist") else values)
    bits = narrow_bits(values)
    return [_shortest(cell, *_NARROW[bits]) for cell in cells] if bits else cells


def type_of(values: Any) -> Any:
    """Return the type of a column's cells. For a dictionary-encoded column, it is the type of the dictionary."""
    kind = getattr(values, "dtype", None)
    kind = getattr(getattr(kind, "categories", None), "dtype", kind)
    kind = getattr(kind, "pyarrow_dtype", kind)
    if kind is None and _is_arrow_column(values):
        kind = values.type
    if kind is None:  # array.array and memoryview
        code = getattr(values, "typecode", getattr(values, "format", None))
        kind = {"e": "float16", "f": "float32"}.get(code.strip("@=<>!")) if isinstance(code, str) else None
    return getattr(kind, "value_type", kind)


def narrow_bits(values: Any) -> int:
    """Return 16 or 32 if a column's cells are floats of that many bits, else 0."""
    kind = type_of(values)
    if kind is None or not is_narrow_float(kind):
        return 0
    name = str(kind).lower()
    is_half = getattr(kind, "itemsize", 0) == 2 or "half" in name or "float16" in name  # noqa: PLR2004
    return 16 if is_half and "bfloat16" not in name else 32


def _is_of(value: Any, library: str, *classes: str) -> bool:
    """Return whether a value is an instance of a library's class, without importing the library."""
    module = sys.modules.get(library)
    return module is not None and isinstance(value, tuple(getattr(module, name) for name in classes))


def _is_known(source: Any) -> bool:
    return (
        _is_of(source, "pandas", "DataFrame", "Series", "Index")
        or _is_pandas_array(source)
        or _is_of(source, "numpy", "ndarray", "generic")
        or _is_of(source, "polars", "DataFrame", "LazyFrame", "Series")
        or _is_of(source, "pyarrow", "Table", "RecordBatch", "Array", "ChunkedArray")
    )


def _is_pandas_array(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.api.extensions.ExtensionArray)


def _is_arrow_column(value: Any) -> bool:
    return _is_of(value, "pyarrow", "Array", "ChunkedArray")


def _arrow_cells(array: Any) -> list[Any]:
    pa = sys.modules["pyarrow"]
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if getattr(kind, "unit", None) == "ns":
        micros = (
            pa.timestamp("us", tz=kind.tz)
            if pa.types.is_timestamp(kind)
            else pa.duration("us")
            if pa.types.is_duration(kind)
            else pa.time64("us")
        )
        array = array.cast(kind).cast(micros, safe=False)
    cells: list[Any] = array.to_pylist()
    return cells


def _pandas_cells(series: Any) -> list[Any]:
    kind = series.dtype
    if hasattr(kind, "categories"):
        categories = cells_of(kind.categories)
        return [categories[code] if code >= 0 else None for code in series.cat.codes.tolist()]
    if hasattr(kind, "pyarrow_dtype"):
        return cells_of(series.array.__arrow_array__())
    if kind.kind == "m":
        return _numpy_cells(series.to_numpy())
    if kind.kind == "M" and series.dt.unit == "ns":
        series = series.dt.as_unit("us")
    cells: list[Any] = series.tolist()
    return cells


def _numpy_cells(array: Any) -> list[Any]:
    kind = array.dtype
    if kind.kind not in "mM":
        return list(array.tolist())
    if kind.str.endswith(_FINER_THAN_MICROSECONDS):
        array = array.astype(f"{kind.kind}8[us]")
    # a time outside Python's calendar is still an integer here
    return [None if isinstance(cell, int) else cell for cell in array.tolist()]


def _shortest(cell: Any, code: str, digits: range) -> Any:
    """Return the shortest decimal that identifies a narrow float."""
    if not isinstance(cell, float):
        return cell
    packed = struct.pack(code, cell)
    candidates = (float(f"{cell:.{count}g}") for count in digits)
    return next((short for short in candidates if struct.pack(code, short) == packed), cell)
