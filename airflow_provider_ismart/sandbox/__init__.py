"""Run a fake iSmart gateway for demos and tests, without an account.

The sandbox is written only from the gateway document, and shares no code with the client, so both cannot share a
misunderstanding. Run it with ``python -m airflow_provider_ismart.sandbox``, or use the pytest fixture
``ismart_sandbox``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from . import faults
    from .account import Account, InvalidSettingError
    from .faults import InvalidFaultError
    from .gateway import Code
    from .handle import NotLoopbackError, Sandbox
    from .journal import Message
    from .state import Call

__all__ = [
    "Account",
    "Call",
    "Code",
    "InvalidFaultError",
    "InvalidSettingError",
    "Message",
    "NotLoopbackError",
    "Sandbox",
    "faults",
]

#: Imported on first use, because every pytest run imports this package for its fixture.
_HOMES: Final = {
    "Account": ".account",
    "Call": ".state",
    "Code": ".gateway",
    "InvalidFaultError": ".faults",
    "InvalidSettingError": ".account",
    "Message": ".journal",
    "NotLoopbackError": ".handle",
    "Sandbox": ".handle",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
