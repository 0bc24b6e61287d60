"""Check that the layers depend on each other in one direction, and that modules and functions are short."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import airflow_provider_ismart as package

ROOT = Path(package.__file__).parent
#: From the bottom up. A layer imports only from layers below it, or beside it without a circle.
LAYERS = (
    {"__init__", "core"},
    {"exceptions"},
    {"gateway", "redaction", "rendered_options"},
    {"sending"},
    {"coordination", "ledgers", "sources"},
    {"hooks"},
    {"alerts", "triggers"},
    {"operators", "sensors", "notifications"},
    {"decorators", "transfers", "get_provider_info"},
    {"commands"},
    {"__main__"},
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
MODULES = sorted(path for path in ROOT.rglob("*.py") if "sandbox" not in path.parts)
#: It shares no code with the rest, and so has no layer.
SANDBOX = f"{package.__name__}.sandbox"
LONGEST_MODULE = 300
LONGEST_FUNCTION = 40


def room(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0]


def imports(path):
    """Yield the folders of the package from which a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            is_root = node.module == package.__name__
            names = [f"{node.module}.{name.name}" for name in node.names] if is_root else [node.module]
        elif isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        for name in names:
            if name.startswith(f"{package.__name__}.") and not name.startswith(SANDBOX):
                part = name.split(".")[1]
                yield part if part in LEVEL or (ROOT / part).is_dir() else "__init__"


def test_each_folder_of_the_package_has_a_layer():
    assert {room(path) for path in MODULES} == LEVEL.keys()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_imports_from_a_higher_layer(path):
    assert all(LEVEL[imported] <= LEVEL[room(path)] for imported in imports(path))


def test_no_two_folders_import_from_each_other():
    graph = {}
    for path in MODULES:
        graph.setdefault(room(path), set()).update(set(imports(path)) - {room(path)})
    TopologicalSorter(graph).prepare()  # raises where there is a circle


def test_only_the_command_line_starts_the_sandbox():
    users = {room(path) for path in MODULES if SANDBOX in path.read_text(encoding="utf-8")}
    assert users == {"commands"}


@pytest.mark.parametrize("name", ["requests", "urllib3"])
def test_only_one_module_imports_the_http_client(name):
    users = [
        path.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == name)
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == name for alias in node.names))
    ]
    assert set(users) == {"transport.py"}


def test_no_module_is_too_long_to_read():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length >= LONGEST_MODULE} == {}


def test_no_function_is_too_long_to_read():
    lengths = {
        f"{path.relative_to(ROOT)}: {node.name}": (node.end_lineno or 0) - node.body[0].lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    del lengths["get_provider_info.py: get_provider_info"]  # one table
    assert {name: length for name, length in lengths.items() if length >= LONGEST_FUNCTION} == {}
