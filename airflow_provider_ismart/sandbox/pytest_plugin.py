"""Provide the pytest fixture ``ismart_sandbox``. Every pytest run loads this module, so it imports little."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from . import Sandbox


@pytest.fixture(scope="session")
def _ismart_sandbox_server() -> Iterator["Sandbox"]:
    from . import Sandbox  # noqa: PLC0415 - loaded only if the fixture is used

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def ismart_sandbox(_ismart_sandbox_server: "Sandbox") -> "Sandbox":
    """Return a fake iSmart gateway on a free loopback port, reset before each test."""
    _ismart_sandbox_server.start()  # the previous test may have stopped it
    _ismart_sandbox_server.reset()
    return _ismart_sandbox_server
