"""Fill the placeholders of a template with each row's cells."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from itertools import repeat
from operator import eq
from typing import Any

from airflow_provider_ismart.core.columns import shown
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.message import InvalidTextError
from airflow_provider_ismart.core.msisdn import is_missing

#: Cells of these types need no check for missing values, except NaN, which does not equal itself.
_SELDOM_MISSING = frozenset({str, int, float, bool, date, datetime})


class Template:
    """A text with ``{column}`` and ``{column:spec}`` placeholders; ``{{`` and ``}}`` are literal braces.

    Placeholders cannot have attributes, indexing or conversions, because these would give access to the objects in
    cells.

    :param name: the name of the template in errors.
    :raises InputError: the template is malformed or has another kind of placeholder.
    """

    def __init__(self, source: str, name: str = "message") -> None:
        self.name = name
        fields = _parsed(source, name)
        for _, column, spec, conversion in fields:
            if column is not None:
                _check_placeholder(name, column, spec or "", conversion)
        #: The columns that the placeholders name, each once.
        self.columns = tuple(dict.fromkeys(name for _, name, _, _ in fields if name is not None))
        #: The text without its placeholders.
        self.literal = "".join(literal for literal, _, _, _ in fields)
        #: For each placeholder: the text before it, the index of its column, and its format spec.
        self._fields = [
            (literal, None if name is None else self.columns.index(name), spec or "")
            for literal, name, spec, _ in fields
        ]

    def fill(self, cells: Sequence[Any]) -> str:
        """Return the text of one row; ``cells`` are the values of :attr:`columns`, in that order.

        :raises InvalidTextError: a cell is missing, or does not fit its format spec.
        """
        return self.fill_all([[cell] for cell in cells])[0] if self.columns else self.literal

    def fill_all(self, columns: Sequence[Sequence[Any]]) -> list[str]:
        """Return the texts of several rows, which is faster than one by one. If one row fails, all fail.

        :raises InvalidTextError: a cell of any row is missing, or does not fit its format spec.
        """
        if missing := self._columns_with(_any_missing, columns):
            raise InvalidTextError(f"no value for {_listed(missing)}")
        if binary := self._columns_with(_any_binary, columns):
            raise InvalidTextError(f"{_listed(binary)} has bytes, not text")
        pieces: list[Iterable[str]] = []
        for literal, column, spec in self._fields:
            pieces.append(repeat(literal))
            if column is not None:
                pieces.append(map(format, columns[column], repeat(spec)))
        try:
            return list(map("".join, zip(*pieces, strict=False)))
        except Exception:  # noqa: BLE001  # a cell's __format__ can raise anything, with the cell in the message
            raise InvalidTextError(f"a value of {_listed(self.columns)} does not fit its format") from None

    def _columns_with(self, has: Callable[[Sequence[Any]], bool], columns: Sequence[Sequence[Any]]) -> list[str]:
        return [name for name, cells in zip(self.columns, columns, strict=True) if has(cells)]


def _any_binary(cells: Sequence[Any]) -> bool:
    """Return whether a cell would be printed as Python's ``b'…'``."""
    return any(issubclass(kind, (bytes, bytearray, memoryview)) for kind in set(map(type, cells)))


def _any_missing(cells: Sequence[Any]) -> bool:
    is_nothing_missing = _SELDOM_MISSING.issuperset(map(type, cells)) and all(map(eq, cells, cells))
    return not is_nothing_missing and any(map(is_missing, cells))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)


def _parsed(source: str, name: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(string.Formatter().parse(source))
    except ValueError as error:
        raise InputError(
            f"{name} is not a valid template: {error}. Write a literal brace as {{{{ or }}}}."
        ) from None


def _check_placeholder(template: str, name: str, spec: str, conversion: str | None) -> None:
    if not name.strip():
        raise InputError(f"{template} has a placeholder {{}} without a column name; write {{name}}")
    if "." in name or "[" in name or conversion or "{" in spec:
        raise InputError(
            f"{template} has the placeholder {shown(name)}; a placeholder can have a column name and a format "
            "spec, but no attribute, index, conversion or nested placeholder"
        )
