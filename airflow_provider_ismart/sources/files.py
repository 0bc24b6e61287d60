"""Read recipients in chunks from CSV and Parquet files, local or in object storage."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from errno import ENOENT
from gzip import GzipFile
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_ismart.core.columns import Columns, is_name, shown
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.msisdn import is_narrow_float
from airflow_provider_ismart.core.native import cells_of
from airflow_provider_ismart.core.recipients import ChunkedRecipients
from airflow_provider_ismart.core.report import counted
from airflow_provider_ismart.exceptions import ISmartSourceError
from airflow_provider_ismart.sending.lineage import report_file
from airflow_provider_ismart.sources import CHUNK_ROWS, positions


def from_files(recipients: Any, option: str = "recipients", *, or_only_column: bool = False) -> Any:
    """Return a reader for recipients that are paths; return all other recipients unchanged.

    :param option: the option with the recipients, for errors.
    :param or_only_column: whether a file with only one column can use any name for it.
    :raises InputError: only some of the recipients are paths.
    """
    if _is_path(recipients):
        return FileRecipients([recipients], or_only_column=or_only_column)
    is_list = isinstance(recipients, Sequence) and not isinstance(recipients, str)
    if not is_list or not len(recipients) or not _is_path(recipients[0]):
        return recipients
    if not all(map(_is_path, recipients)):
        raise InputError(f"{option} mixes paths with other values; pass only paths or none")
    return FileRecipients(list(recipients), or_only_column=or_only_column)


def _is_path(value: Any) -> bool:
    return isinstance(value, (Path, ObjectStoragePath))


class FileRecipients(ChunkedRecipients):
    """Recipients in ``.csv``, ``.csv.gz`` and ``.parquet`` files.

    :param paths: files or directories, each a :class:`pathlib.Path` or ``ObjectStoragePath``. Directories are read
        recursively, in the order of the names. Names that start with ``_`` or ``.`` are skipped, because they are
        metadata.
    :param or_only_column: whether a file with only one column can use any name for it.
    """

    def __init__(self, paths: Sequence[Any], *, or_only_column: bool = False) -> None:
        self.paths = paths
        self._or_only_column = or_only_column

    def read(self, recipient_column: str, others: Collection[str] = ()) -> Iterator[Columns]:
        """Check that all files have the columns, then yield the chunks.

        :raises InputError: a file has another type, lacks a column, or is malformed; the message names the file
            and the line.
        :raises ISmartSourceError: a file cannot be read.
        """
        parts = []
        for part in (part for path in self.paths for part in _parts(path)):
            with _reading(part.path):
                column = self._column(part, recipient_column)
                wanted = dict.fromkeys((column, *others))
                part.check(column, wanted)
            parts.append((part, wanted))
        for path in self.paths:
            report_file(path, _name(path))
        for part, wanted in parts:
            with _reading(part.path):
                yield from part.chunks(wanted)

    def _column(self, part: _Csv | _Parquet, recipient_column: str) -> str:
        if not self._or_only_column or len(names := part.names()) != 1 or not is_name(names[0]):
            return recipient_column
        return names[0]


class _Csv:
    """A CSV file: UTF-8, comma-separated, with column names in the first line. All cells are text."""

    def __init__(self, path: Any) -> None:
        self.path = path

    def names(self) -> Sequence[str]:
        with self._open() as rows:
            return next(rows, ())

    def check(self, _: str, wanted: Collection[str]) -> None:
        with self._open() as rows:
            self._header(rows, wanted)

    def chunks(self, wanted: Collection[str]) -> Iterator[Columns]:
        with self._open() as rows:
            width, found = self._header(rows, wanted)
            whole = self._whole(rows, width)
            while chunk := list(islice(whole, CHUNK_ROWS)):
                # an empty cell is a missing value, because CSV cannot express one in any other way
                yield {name: [row[index] or None for row in chunk] for name, index in found.items()}

    def lines(self, wanted: Collection[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        with self._open() as rows:
            width, found = self._header(rows, wanted)
            for row in self._whole(rows, width):
                yield rows.line_num, {name: row[index] or None for name, index in found.items()}

    def _header(self, rows: Any, wanted: Collection[str]) -> tuple[int, dict[str, int]]:
        header = next(rows, None)
        if not header:
            raise InputError(f"{_name(self.path)} must have column names in its first line")
        if len(header) == 1 and any(separator in header[0] for separator in ";\t"):
            separators = "semicolons" if ";" in header[0] else "tabs"
            raise InputError(f"{_name(self.path)} uses {separators} between cells. Save it with commas")
        return len(header), positions(wanted, header, _name(self.path))

    def _whole(self, rows: Any, width: int) -> Iterator[list[str]]:
        for row in rows:
            if len(row) == width:
                yield row
            elif row:  # a blank line is not a row
                raise InputError(
                    f"{_name(self.path)}, line {rows.line_num}: {counted(len(row), 'cell')}, but the header "
                    f"has {width}. Quote cells that contain commas."
                )

    @contextmanager
    def _open(self) -> Iterator[Any]:
        with self._open_binary() as file, TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, strict=True)  # otherwise, an unclosed quote would swallow the remaining lines
            try:
                yield rows
            except csv.Error as error:
                raise InputError(
                    f"{_name(self.path)}, line {rows.line_num}: {error}. Close all quotes, and double quotes "
                    "within cells."
                ) from None
            except UnicodeDecodeError:
                raise InputError(
                    f"{_name(self.path)}, line {self._undecodable_line()}: not UTF-8. Write the file as UTF-8."
                ) from None

    @contextmanager
    def _open_binary(self) -> Iterator[Any]:
        with self.path.open("rb") as file:
            yield GzipFile(fileobj=file) if self.path.suffix.lower() == ".gz" else file

    def _undecodable_line(self) -> int:
        with self._open_binary() as file:
            lines = enumerate(file, 1)
            return next(number for number, line in lines if line.decode(errors="ignore").encode() != line)


class _Parquet:
    """A Parquet file. Only the needed columns are read."""

    def __init__(self, path: Any) -> None:
        self.path = path

    def names(self) -> Sequence[str]:
        with self._open() as file:
            return list(file.schema_arrow.names)

    def check(self, recipient_column: str, wanted: Collection[str]) -> None:
        with self._open() as file:
            schema = file.schema_arrow
        positions(wanted, schema.names, _name(self.path))
        if is_narrow_float(type_ := schema.field(recipient_column).type):
            raise InputError(
                f"{_name(self.path)}: column {shown(recipient_column)} is {type_}, which cannot hold 11 digits: "
                "the numbers in it are already wrong. Write it as text."
            )

    def chunks(self, wanted: Collection[str]) -> Iterator[Columns]:
        with self._open() as file:
            for batch in file.iter_batches(CHUNK_ROWS, columns=list(wanted)):
                yield {name: cells_of(batch.column(name)) for name in wanted}

    def lines(self, wanted: Collection[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        rows = (zip(*chunk.values(), strict=True) for chunk in self.chunks(wanted))
        for number, row in enumerate(chain.from_iterable(rows), 1):
            yield number, dict(zip(wanted, row, strict=True))

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            import pyarrow.parquet as pq  # noqa: PLC0415  # heavy, and only needed for Parquet
        except ImportError:
            raise InputError(
                "recipients in a .parquet file need pyarrow: install it, or this package with its extra pandas"
            ) from None
        with self.path.open("rb") as file, pq.ParquetFile(file) as parquet:
            yield parquet


_KINDS: dict[str, type[_Csv | _Parquet]] = {".csv": _Csv, ".csv.gz": _Csv, ".parquet": _Parquet}


def exists(path: Any) -> bool:
    """Return whether a file exists.

    :raises ISmartSourceError: the storage cannot be read.
    """
    with _reading(path):
        return bool(path.exists())


def read_lines(
    path: Any, recipient_column: str, others: Collection[str] = (), *, optional: Collection[str] = ()
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the lines of a file, each with its line number (in Parquet from 1) and its cells by column.

    :raises InputError: the file has another type, lacks a column, or is malformed.
    :raises ISmartSourceError: the file cannot be read.
    """
    with _reading(path):
        part = _part(path)
        names = part.names()
        wanted = [recipient_column, *others, *(column for column in optional if column in names)]
        part.check(recipient_column, wanted)
        yield from part.lines(wanted)


def _parts(path: Any) -> list[_Csv | _Parquet]:
    with _reading(path):
        if not path.exists():
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT))
        if not path.is_dir():
            return [_part(path)]
        parts = [_part(file) for file in _files(path)]
    if not parts:
        raise InputError(f"{_name(path)} is a directory without {', '.join(_KINDS)} files; check the path")
    return parts


def _files(directory: Any) -> Iterator[Any]:
    for path in sorted(directory.iterdir(), key=str):
        if path.name.startswith(("_", ".")):
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _part(path: Any) -> _Csv | _Parquet:
    for ending, kind in _KINDS.items():
        if path.name.lower().endswith(ending):
            return kind(path)
    raise InputError(f"{_name(path)} is not a supported file; use {', '.join(_KINDS)}")


#: Errors whose message is safe and useful: the storage is unknown or not installed. Other messages can quote
#: secrets.
_PLAIN_ERRORS = (ValueError, ImportError, ModuleNotFoundError)


@contextmanager
def _reading(path: Any) -> Iterator[None]:
    try:
        yield
    except (InputError, ISmartSourceError):
        raise
    except Exception as error:  # noqa: BLE001  # each kind of storage raises its own errors
        why = str(error) if type(error) in _PLAIN_ERRORS else getattr(error, "strerror", None)
        raise ISmartSourceError(
            f"{_name(path)} cannot be read ({type(error).__name__}{f': {why}' if why else ''}). Nothing was sent."
        ) from None


def _name(path: Any) -> str:
    """Return the path without possible secrets: user information and signatures."""
    text = str(path)
    return re.sub(r"//[^/@]*@", "//", text).partition("?")[0] if "://" in text else text
