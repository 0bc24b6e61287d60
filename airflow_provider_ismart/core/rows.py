"""Distinguish rows with column names from rows without them, which do not show which cell is the number."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.msisdn import is_missing
from airflow_provider_ismart.core.native import cells_of

#: Airflow's classes for the outputs of a mapped task, in Airflow 3 and in 2.11.
_OUTPUTS = frozenset({"LazyXComSequence", "LazyXComSelectSequence"})


def as_record(row: Any) -> Mapping[Any, Any] | None:  # noqa: PLR0911  # one return per kind of row
    """Return a row with column names as a mapping; ``None`` if it has no names.

    Rows with names are mappings, named tuples, rows of SQLAlchemy, ``sqlite3`` and other drivers (``keys()``), and
    instances of data classes and attrs classes.

    :raises InputError: two cells have the same name.
    """
    if isinstance(row, Mapping):
        return row
    if isinstance(row, type):  # a class is not a row, although it can have the methods of one
        return None
    if hasattr(row, "_asdict") or hasattr(row, "_mapping"):
        _check_names(getattr(row, "_fields", ()))
        return dict(row._asdict() if hasattr(row, "_asdict") else row._mapping)  # noqa: SLF001  # both are public
    if callable(getattr(row, "keys", None)) and hasattr(row, "__getitem__"):  # a pandas group has keys, too
        names = list(row.keys())
        _check_names(names)
        return {name: row[name] for name in names}
    if hasattr(row, "__iter__"):  # Airflow's own sequences are attrs classes
        return None
    if dataclasses.is_dataclass(row):
        return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    fields = getattr(row, "__attrs_attrs__", None)
    return None if fields is None else {field.name: getattr(row, field.name) for field in fields}


def _check_names(names: Sequence[Any]) -> None:
    if len(set(names)) < len(names):
        raise InputError("recipients contains rows in which two columns have the same name; rename one")


def are_outputs_of_mapped_task(source: Any) -> bool:
    """Return whether a value is Airflow's sequence of a mapped task's outputs, which can be lists of numbers.

    The classes are recognised by name, because the core does not import Airflow.
    """
    names = {base.__name__ for base in type(source).__mro__ if base.__module__.startswith("airflow.")}
    if "_MapResult" in names:  # mapped.output.map(…)
        return are_outputs_of_mapped_task(source.value)
    if "_ConcatResult" in names:
        return all(map(are_outputs_of_mapped_task, source.values))
    return not _OUTPUTS.isdisjoint(names)


def check_outputs(outputs: Sequence[Sequence[Any]]) -> None:
    """Check that each output of a mapped task is a list of numbers, not a row.

    A row with a phone number and an account number looks like a list of two numbers. So this refuses everything
    that may be a row: tuples, text together with numbers, and lists of equal length with words at the same
    positions.

    :raises InputError: the outputs look like rows.
    """
    kinds = [tuple(map(_kind, cells_of(output))) for output in outputs]
    is_row = any(
        (isinstance(output, tuple) and len(output) > 1) or len({*of_output} - {"nothing", "words"}) > 1
        for output, of_output in zip(outputs, kinds, strict=True)
    )
    if is_row or (len(set(kinds)) == 1 and len({*kinds[0]} - {"nothing"}) > 1):
        raise InputError(
            "recipients has the outputs of a mapped task, which look like rows without column names. Return a "
            "record ({'msisdn': …}) or a list of numbers from each mapped index."
        )


def _kind(cell: Any) -> str:
    if is_missing(cell):
        return "nothing"
    if isinstance(cell, str):
        return "words" if any(map(str.isalpha, cell)) else "text"
    return "number" if isinstance(cell, Number) and not isinstance(cell, bool) else type(cell).__name__
