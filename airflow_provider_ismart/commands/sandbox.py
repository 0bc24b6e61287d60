"""Run ``sandbox``: start the fake gateway."""

from __future__ import annotations

import sys
from argparse import Namespace

from airflow_provider_ismart.commands.output import FAILED, printable


def run(options: Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    from airflow_provider_ismart.sandbox.__main__ import FAILURES, serve  # noqa: PLC0415  # imports the server
    from airflow_provider_ismart.sandbox.arguments import ARGUMENTS  # noqa: PLC0415

    try:
        serve(**{name: getattr(options, name) for name in (flag.removeprefix("--") for flag in ARGUMENTS)})
    except FAILURES as error:
        sys.stderr.write(f"error: {printable(str(error))}\n")
        return FAILED
    return 0
