"""Print a command's results to stdout, and everything else to stderr.

Texts from files and databases are printed as they are: neither markup nor control characters are interpreted.
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

#: The exit statuses besides 0: the answer is no, the command could not do what was asked, Ctrl-C.
NEGATIVE = 1
FAILED = 2
INTERRUPTED = 130

#: Wide enough for every table, where there is no terminal that sets the width.
_COLUMNS = 240


class DeclinedError(Exception):
    """A person answered no."""


class Output:
    """What one command prints."""

    def __init__(self, *, as_json: bool, results: TextIO, messages: TextIO) -> None:
        self.as_json = as_json
        self._results = results
        self._messages = messages

    def json(self, value: object) -> None:
        """Print a result as JSON. Characters beyond ASCII are escaped, because a terminal can interpret some."""
        self._results.write(json.dumps(value, indent=2) + "\n")

    def result(self, text: str) -> None:
        """Print a result that is a sentence."""
        self._results.write(printable(text) + "\n")

    def table(self, title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table; numbers are aligned to the right."""
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
        """Print a line to stderr."""
        self._messages.write(printable(text) + "\n")

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask a person, unless ``yes``.

        :raises DeclinedError: the answer is no.
        :raises InputError: there is nobody to ask.
        """
        if yes:
            return
        if not sys.stdin.isatty():
            raise InputError("Nothing was changed: there is no terminal to ask. Pass --yes to confirm")
        self._messages.write(f"{printable(question)} [y/N] ")
        self._messages.flush()
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise DeclinedError


def printable(text: str) -> str:
    r"""Return a text in one line, with escapes such as ``\x1b`` in place of characters that are not printable."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else printable(str(value))


def reporting(command: Callable[[Namespace, Output], int]) -> Callable[[Namespace], int]:
    """Give a command its output, and turn its errors into one line on stderr."""

    @wraps(command)
    def run(options: Namespace) -> int:
        output = Output(as_json=options.json, results=sys.stdout, messages=sys.stderr)
        logging.disable()  # what matters is in the results and the errors
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
