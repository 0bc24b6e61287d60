"""Read a settlement file, in which a person says what happened to uncertain messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_ismart.core.settlement import NO_SETTLEMENTS, Settlements
from airflow_provider_ismart.core.settlement_lines import Line, read_settlement_lines
from airflow_provider_ismart.sending.paths import parse_path
from airflow_provider_ismart.sources.files import exists, read_lines

if TYPE_CHECKING:
    from airflow_provider_ismart.core.numbering import NumberingPlan
    from airflow_provider_ismart.sending.progress import Log

#: A column that only results files have.
_OF_RESULTS = "return_code"


def read_settlements(settlements_path: Any, numbering: NumberingPlan, log: Log) -> Settlements:
    """Return what a CSV or Parquet file settles; nothing if the file does not exist.

    Its columns are ``msisdn`` and ``outcome``. If it also has ``return_code``, it is treated as a results file.

    :param settlements_path: text, a :class:`pathlib.Path` or an ``ObjectStoragePath``.
    :raises InputError: the file is malformed or has an invalid outcome.
    :raises ISmartSourceError: the file cannot be read.
    """
    if settlements_path is None:
        return NO_SETTLEMENTS
    path = parse_path(settlements_path, "settlements_path")
    if not exists(path):
        log.info("The file of settlements_path does not exist yet, so nothing is settled.")
        return NO_SETTLEMENTS
    lines = read_lines(path, "msisdn", ("outcome",), optional=(_OF_RESULTS,))
    return read_settlement_lines(
        (
            Line(number, cells["msisdn"], cells["outcome"], cells.get(_OF_RESULTS), _OF_RESULTS in cells)
            for number, cells in lines
        ),
        numbering,
    )
