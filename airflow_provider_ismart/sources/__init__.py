"""Where recipients are read a chunk at a time: files and SQL databases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_provider_ismart.core.columns import shown, shown_all
from airflow_provider_ismart.core.errors import InputError

#: Rows per chunk. Only one chunk is in memory, whatever the size of the source.
CHUNK_ROWS = 10_000


def positions(wanted: Iterable[str], names: Sequence[str], source: str) -> dict[str, int]:
    """Return where in ``names``, a header, the wanted columns are.

    :raises InputError: one is not there, or there more than once; the text names it and ``source``.
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
