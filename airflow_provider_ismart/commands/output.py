"""Print a command's results to stdout, and everything else to stderr.

Markup and control characters in texts from files and databases are not interpreted.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from functools import wraps
from typing import Any, TextIO

from airflow_provider_ismart.core.errors import InputError

#: The exit statuses besides 0: the answer is no, the command failed, Ctrl-C.
NEGATIVE = 1
FAILED = 2
INTERRUPTED = 130

#: The width of tables if there is no terminal; wide enough for all of them.
_COLUMNS = 240


class DeclinedError(Exception):
    """The person at the terminal answered no."""


class Output:
    """Print the output of one command."""

    def __init__(self, *, as_json: bool, results: TextIO, messages: TextIO) -> None:
        self.as_json = as_json
        self._results = results
        self._messages = messages

    def json(self, value: object) -> None:
        """Print a result as JSON. Non-ASCII characters are escaped, because terminals interpret some of them."""
        self._results.write(json.dumps(value, indent=2) + "\n")

    def result(self, text: str) -> None:
        """Print a result as a sentence."""
        self._results.write(printable(text) + "\n")

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
        console = Console(file=self._results, width=None if self._results.isatty() else _COLUMNS)
        console.print(Text(printable(title)), table)

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
        if not sys.stdin.isatty():
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
        output = Output(as_json=options.json, results=sys.stdout, messages=sys.stderr)
        logging.disable()  # the results and errors say everything that matters
        with redirect_stdout(sys.stderr), warnings.catch_warnings():  # Airflow logs to stdout
            warnings.simplefilter("ignore")
            from airflow.providers.common.compat.sdk import AirflowException  # noqa: PLC0415  # heavy

            warnings.simplefilter("ignore")  # importing Airflow 2 has set its own filters
            try:
                return command(options, output)
            except (InputError, AirflowException) as error:
                output.message(f"error: {_in_one_line(error)}")
                return FAILED
            except DeclinedError:
                output.message("Nothing was changed.")
                return NEGATIVE
            except KeyboardInterrupt:
                output.message("Interrupted.")
                return INTERRUPTED

    return run


def _in_one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith((".", "?")) else f"{text}."


def as_time(at: Any) -> str:
    """Format a time in ISO 8601, to the second."""
    return str(at.isoformat(timespec="seconds"))
