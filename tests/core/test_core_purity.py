import ast
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_ismart import core

MODULES = sorted(Path(core.__path__[0]).glob("*.py"))
HEAVY = {"airflow", "requests", "urllib3", "pandas", "numpy", "pyarrow", "polars", "phonenumbers", "sqlalchemy"}
IMPURE = {
    "logging",
    "random",
    "secrets",
    "time",
    "socket",
    "ssl",
    "http",
    "urllib",
    "os",
    "threading",
    "concurrent",
    "queue",
    "asyncio",
}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_the_core_imports_no_heavy_library():
    names = [f"{core.__name__}.{path.stem}" for path in MODULES if path.stem != "__init__"]
    code = f"import sys, {', '.join(names)}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert core.__name__.split(".")[0] in loaded.split()
    assert not HEAVY & set(loaded.split())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_core_uses_no_clock_randomness_log_or_socket(path):
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert not roots & IMPURE


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_core_imports_nothing_from_the_shell(path):
    ours = {name for name in imports_of(path) if name.startswith("airflow_provider_ismart")}
    assert all(name.startswith(core.__name__) for name in ours)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_core_does_not_read_the_time(path):
    calls = [
        node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    ]
    asked = {func.attr for func in calls if isinstance(func, ast.Attribute)}
    assert not asked & {"now", "utcnow", "today"}
