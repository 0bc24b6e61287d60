"""Every input row with its outcome, as a file."""

from __future__ import annotations

import csv
from itertools import islice
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_ismart.sms.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_ismart.sms.plan import Plan

#: The columns and their types in Parquet.
_COLUMNS = {
    "row": "int64",
    "recipient": "string",
    "msisdn": "string",
    "outcome": "string",
    "return_code": "int16",
    "reason": "string",
    "lang": "int8",
    "parts": "int8",
}
_ROW_GROUP = 100_000


class ResultsFile:
    """A CSV or Parquet file, local or at any URL that ``ObjectStoragePath`` knows, by its ending.

    Its columns: ``row`` (from 0, in the order of the input), ``recipient`` (as it was written), ``msisdn``
    (empty where the number is invalid), ``outcome``, ``return_code``, ``reason``, ``lang`` and ``parts``.
    It holds full numbers.

    :raises InputError: the ending is another, or nothing can be written there.
    """

    def __init__(self, path: str) -> None:
        ending = PurePath(path).suffix
        if ending == ".parquet":
            _pyarrow()
        elif ending != ".csv":
            raise InputError(f"results_path ends with {ending!r}; it can be .csv or .parquet")
        try:
            self._path: Any = ObjectStoragePath(path) if "://" in path else Path(path)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(self._path, Path):
                self._path.touch(mode=0o600)  # it holds people's numbers
                self._path.open("ab").close()  # an earlier try's results stay until this one has some
            else:
                self._path.touch()
        except (OSError, ImportError, TypeError, ValueError) as error:  # not there, not installed, not known
            raise InputError(f"results_path cannot be written: {type(error).__name__}: {error}") from None

    def write(self, plan: Plan) -> None:
        """Write what became of each row; what the file held before is gone."""
        write = self._write_csv if self._path.suffix == ".csv" else self._write_parquet
        write(plan)

    def _write_csv(self, plan: Plan) -> None:
        with self._path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            writer.writerows(_rows(plan))

    def _write_parquet(self, plan: Plan) -> None:
        pa, pq = _pyarrow()
        schema = pa.schema([(name, getattr(pa, type_)()) for name, type_ in _COLUMNS.items()])
        with self._path.open("wb") as file, pq.ParquetWriter(file, schema) as writer:
            rows = _rows(plan)
            while group := list(islice(rows, _ROW_GROUP)):
                writer.write_table(pa.table(list(map(list, zip(*group, strict=True))), schema=schema))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415  # heavy, and Parquet alone needs it
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise InputError(
            "a .parquet results_path needs pyarrow: install airflow-provider-ismart[pandas]"
        ) from None
    return pa, pq


def _rows(plan: Plan) -> Iterator[tuple[object, ...]]:
    outcomes = plan.outcomes
    for row, (written, msisdn, size) in enumerate(plan.read_rows()):
        lang, parts = (None, None) if size is None else (int(size.lang), size.parts)
        yield row, written, msisdn, outcomes[row].value, outcomes.code(row), outcomes.reason(row), lang, parts
