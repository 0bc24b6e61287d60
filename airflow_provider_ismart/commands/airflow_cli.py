"""Provide the commands of ``airflow ismart``, which Airflow 3.2 and later find in the provider info."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_ismart.commands.definition import COMMANDS, DESCRIPTION, Command, Group

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand


def airflow_commands() -> list[CLICommand]:
    """Return the commands in the form that Airflow uses for its own."""
    return [_converted(Group(name="ismart", help=DESCRIPTION, commands=COMMANDS))]


def _converted(command: Command | Group) -> CLICommand:
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand  # noqa: PLC0415  # only in Airflow's command line

    if isinstance(command, Group):
        subcommands = [_converted(of_group) for of_group in command.commands]
        return GroupCommand(name=command.name, help=command.help, subcommands=subcommands)
    args = [Arg((name,), **settings) for name, settings in command.arguments.items()]  # type: ignore[no-untyped-call]
    return ActionCommand(name=command.name, help=command.help, func=_exiting(command), args=args)


def _exiting(command: Command) -> Callable[[Namespace], None]:
    def run(options: Namespace) -> None:
        sys.exit(command.run(options))

    return run
