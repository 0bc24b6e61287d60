"""Run the sandbox in the foreground: ``python -m airflow_provider_ismart.sandbox --port 8025``."""

import argparse
import shlex
import signal
import sys
import threading
from collections.abc import Sequence

from . import NotLoopbackError, Sandbox
from .arguments import ARGUMENTS, DESCRIPTION
from .gateway import PATH

GREETING = """\
The iSmart sandbox accepts messages at {url}{path}
and sends no SMS.

See the messages in a browser: {inbox}
{warning}
Set this connection in Airflow:

  export AIRFLOW_CONN_ISMART_DEFAULT={connection}

Read the messages as JSON at {messages}
{journal}
Stop it with Ctrl-C.
"""
WARNING = """
WARNING: other machines can send to this sandbox. Use --host 0.0.0.0 only in a container or a trusted network.
The page and the control API need the token in their URLs.
On another machine, replace 127.0.0.1 in these URLs with this machine's name.
"""

POLL_SECONDS = 0.5


#: The errors that prevent the sandbox from starting. Their messages say why.
FAILURES = (NotLoopbackError, OSError, ImportError)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command, and report what prevents the sandbox from starting."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_ismart.sandbox", description=DESCRIPTION)
    for flag, settings in ARGUMENTS.items():
        parser.add_argument(flag, **settings)
    try:
        serve(**vars(parser.parse_args(argv)))
    except FAILURES as exc:
        parser.error(str(exc))


def serve(*, host: str, port: int, journal: str | None, user: str, password: str) -> None:
    """Serve until SIGINT or SIGTERM.

    :raises Exception: one of :data:`FAILURES`.
    """
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with Sandbox(host=host, port=port, journal=journal, user=user, password=password) as sandbox:
        sys.stdout.write(_greeting(sandbox, journal))
        sys.stdout.flush()
        while not stopped.wait(POLL_SECONDS):
            pass  # a signal that arrives just before the wait is handled after it


def _greeting(sandbox: Sandbox, journal: str | None) -> str:
    return GREETING.format(
        url=sandbox.url,
        path=PATH,
        connection=shlex.quote(sandbox.connection_json()),
        inbox=sandbox.control_url(),
        messages=sandbox.control_url("/_sandbox/messages"),
        warning=WARNING if sandbox.token else "",
        journal=f"or in the file {journal}\n" if journal else "",
    )


if __name__ == "__main__":
    main()
