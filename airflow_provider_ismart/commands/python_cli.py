"""Parse the arguments of ``python -m airflow_provider_ismart``, and run its commands."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from typing import Any

from airflow_provider_ismart.commands.definition import COMMANDS, DESCRIPTION, Command, Group


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in ``argv``, and return the exit status."""
    parser = ArgumentParser(prog="python -m airflow_provider_ismart", description=DESCRIPTION)
    _add(parser, COMMANDS)
    options = parser.parse_args(argv)
    command: Command = options.command
    return command.run(options)


def _add(parser: ArgumentParser, commands: Iterable[Command | Group]) -> None:
    subparsers: Any = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in commands:
        of_command = subparsers.add_parser(command.name, help=command.help, description=command.help)
        if isinstance(command, Group):
            _add(of_command, command.commands)
            continue
        of_command.set_defaults(command=command)
        for name, settings in command.arguments.items():
            of_command.add_argument(name, **settings)
