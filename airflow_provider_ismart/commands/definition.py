"""Define the commands and their arguments.

Airflow imports this module whenever its command line starts, so each command is imported only when it runs.
"""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow_provider_ismart.sandbox.arguments import ARGUMENTS as SANDBOX_ARGUMENTS
from airflow_provider_ismart.sandbox.arguments import DESCRIPTION as SANDBOX_DESCRIPTION

#: The exit status after Ctrl-C, as for a program that SIGINT ends.
INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command and the function that runs it.

    ``arguments`` maps each name or flag to keywords of :meth:`argparse.ArgumentParser.add_argument`. ``function``
    is ``module:name`` in this package; it takes the parsed arguments and returns the exit status.
    """

    name: str
    help: str
    function: str
    arguments: Mapping[str, Mapping[str, Any]]

    def run(self, options: Namespace) -> int:
        """Run the command, and return its exit status."""
        module, name = self.function.split(":")
        try:
            status: int = getattr(import_module(f"{__package__}.{module}"), name)(options)
        except KeyboardInterrupt:  # importing Airflow takes seconds, too
            sys.stderr.write("Interrupted.\n")
            return INTERRUPTED
        return status


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A command with subcommands."""

    name: str
    help: str
    commands: tuple[Command | Group, ...]


def _file(path: str) -> Path:
    """Return a path. A blank one, such as an empty variable of a shell, would be the current directory."""
    if not path.strip():
        raise ArgumentTypeError("it is blank")
    return Path(path)


_JSON = {"--json": {"action": "store_true", "help": "print JSON"}}
_CONN_ID = {
    "--conn-id": {
        "default": "ismart_default",
        "metavar": "ID",
        "help": "the connection of the gateway (default: %(default)s)",
    }
}
_RECIPIENT_COLUMN = {
    "--recipient-column": {
        "default": "msisdn",
        "metavar": "NAME",
        "help": "the column with the numbers (default: %(default)s)",
    }
}
_LEDGER = {
    "--ledger-conn-id": {
        "metavar": "ID",
        "help": "the connection of the SQL ledger (default: the ledger_conn_id of --conn-id)",
    },
    **_CONN_ID,
    "--key": {"metavar": "KEY", "help": "the sends with this idempotency_key"},
    "--task": {
        "metavar": "DAG/RUN/TASK",
        "help": "the sends of this task; append /INDEX for one index of a mapped task, /-1 if it is not mapped",
    },
}
_YES = {"--yes": {"action": "store_true", "help": "do not ask for confirmation"}}

SANDBOX = Command(
    name="sandbox",
    help=SANDBOX_DESCRIPTION,
    function="sandbox:run",
    arguments=SANDBOX_ARGUMENTS,
)
PREVIEW = Command(
    name="preview",
    help="Report what a send would do and cost, without sending.",
    function="preview:run",
    arguments={
        "file": {
            "type": _file,
            "metavar": "FILE",
            "help": "the recipients: a .csv, .csv.gz or .parquet file, or a directory",
        },
        "--message": {"metavar": "TEXT", "help": "the text, with {column} placeholders"},
        "--message-column": {"metavar": "NAME", "help": "the column with the texts, instead of --message"},
        **_RECIPIENT_COLUMN,
        "--lang": {"default": "auto", "choices": ("auto", "english", "arabic"), "help": "default: %(default)s"},
        "--exclude": {"type": _file, "metavar": "FILE", "help": "numbers that get no message"},
        "--max-credits": {"type": int, "metavar": "N", "help": "the most that the send may cost"},
        **_JSON,
    },
)
PROBE = Command(
    name="probe",
    help="Test the login with one free call, unless it was refused within a day.",
    function="probe:run",
    arguments={**_CONN_ID, **_JSON},
)
LEDGER = Group(
    name="ledger",
    help="Operate the SQL ledger.",
    commands=(
        Command(
            name="summary",
            help="Count messages by state.",
            function="ledger:summarise",
            arguments={**_LEDGER, **_JSON},
        ),
        Command(
            name="uncertain",
            help="List uncertain calls, or which numbers of a file are uncertain.",
            function="ledger:list_uncertain",
            arguments={
                **_LEDGER,
                "--numbers": {
                    "type": _file,
                    "metavar": "FILE",
                    "help": "print in full which numbers of this file are uncertain",
                },
                **_RECIPIENT_COLUMN,
                **_JSON,
            },
        ),
        Command(
            name="release",
            help="Mark the open calls of dead tasks as uncertain.",
            function="ledger:release",
            arguments={**_LEDGER, **_YES, **_JSON},
        ),
        Command(
            name="prune",
            help="Delete old calls.",
            function="ledger:prune",
            arguments={
                "--before": {
                    "required": True,
                    "metavar": "DATE",
                    "help": "a date or ISO time, in UTC if it has no offset",
                },
                **_LEDGER,
                "--whole-ledger": {"action": "store_true", "help": "prune all keys and tasks"},
                **_YES,
                **_JSON,
            },
        ),
    ),
)
DESCRIPTION = "Preview sends, test the login and operate the ledger of the iSmart provider."
COMMANDS: tuple[Command | Group, ...] = (PREVIEW, PROBE, LEDGER, SANDBOX)
