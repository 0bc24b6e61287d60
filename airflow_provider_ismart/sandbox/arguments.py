"""Define the arguments of the sandbox's command."""

from collections.abc import Mapping
from typing import Any

DESCRIPTION = "A fake iSmart gateway for demos and tests."

#: The keywords of :meth:`argparse.ArgumentParser.add_argument`, by flag.
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "--host": {
        "default": "127.0.0.1",
        "help": "a loopback address, or 0.0.0.0 in a container (default: %(default)s)",
    },
    "--port": {"type": int, "default": 8025, "help": "0 picks a free port (default: %(default)s)"},
    "--journal": {"metavar": "FILE", "help": "append accepted messages to this file, as JSON lines"},
    "--user": {"default": "sandbox-user", "help": "the UserId (default: %(default)s)"},
    "--password": {"default": "sandbox-password", "help": "the Password (default: %(default)s)"},
}
