import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_ismart import results
from airflow_provider_ismart.results import ResultsFile
from airflow_provider_ismart.sms.errors import InputError
from airflow_provider_ismart.sms.report import Outcome
from tests.sms.scripted import ACCEPTED, UNCERTAIN, ScriptedGateway, numbers, plan_of, plan_of_rows, refused, send
from tests.sms.strategies import rows

A, B, C = numbers(3)
COLUMNS = ["row", "recipient", "msisdn", "outcome", "return_code", "reason", "lang", "parts"]


def read(path):
    """The rows of a results file as text; a cell without a value is empty."""
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


def test_every_row_is_there_with_its_outcome(path):
    planned = plan_of_rows(
        [("+968 9000 0000", "Hello"), (B, "x" * 200), ("123", "ا"), (A, "Hello"), (C, None), (None, "")]
    )
    send(planned, ScriptedGateway.saying(ACCEPTED, refused(23)))
    invalid = "number: too short: 3 digits instead of 11"
    assert written(path, planned) == [
        COLUMNS,
        ["0", "+968 9000 0000", A, "accepted", "1", "", "0", "1"],
        ["1", B, B, "refused", "23", "Mobile number opted out by the customer", "0", "2"],
        ["2", "123", "", "invalid", "", invalid, "64", "1"],
        ["3", A, A, "duplicate", "", "", "0", "1"],
        ["4", C, C, "invalid", "", "message: empty", "", ""],
        ["5", "", "", "invalid", "", "number: empty", "", ""],
    ]


def test_parquet_has_types(tmp_path):
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


def test_recipients_are_there_as_they_were_written(path):
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


def test_half_a_character_does_not_cost_the_file(path):
    found = written(path, plan_of([A, "9000\ud83d"]))
    assert found[2][1] == "9000\\ud83d"


def test_an_empty_input_makes_a_file_with_its_columns(path):
    assert written(path, plan_of([])) == [COLUMNS]


def test_a_file_is_there_before_anything_is_sent_and_is_written_anew(path):
    results_file = ResultsFile(str(path))
    assert path.exists()
    results_file.write(plan_of([A, B]))
    results_file.write(plan_of([C]))
    assert [row[2] for row in read(path)[1:]] == [C]


def test_more_rows_than_a_row_group_are_all_there(path, monkeypatch):
    monkeypatch.setattr(results, "_ROW_GROUP", 7)
    assert [row[2] for row in written(path, plan_of(numbers(20)))[1:]] == numbers(20)


def test_missing_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "results.csv"
    assert len(written(path, plan_of([A]))) == 2


def test_a_url_is_a_place_too(tmp_path):
    path = tmp_path / "results.csv"
    ResultsFile(f"file://{path}").write(plan_of([A]))
    assert len(read(path)) == 2


@pytest.mark.parametrize("name", ["results.json", "results", "results.CSV.gz", ".csv"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"it can be \.csv or \.parquet"):
        ResultsFile(str(tmp_path / name))


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_sent(tmp_path):
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
def test_a_folder_in_the_place_of_the_file_is_found_before_anything_is_sent(tmp_path, ending):
    folder = tmp_path / f"results.{ending}"
    folder.mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        ResultsFile(str(folder))


def test_what_an_earlier_try_wrote_stays_until_there_is_something_new(tmp_path):
    results = tmp_path / "results.csv"
    results.write_text("who was told")
    ResultsFile(str(results))
    assert results.read_text() == "who was told"
