"""The pytest fixture ``ismart_sandbox``. Every pytest run loads this module, so it imports little."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from . import Sandbox


@pytest.fixture(scope="session")
def _ismart_sandbox_server() -> Iterator["Sandbox"]:
    from . import Sandbox  # noqa: PLC0415 - only for those who use the fixture

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def ismart_sandbox(_ismart_sandbox_server: "Sandbox") -> "Sandbox":
    """Give a fake iSmart gateway on a free loopback port, as new for each test."""
    _ismart_sandbox_server.start()  # the test before may have stopped it
    _ismart_sandbox_server.reset()
    return _ismart_sandbox_server
