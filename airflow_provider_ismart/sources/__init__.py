"""Sources of recipients that are read in chunks: files and SQL databases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_provider_ismart.core.columns import shown, shown_all
from airflow_provider_ismart.core.errors import InputError

#: Rows per chunk. Only one chunk is in memory at a time.
CHUNK_ROWS = 10_000


def positions(wanted: Iterable[str], names: Sequence[str], source: str) -> dict[str, int]:
    """Return the positions of the columns in ``names``, a header.

    :raises InputError: a column is missing or exists more than once; the message names it and ``source``.
    """
    found = {}
    for column in wanted:
        times = names.count(column)
        if times > 1:
            raise InputError(f"{source} has {times} columns named {shown(column)}")
        if not times:
            raise InputError(f"{source} has no column {shown(column)}; it has {shown_all(names)}")
        found[column] = names.index(column)
    return found
