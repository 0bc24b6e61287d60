"""Start a PostgreSQL and a sandbox for each suite, in their own processes; `deployment.py` has the Airflow.

A suite is a folder with one test module, so that what it has started ends before the next suite starts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Gateway, Postgres

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("acceptance")
            item.add_marker(pytest.mark.timeout(1800))  # the first test waits for all that happens


@pytest.fixture(scope="session")
def version() -> tuple[int, ...]:
    from airflow import __version__  # slow, and these tests are seldom wanted

    return tuple(map(int, __version__.split(".")[:2]))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Yield a folder with a path short enough for a socket, which PostgreSQL's own user can enter."""
    with tempfile.TemporaryDirectory(prefix="ismart", dir="/tmp") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture(scope="module")
def postgres(folder: Path) -> Iterator[Postgres]:
    postgres = Postgres(folder)
    yield postgres
    postgres.stop()


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    gateway = Gateway(folder)
    yield gateway
    gateway.stop()
