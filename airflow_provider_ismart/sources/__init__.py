"""Read recipients in chunks, from files and SQL databases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_provider_ismart.core.columns import shown, shown_all
from airflow_provider_ismart.core.errors import InputError

#: Rows per chunk. Only one chunk is in memory at a time.
CHUNK_ROWS = 10_000


def positions(wanted: Iterable[str], names: Sequence[str], source: str) -> dict[str, int]:
    """Return the positions of columns in a header.

    :param wanted: the names of the columns.
    :param names: the header.
    :param source: what has the header, for messages.
    :raises InputError: a column is missing or exists more than once.
    """
    found = {}
    for column in wanted:
        times = names.count(column)
        if times > 1:
            raise InputError(f"{source} has {times} columns named {shown(column)}; rename all but one")
        if not times:
            raise InputError(f"{source} has no column {shown(column)}; it has {shown_all(names)}")
        found[column] = names.index(column)
    return found
