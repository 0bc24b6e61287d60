import csv
import subprocess
import sys
from os import PathLike
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.sending import results_file
from airflow_provider_ismart.sending.results_file import ResultsFile
from tests.core.scripted import ACCEPTED, UNCERTAIN, ScriptedGateway, numbers, plan_of, plan_of_rows, refused, send
from tests.core.strategies import rows

try:
    from airflow.sdk.io import attach
except ImportError:  # Airflow 2
    from airflow.io.store import attach

A, B, C = numbers(3)
COLUMNS = ["row", "recipient", "msisdn", "outcome", "return_code", "reason", "lang", "parts"]


def read(path):
    """Return the rows of a results file as text; a missing value is empty."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        cells = [["" if cell is None else str(cell) for cell in row.values()] for row in table.to_pylist()]
        return [table.column_names, *cells]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def written(path, planned):
    ResultsFile(str(path)).write(planned)
    return read(path)


@pytest.fixture(params=["csv", "parquet"])
def path(request, tmp_path):
    return tmp_path / f"results.{request.param}"


def test_the_file_has_every_row_with_its_outcome(path):
    planned = plan_of_rows(
        [("+968 9000 0000", "Hello"), (B, "x" * 200), ("123", "ا"), (A, "Hello"), (C, None), (None, "")]
    )
    send(planned, ScriptedGateway.saying(ACCEPTED, refused(23)))
    invalid = "number: too short: 3 digits instead of 11; write 9XXXXXXX or 9689XXXXXXX"
    assert written(path, planned) == [
        COLUMNS,
        ["0", "+968 9000 0000", A, "accepted", "1", "", "0", "1"],
        ["1", B, B, "refused", "23", "Mobile number opted out by the customer", "0", "2"],
        ["2", "123", "", "invalid", "", invalid, "64", "1"],
        ["3", A, A, "duplicate", "", "", "0", "1"],
        ["4", C, C, "invalid", "", "message: empty", "", ""],
        ["5", "", "", "invalid", "", "number: empty", "", ""],
    ]


def test_parquet_columns_have_types(tmp_path):
    path = tmp_path / "results.parquet"
    written(path, plan_of([A, "x"]))
    assert {field.name: field.type for field in pq.read_schema(path)} == {
        "row": pa.int64(),
        "recipient": pa.string(),
        "msisdn": pa.string(),
        "outcome": pa.string(),
        "return_code": pa.int16(),
        "reason": pa.string(),
        "lang": pa.int8(),
        "parts": pa.int8(),
    }
    assert pq.read_table(path)["return_code"].to_pylist() == [None, None]


def test_recipients_are_stored_as_in_the_input(path):
    strange = [90000000, 96890000001.0, 'a "quoted", value', "two\nlines", "٩٠٠٠٠٠٠٢", b"x", float("nan"), True]
    found = written(path, plan_of(strange))
    shown = [row[1] for row in found[1:]]
    assert shown == [
        "90000000",
        "96890000001.0",
        'a "quoted", value',
        "two\nlines",
        "٩٠٠٠٠٠٠٢",
        "b'x'",
        "",
        "True",
    ]


def test_half_a_character_does_not_prevent_the_file(path):
    found = written(path, plan_of([A, "9000\ud83d"]))
    assert found[2][1] == "9000\\ud83d"


def test_an_empty_input_makes_a_file_with_only_a_header(path):
    assert written(path, plan_of([])) == [COLUMNS]


def test_an_existing_file_is_replaced_and_no_other_file_is_left(path):
    results_file = ResultsFile(str(path))
    results_file.write(plan_of([A, B]))
    results_file.write(plan_of([C]))
    assert [row[2] for row in read(path)[1:]] == [C]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600


def test_several_row_groups_are_complete(path, monkeypatch):
    monkeypatch.setattr(results_file, "_ROW_GROUP", 7)
    assert [row[2] for row in written(path, plan_of(numbers(20)))[1:]] == numbers(20)


def test_missing_folders_are_created(tmp_path):
    path = tmp_path / "a" / "b" / "results.csv"
    assert len(written(path, plan_of([A]))) == 2


def test_the_path_can_be_a_file_url(tmp_path):
    path = tmp_path / "results.csv"
    ResultsFile(f"file://{path}").write(plan_of([A]))
    assert len(read(path)) == 2


@pytest.mark.parametrize("name", ["results.json", "results", "results.CSV.gz", ".csv"])
def test_another_file_extension_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"it must be \.csv or \.parquet"):
        ResultsFile(str(tmp_path / name))


def test_an_unwritable_path_is_refused_before_anything_is_sent(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="results_path cannot be written: "):
        ResultsFile(str(tmp_path / "file" / "results.csv"))


@settings(
    max_examples=settings.default.max_examples // 4, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(rows, max_size=20), st.lists(st.sampled_from([ACCEPTED, UNCERTAIN, refused(9), refused(4)])))
def test_the_file_adds_up_to_the_report(path, cases, script):
    planned = plan_of_rows([(cell, text) for (cell, _), text in cases])
    send(planned, ScriptedGateway.saying(*script), batch_size=3)
    found = written(path, planned)[1:]
    assert [int(row[0]) for row in found] == list(range(len(cases)))
    for outcome in Outcome:
        assert sum(row[3] == outcome.value for row in found) == planned.outcomes.counts()[outcome]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_folder_at_the_path_is_refused_before_anything_is_sent(tmp_path, ending):
    folder = tmp_path / f"results.{ending}"
    folder.mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        ResultsFile(str(folder))


@pytest.fixture(params=["", "file://", "memory://"])
def place(request, airflow_loaded):
    """Return a kind of storage, as the prefix of a path."""
    if request.param == "memory://":
        attach("memory", fs=MemoryFileSystem())
    elif request.param:
        try:
            ObjectStoragePath("file:///tmp")
        except TypeError:
            pytest.skip("this Airflow's ObjectStoragePath does not work with this universal-pathlib")
    return request.param


def test_the_earlier_file_stays_until_the_new_one_is_complete(place, tmp_path):
    url = f"{place}{tmp_path}/results.csv"
    results = ObjectStoragePath(url) if place else tmp_path / "results.csv"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text("the earlier outcomes")
    results_file = ResultsFile(url)
    assert results.read_text() == "the earlier outcomes"

    class Interrupted(BaseException):
        pass

    class Plan(_Wrapped):
        def read_rows(self, size):
            yield from super().read_rows(size)
            raise Interrupted

    with pytest.raises(Interrupted):
        results_file.write(Plan(plan_of([A] * 10_000)))
    assert results.read_text() == "the earlier outcomes"
    assert [file.name for file in results.parent.iterdir()] == ["results.csv"]
    results_file.write(plan_of([A]))
    assert len(results.read_text().splitlines()) == 2
    assert [file.name for file in results.parent.iterdir()] == ["results.csv"]


class _Wrapped:
    """A plan whose reading of rows can be changed."""

    def __init__(self, planned):
        self._planned = planned
        self.outcomes = planned.outcomes

    def read_rows(self, size):
        return self._planned.read_rows(size)


_KILLED = """
import sys, time
from airflow_provider_ismart.sending.results_file import ResultsFile
from tests.core.scripted import plan_of
from tests.sending.test_results_file import A, _Wrapped

class Plan(_Wrapped):
    def read_rows(self, size):
        yield from super().read_rows(size)
        print("writing", flush=True)
        time.sleep(600)

ResultsFile(sys.argv[1]).write(Plan(plan_of([A] * 100_000)))
"""


def test_a_kill_while_writing_keeps_the_earlier_file_and_the_next_try_cleans_up(path):
    ResultsFile(str(path)).write(plan_of([A, B]))
    earlier = path.read_bytes()
    command = [sys.executable, "-W", "ignore", "-c", _KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        process.kill()
    assert path.read_bytes() == earlier
    [left_over] = [file for file in path.parent.iterdir() if file != path]
    assert left_over.name.startswith(f".{path.name}.")
    assert left_over.name.endswith(".partial")
    assert left_over.stat().st_size
    ResultsFile(str(path)).write(plan_of([C]))
    assert [row[2] for row in read(path)[1:]] == [C]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "results.csv")
    ResultsFile(str(tmp_path / "link.csv")).write(plan_of([A]))
    assert (tmp_path / "link.csv").is_symlink()
    assert len(read(tmp_path / "results.csv")) == 2


def test_a_path_is_text_or_a_path_object_and_can_start_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    class Foreign(PathLike):
        def __fspath__(self):
            return f"{tmp_path}/foreign.csv"

    for path in ("~/text.csv", Path("~/object.csv"), f"file://{tmp_path}/url.csv", Foreign()):
        ResultsFile(path).write(plan_of([A]))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["foreign.csv", "object.csv", "text.csv", "url.csv"]


def test_the_path_can_be_an_object_storage_path(place, tmp_path):
    if not place:
        pytest.skip("no object storage")
    path = ObjectStoragePath(f"{place}{tmp_path}/results.csv")
    ResultsFile(path).write(plan_of([A]))
    assert len(path.read_text().splitlines()) == 2


FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    '=cmd|" /C calc"!A0',
    "+968-9000-0001",
    "\uff1d1",
    "-",
    " =1+1",
    "\xa0@SUM(A1)",
    "  -1+1",
]
NO_FORMULAS = [
    "+96890000001",
    "+968 9000 0001",
    "-5",
    "-5.5",
    "+.5",
    "96890000001",
    "a=b",
    "",
    "'=1",
    " +968 9000 0001",
    "  -5",
]


@pytest.mark.parametrize(("cells", "apostrophe"), [(FORMULAS, "'"), (NO_FORMULAS, "")], ids=["formulas", "others"])
def test_csv_escapes_formulas(cells, apostrophe, tmp_path):
    found = written(tmp_path / "results.csv", plan_of(cells))
    assert [row[1] for row in found[1:]] == [apostrophe + cell for cell in cells]
    assert [row[1] for row in written(tmp_path / "results.parquet", plan_of(cells))[1:]] == cells
