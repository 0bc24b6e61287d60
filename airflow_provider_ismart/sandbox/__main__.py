"""Run the sandbox in the foreground: ``python -m airflow_provider_ismart.sandbox --port 8025``."""

import argparse
import shlex
import signal
import sys
import threading
from collections.abc import Sequence

from . import NotLoopbackError, Sandbox
from .gateway import PATH

GREETING = """\
The iSmart sandbox accepts messages at {url}{path}
and sends no SMS.

See the messages in a browser: {inbox}
{warning}
Point Airflow at it:

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


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = _parser()
    options = parser.parse_args(argv)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with Sandbox(**vars(options)) as sandbox:
            sys.stdout.write(_greeting(sandbox, options.journal))
            sys.stdout.flush()
            while not stopped.wait(POLL_SECONDS):
                pass  # a signal that arrives as the wait begins is handled after it
    except (NotLoopbackError, OSError, OverflowError, ImportError) as exc:
        parser.error(str(exc))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_ismart.sandbox",
        description="A fake iSmart gateway for demos and tests.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="a loopback address, or 0.0.0.0 in a container (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=8025, help="0 picks a free port (default: %(default)s)")
    parser.add_argument("--journal", metavar="FILE", help="append accepted messages to this file, as JSON lines")
    parser.add_argument("--user", default="sandbox-user", help="the UserId (default: %(default)s)")
    parser.add_argument("--password", default="sandbox-password", help="the Password (default: %(default)s)")
    return parser


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
