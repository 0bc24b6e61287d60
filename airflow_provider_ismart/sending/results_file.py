"""Write the results file: every input row with its outcome."""

from __future__ import annotations

import csv
import os
import re
from contextlib import contextmanager, suppress
from errno import EISDIR
from glob import escape
from io import TextIOWrapper
from pathlib import Path, PurePath
from tempfile import mkstemp
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.sending.paths import parse_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_ismart.core.plan import Plan

#: The columns, with their types in Parquet.
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
#: The columns with few distinct values, which Parquet stores well with dictionary encoding.
_REPEATED = ["outcome", "return_code", "reason", "lang", "parts"]
_ROW_GROUP = 100_000


#: The first characters, after spaces, of text that a spreadsheet may run as a formula (OWASP, "CSV Injection").
#: The last four are fullwidth forms.
_FORMULA_STARTS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
#: Text that is not a formula in spite of its first character: a signed number, or a phone number with ``+``.
_SIGNED_NUMBER = re.compile(r"[+\uff0b-](\d+( \d+)*|\d*\.\d+)", re.ASCII)


class ResultsFile:
    """A CSV or Parquet file at a local path, or at a URL that ``ObjectStoragePath`` supports.

    Its columns are ``row`` (from 0, in the order of the input), ``recipient`` (as in the input), ``msisdn``
    (empty if the number is invalid), ``outcome``, ``return_code``, ``reason``, ``lang`` and ``parts``.
    It contains full numbers. An existing file is replaced only when the new one is complete.

    :param path: text, a :class:`pathlib.Path` or an ``ObjectStoragePath``.
    :raises InputError: the file extension is not supported, or the path cannot be written.
    """

    def __init__(self, path: Any) -> None:
        path = path if isinstance(path, ObjectStoragePath) else os.fsdecode(path)
        ending = PurePath(str(path)).suffix
        if ending == ".parquet":
            _pyarrow()
        elif ending != ".csv":
            raise InputError(f"results_path ends with {ending!r}; it must be .csv or .parquet")
        self._write = _write_csv if ending == ".csv" else _write_parquet
        location = parse_path(path, "results_path")
        is_remote = isinstance(location, ObjectStoragePath)
        try:
            self._target = _RemoteTarget(location) if is_remote else _LocalTarget(location)
            self._target.check()
        except (OSError, ImportError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"results_path cannot be written: {type(error).__name__}: {error}") from None

    def write(self, plan: Plan) -> None:
        """Write the outcome of each row, and replace an existing file."""
        with self._target.replacing() as file:
            self._write(plan, file)


class _LocalTarget:
    """Write to a local path: first to a temporary file in the same folder, with mode 0600, then rename it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(self._path))
        if not self._is_special():
            descriptor, name = self._new_temporary_file()
            os.close(descriptor)
            Path(name).unlink(missing_ok=True)

    @contextmanager
    def replacing(self) -> Iterator[BinaryIO]:
        if self._is_special():
            with self._path.open("wb") as file:
                yield file
            return
        for leftover in self._path.parent.glob(f".{escape(self._path.name)}.*.partial"):  # of a killed try
            leftover.unlink(missing_ok=True)
        descriptor, name = self._new_temporary_file()
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _is_special(self) -> bool:
        """Return whether the path is a device or a pipe, which stores nothing and cannot be replaced."""
        return self._path.exists() and not self._path.is_file()

    def _new_temporary_file(self) -> tuple[int, str]:
        return mkstemp(prefix=f".{self._path.name}.", suffix=".partial", dir=self._path.parent)


class _RemoteTarget:
    """Write to an object storage URL: first under a temporary name, then move the object.

    A direct upload is not safe: some storages first delete the existing object, or complete an upload that an
    exception has interrupted.
    """

    def __init__(self, path: Any) -> None:
        self._path = path
        self._fs = path.fs
        folder, _, name = path.path.rpartition("/")
        self._partial = f"{folder}/.{name}.partial"

    def check(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._fs.touch(self._partial)
        self._remove_partial()

    @contextmanager
    def replacing(self) -> Iterator[BinaryIO]:
        self._remove_partial()  # left by a killed try
        try:
            with self._fs.open(self._partial, "wb") as file:
                yield file
            self._fs.mv(self._partial, self._path.path)
        except BaseException:
            with suppress(Exception):  # each kind of storage raises its own errors
                self._remove_partial()
            raise

    def _remove_partial(self) -> None:
        if self._fs.exists(self._partial):
            self._fs.rm(self._partial)


def _write_csv(plan: Plan, file: BinaryIO) -> None:
    text = TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows(_rows(plan))
    text.flush()
    text.detach()


def _spreadsheet_safe(cell: str) -> str:
    """Escape text that a spreadsheet could run as a formula with a leading apostrophe."""
    if cell.lstrip(" \xa0")[:1] not in _FORMULA_STARTS or _SIGNED_NUMBER.fullmatch(cell.strip(" \xa0")):
        return cell
    return f"'{cell}"


def _write_parquet(plan: Plan, file: BinaryIO) -> None:
    pa, pq, pc = _pyarrow()
    schema = pa.schema([(name, getattr(pa, type_)()) for name, type_ in _COLUMNS.items()])
    outcomes = plan.outcomes
    judgements = [(verdict.outcome.value, verdict.code, verdict.reason) for verdict in outcomes.verdicts]
    start = 0
    with pq.ParquetWriter(file, schema, use_dictionary=_REPEATED) as writer:
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
        import pyarrow as pa  # noqa: PLC0415  # heavy, and only needed for Parquet
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
            yield (
                row,
                _spreadsheet_safe(written),
                msisdn,
                outcome.value,
                code,
                reason and _spreadsheet_safe(reason),
                lang,
                parts,
            )
        start += len(rows.written)
