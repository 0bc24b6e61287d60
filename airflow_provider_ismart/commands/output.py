"""Print a command's results to stdout, and everything else to stderr.

Markup and control characters in texts from files and databases are not interpreted.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from functools import wraps
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

from airflow_provider_ismart.core.errors import InputError

#: The exit statuses besides 0: the answer is no, the command failed, nobody reads the results (as for a program
#: that SIGPIPE ends).
NEGATIVE = 1
FAILED = 2
UNREAD = 141

#: The width of tables if there is no terminal; wide enough for all of them.
_COLUMNS = 240


class DeclinedError(Exception):
    """The person at the terminal answered no."""


class UnwritableError(Exception):
    """The results cannot be written, for example because the disk is full."""


class Silent:
    """Discard log events, because the command prints its own report."""

    def info(self, msg: str, /, *args: Any) -> None:
        """Ignore an event."""

    def warning(self, msg: str, /, *args: Any) -> None:
        """Ignore a problem."""


class _Page(StringIO):
    """Collect text for a stream. Rich asks it for the encoding and terminal of that stream."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def isatty(self) -> bool:
        return self._stream.isatty()


class Output:
    """Print the output of one command."""

    def __init__(self, *, as_json: bool, results: TextIO, messages: TextIO) -> None:
        self.as_json = as_json
        self._results = results
        self._messages = messages

    def _write(self, text: str) -> None:
        """Write results, and flush them, because an error would come too late at exit.

        :raises BrokenPipeError: nobody reads them.
        :raises UnwritableError: they cannot be written.
        """
        encoding = self._results.encoding
        try:
            self._results.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._results.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UnwritableError(f"the results cannot be written ({error.strerror}).") from None

    def json(self, value: object) -> None:
        """Print a result as JSON. Non-ASCII characters are escaped, because terminals interpret some of them."""
        self._write(json.dumps(value, indent=2) + "\n")

    def result(self, text: str) -> None:
        """Print a result as a sentence."""
        self._write(printable(text) + "\n")

    def table(self, title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table, with numbers aligned to the right."""
        from rich.console import Console  # noqa: PLC0415  # Airflow's command line imports this module when it starts
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        cells = [list(row) for row in rows]
        table = Table()
        for number, name in enumerate(header):
            is_number = bool(cells) and all(isinstance(row[number], int) for row in cells)
            table.add_column(name, justify="right" if is_number else "left", overflow="fold")
        for row in cells:
            table.add_row(*(Text(_cell(value)) for value in row))
        page = _Page(self._results)
        Console(file=page, width=None if page.isatty() else _COLUMNS).print(Text(printable(title)), table)
        self._write(page.getvalue())

    def message(self, text: str) -> None:
        """Print a line that is not a result."""
        self._messages.write(printable(text) + "\n")

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask for confirmation, unless ``yes`` is true.

        :raises DeclinedError: the answer is no.
        :raises InputError: there is no terminal.
        """
        if yes:
            return
        if sys.stdin is None or not sys.stdin.isatty():
            raise InputError("there is no terminal to ask for confirmation, so nothing was changed. Pass --yes")
        self._messages.write(f"{printable(question)} [y/N] ")
        self._messages.flush()
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise DeclinedError


def printable(text: str) -> str:
    r"""Replace characters that are not printable, line ends included, with escapes such as ``\x1b``."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else printable(str(value))


def reporting(command: Callable[[Namespace, Output], int]) -> Callable[[Namespace], int]:
    """Decorate a command: pass it its output, and print its errors as one line on stderr."""

    @wraps(command)
    def run(options: Namespace) -> int:
        with _stdout() as results:
            output = Output(as_json=options.json, results=results, messages=sys.stderr)
            try:
                return _run(command, options, output)
            except BrokenPipeError:
                _discard_unwritten(results, sys.stderr)
                return UNREAD
            except UnwritableError as error:
                _discard_unwritten(results)
                output.message(f"error: {error}")
                return FAILED

    return run


def _stdout() -> AbstractContextManager[TextIO]:
    """Return stdout, or the null device if stdout is closed."""
    return Path(os.devnull).open("w") if sys.stdout is None else nullcontext(sys.stdout)


def _discard_unwritten(*streams: TextIO) -> None:
    """Discard unwritten text, because Python would try to write it again at exit, and report the error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())


def _run(command: Callable[[Namespace, Output], int], options: Namespace, output: Output) -> int:
    logging.disable(logging.WARNING)
    logging.setLogRecordFactory(_short_record)
    with redirect_stdout(sys.stderr), warnings.catch_warnings():  # Airflow logs to stdout
        warnings.simplefilter("ignore")
        from airflow.providers.common.compat.sdk import AirflowException  # noqa: PLC0415  # heavy

        warnings.simplefilter("ignore")  # Airflow 2 has set filters of its own
        try:
            return command(options, output)
        except (InputError, AirflowException) as error:
            output.message(f"error: {_in_one_line(error)}")
            return FAILED
        except DeclinedError:
            output.message("Nothing was changed.")
            return NEGATIVE


def _short_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """Return a log record with the first line of its error instead of the traceback."""
    record = logging.LogRecord(*args, **kwargs)
    if record.exc_info and (error := record.exc_info[1]):
        first_line = (str(error).splitlines() or [""])[0]
        record.msg, record.args = f"{record.getMessage()} ({type(error).__name__}: {first_line})", ()
        record.exc_info = None
    return record


def _in_one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith((".", "?")) else f"{text}."


def as_time(at: Any) -> str:
    """Format a time in ISO 8601, to the second."""
    return str(at.isoformat(timespec="seconds"))
