"""Read a settlement file: what a person found out about uncertain messages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_ismart.core.settlement import NO_SETTLEMENTS, Settlements
from airflow_provider_ismart.core.settlement_lines import Line, read_settlement_lines
from airflow_provider_ismart.sources.files import exists, read_lines

if TYPE_CHECKING:
    from airflow_provider_ismart.core.numbering import NumberingPlan
    from airflow_provider_ismart.sending.progress import Log

#: The column that only a results file has, apart from those that are read anyway.
_OF_RESULTS = "return_code"


def read_settlements(settlements_path: Any, numbering: NumberingPlan, log: Log) -> Settlements:
    """Return what a CSV or Parquet file settles; nothing if there is no file.

    Its columns are ``msisdn`` and ``outcome``. A file that also has ``return_code`` is taken for a results file.

    :param settlements_path: text, a :class:`pathlib.Path` or an ``ObjectStoragePath``.
    :raises InputError: the file is malformed, or says something else than ``accepted`` or ``not_sent``.
    :raises ISmartSourceError: the file cannot be read.
    """
    if settlements_path is None:
        return NO_SETTLEMENTS
    path = _path(settlements_path)
    if not exists(path):
        log.info("settlements_path names no file yet, so nothing is settled.")
        return NO_SETTLEMENTS
    lines = read_lines(path, "msisdn", ("outcome",), optional=(_OF_RESULTS,))
    return read_settlement_lines(
        (
            Line(number, cells["msisdn"], cells["outcome"], cells.get(_OF_RESULTS), _OF_RESULTS in cells)
            for number, cells in lines
        ),
        numbering,
    )


def _path(path: Any) -> Any:
    if isinstance(path, ObjectStoragePath):
        return path
    text = os.fsdecode(path).removeprefix("file://")
    return ObjectStoragePath(text) if "://" in text else Path(text).expanduser()
