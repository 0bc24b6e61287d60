"""Every input row with its outcome, as a file."""

from __future__ import annotations

import csv
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
#: Those of few values, which Parquet writes as numbers of values; it would try so with the others in vain.
_REPEATED = ["outcome", "return_code", "reason", "lang", "parts"]
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
        pa, pq, pc = _pyarrow()
        schema = pa.schema([(name, getattr(pa, type_)()) for name, type_ in _COLUMNS.items()])
        outcomes = plan.outcomes
        judgements = [(verdict.outcome.value, verdict.code, verdict.reason) for verdict in outcomes.verdicts]
        start = 0
        with self._path.open("wb") as file, pq.ParquetWriter(file, schema, use_dictionary=_REPEATED) as writer:
            for rows in plan.read_rows(_ROW_GROUP):
                count = len(rows.written)
                numbers = pa.py_buffer(outcomes.numbers(start, start + count))
                judged = pa.Array.from_buffers(pa.uint32(), count, [None, numbers])
                number_of = {size: number for number, size in enumerate(set(rows.sizes))}
                sizes = pa.py_buffer(bytes(map(number_of.__getitem__, rows.sizes)))
                sized = pa.Array.from_buffers(pa.uint8(), count, [None, sizes])
                written = pa.array(rows.written, pa.string())
                columns = [
                    pc.cumulative_sum(pa.repeat(1, count), start=start - 1),
                    written,
                    written if rows.written == rows.msisdns else rows.msisdns,
                    *(pa.array(values).take(judged) for values in zip(*judgements, strict=True)),
                    *(
                        pa.array(values).take(sized)
                        for values in zip(*(size or (None, None) for size in number_of), strict=True)
                    ),
                ]
                writer.write_table(pa.table(columns, schema=schema))
                start += count


def _pyarrow() -> tuple[Any, Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415  # heavy, and Parquet alone needs it
        import pyarrow.compute as pc  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise InputError(
            "a .parquet results_path needs pyarrow: install it, or this package with its extra pandas"
        ) from None
    return pa, pq, pc


def _rows(plan: Plan) -> Iterator[tuple[object, ...]]:
    verdicts = plan.outcomes.verdicts
    start = 0
    for rows in plan.read_rows(_ROW_GROUP):
        numbers = plan.outcomes.numbers(start, start + len(rows.written))
        for row, (number, written, msisdn, size) in enumerate(zip(numbers, *rows, strict=True), start):
            outcome, code, reason = verdicts[number]
            lang, parts = size or (None, None)
            yield row, written, msisdn, outcome.value, code, reason, lang, parts
        start += len(rows.written)
