"""A fast path for columns: check many rows together, and one by one only where that fails.

Planning 300,000 rows row by row took 3.7 times as much CPU time with one text, and 6.8 times with personal texts
(Python 3.11, alternating in one process).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

#: Few enough that one unusual row slows down only few others.
ROWS_IN_CHUNK = 100

_Result = TypeVar("_Result")


def map_rows(
    columns: Sequence[Sequence[Any]],
    together: Callable[[Sequence[Sequence[Any]]], Sequence[_Result] | None],
    one: Callable[[int, Sequence[Any]], _Result],
) -> list[_Result]:
    """Return a result for each row of the columns, which have the same length.

    :param together: gets the columns of a chunk of rows, and returns their results, or ``None`` if the rows differ
        too much to be checked together.
    :param one: gets a row's position and its cells, and returns its result.
    """
    results: list[_Result] = []
    for start in range(0, len(columns[0]), ROWS_IN_CHUNK):
        chunk = [cells[start : start + ROWS_IN_CHUNK] for cells in columns]
        found = together(chunk)
        if found is None:
            found = [one(row, cells) for row, cells in enumerate(zip(*chunk, strict=True), start)]
        results += found
    return results
