"""Test recipients in files: CSV and Parquet, one or many, local or in object storage."""

import csv
import gzip
import io
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.exceptions import ISmartInputError, ISmartSourceError
from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.sources.files import CHUNK_ROWS, FileRecipients, from_files

NUMBER = "96890000001"


def read(*paths, column="msisdn", others=("name",)):
    """Return the rows of files, as tuples."""
    chunks = FileRecipients(paths).read(column, others)
    return [row for chunk in chunks for row in zip(*(chunk[name] for name in (column, *others)), strict=True)]


@pytest.fixture
def file(tmp_path):
    """Write a file of bytes, of text or, as Parquet, of columns; return its path."""

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            pq.write_table(pa.table(content), path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def send(ismart_default):
    """Run the operator; return its report."""

    def run(recipients, message="Dear {name}", **options):
        operator = ISmartSendOperator(task_id="tell", recipients=recipients, message=message, **options)
        operator.render_template_fields({"day": "monday"})
        return operator.execute({})

    return run


def test_each_cell_of_a_csv_file_is_text(file):
    path = file("people.csv", "msisdn,name\n096890000001,1.50\n9.689E10,007\n")
    assert read(path) == [("096890000001", "1.50"), ("9.689E10", "007")]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("\ufeffmsisdn,name\r\n1,Ali\r\n", [("1", "Ali")]),
        ("name,junk,msisdn\nAli,x,1\n", [("1", "Ali")]),
        ('msisdn,name\n1,"Al ""the"" Ali, Jr.\nof Sur"\n', [("1", 'Al "the" Ali, Jr.\nof Sur')]),
        ("msisdn,name\n\n1,Ali\n\n", [("1", "Ali")]),
        ("msisdn,name\n1,Ali", [("1", "Ali")]),
        ("msisdn,name\n1,\n,Ali\n", [("1", None), (None, "Ali")]),
        ("msisdn,name\n١,مريم\n", [("١", "مريم")]),
        ("msisdn,name,,\n1,Ali,,\n", [("1", "Ali")]),
        ("msisdn,name\n", []),
    ],
    ids=[
        "bom",
        "order",
        "quotes",
        "blank lines",
        "no last line end",
        "empty cells",
        "scripts",
        "unnamed",
        "nobody",
    ],
)
def test_csv_files_are_read_in_common_forms(text, rows, file):
    assert read(file("people.csv", text)) == rows
    assert read(file("people.csv.gz", gzip.compress(text.encode()))) == rows


@given(st.lists(st.tuples(st.text(), st.text())))
def test_files_of_pythons_csv_module_are_read_back(rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("msisdn", "name"), *rows])

    class InMemory(type(Path())):
        def exists(self):
            return True

        def is_dir(self):
            return False

        def open(self, mode):
            assert mode == "rb"
            return io.BytesIO(text.getvalue().encode())

    assert read(InMemory("people.csv")) == [tuple(cell or None for cell in row) for row in rows]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "must have column names in its first line"),
        ("\n1,Ali\n", "must have column names in its first line"),
        (f"{NUMBER},Ali\n", "no column 'msisdn'; it has 2 column names that look like a row"),
        ("msisdn;name\n1;Ali\n", "uses semicolons between cells. Save it with commas"),
        ("msisdn,nmae\n1,Ali\n", "no column 'name'; it has 'msisdn', 'nmae'"),
        ("msisdn,name,name\n1,Ali,Ali\n", "2 columns named 'name'"),
        (f"msisdn,name\n1,Ali\n{NUMBER},Secret,Jr.\n", "line 3: 3 cells, but the header has 2"),
        (f"msisdn,name\n{NUMBER}\n", "line 2: 1 cell, but the header has 2"),
        (f'msisdn,name\n1,"Secret\n{NUMBER},Ali\n', "line 3: unexpected end of data"),
        (f'msisdn,name\n{NUMBER},"Secret" Ali\n', "line 2: .*expected after"),
        (b"msisdn,name\n1,Ali\n96890000001,Secret \xff\n", "line 3: not UTF-8"),
        ("msisdn,name\n1,Ali\n".encode("utf-16"), "line 1: not UTF-8"),
        (f"msisdn,name\n1,{'Secret' * 30_000}\n", "line 2: field larger than field limit"),
    ],
)
def test_a_malformed_csv_file_is_refused_with_the_line(content, why, file):
    path = file("people.csv", content)
    with pytest.raises(InputError, match=rf"people\.csv.*{why}") as caught:
        read(path)
    assert NUMBER not in str(caught.value)
    assert "Secret" not in str(caught.value)


def test_a_byte_that_is_not_utf8_is_found_in_a_later_chunk(file):
    path = file("people.csv", b"msisdn,name\n" + b"1,Ali\n" * CHUNK_ROWS + b"1,\xff\n")
    with pytest.raises(InputError, match=f"line {CHUNK_ROWS + 2}: not UTF-8"):
        read(path)


def test_a_parquet_file_keeps_types_and_only_needed_columns_are_read(file):
    columns = {
        "junk": [object.__name__] * 2,
        "msisdn": pa.array([96890000001, None]),
        "name": ["Ali", None],
        "due": pa.array([Decimal("1.500"), Decimal(2)], pa.decimal128(9, 3)),
        "on": [date(2030, 1, 31), None],
    }
    path = file("people.parquet", columns)
    assert read(path, others=["name", "due", "on"]) == [
        (96890000001, "Ali", Decimal("1.500"), date(2030, 1, 31)),
        (None, None, Decimal("2.000"), None),
    ]
    [chunk] = FileRecipients([path]).read("msisdn")
    assert list(chunk) == ["msisdn"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_is_read_in_chunks(kind, file):
    numbers = [f"968900{number:05d}" for number in range(2 * CHUNK_ROWS + 1)]
    path = file(f"people.{kind}", {"msisdn": numbers} if kind == "parquet" else "\n".join(["msisdn", *numbers]))
    chunks = list(FileRecipients([path]).read("msisdn"))
    assert [len(chunk["msisdn"]) for chunk in chunks] == [CHUNK_ROWS, CHUNK_ROWS, 1]
    assert [number for chunk in chunks for number in chunk["msisdn"]] == numbers


@pytest.mark.parametrize("type_", [pa.float32(), pa.float16()])
def test_numbers_in_narrow_floats_are_refused(type_, file):
    path = file("people.parquet", {"msisdn": pa.array([1.0]).cast(type_), "name": ["Ali"]})
    with pytest.raises(InputError, match=r"people\.parquet: column 'msisdn' is .*cannot hold 11 digits"):
        read(path)
    assert read(path, column="name", others=["msisdn"]) == [("Ali", 1.0)]


def test_a_directory_is_read_completely_and_in_order(file, tmp_path):
    file("people/b.csv", "msisdn,name\n2,Zoe\n")
    file("people/a.parquet", {"msisdn": ["1"], "name": ["Ali"]})
    file("people/more/c.csv.gz", gzip.compress(b"msisdn,name\n3,Huda\n"))
    for no_part in ("_SUCCESS", ".b.csv.crc", "_temporary/0.csv"):
        file(f"people/{no_part}", "no part")
    assert read(tmp_path / "people") == [("1", "Ali"), ("2", "Zoe"), ("3", "Huda")]


def test_a_directory_can_have_a_file_extension(file, tmp_path):
    file("people.parquet/part-0.parquet", {"msisdn": ["1"], "name": ["Ali"]})
    assert read(tmp_path / "people.parquet") == [("1", "Ali")]


def test_an_unknown_file_in_a_directory_is_refused(file, tmp_path):
    file("people/a.csv", "msisdn,name\n1,Ali\n")
    file("people/b.csv.bz2", b"")
    with pytest.raises(InputError, match=r"b\.csv\.bz2 is not a supported file; use \.csv, "):
        read(tmp_path / "people")


def test_a_directory_without_files_is_an_error(file, tmp_path):
    file("people/_SUCCESS", "")
    with pytest.raises(InputError, match="people is a directory without"):
        read(tmp_path / "people")


@pytest.mark.parametrize(
    "path",
    [Path("/no/such/people.csv"), Path("/no/such/folder"), ObjectStoragePath("file:///no/such/people.parquet")],
    ids=lambda path: f"{type(path).__name__} {path.name}",
)
def test_a_missing_file_is_a_source_error_that_can_be_retried(path):
    with pytest.raises(ISmartSourceError, match=r"/no/such/\S+ cannot be read \(FileNotFoundError") as caught:
        read(path)
    assert not isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize("name", ["people.parquet", "people.csv.gz"])
def test_a_truncated_file_is_a_source_error(name, file):
    table = io.BytesIO()
    pq.write_table(pa.table({"msisdn": [NUMBER], "name": ["Ali"]}), table)
    whole = table.getvalue() if name.endswith(".parquet") else gzip.compress(b"msisdn,name\n" + b"1,Ali\n" * 9_000)
    with pytest.raises(ISmartSourceError, match=f"{name} cannot be read"):
        read(file(name, whole[:-20]))


def test_no_error_shows_the_secrets_of_a_url():
    with pytest.raises(ISmartSourceError, match=r"s3://bucket/people\.csv cannot be read") as caught:
        read(ObjectStoragePath("s3://key:secret@bucket/people.csv?signature=secret"))
    assert "secret" not in str(caught.value)


@pytest.fixture
def bucket(tmp_path):
    """Attach a storage without real directories to Airflow; return a bucket in it."""
    try:
        from airflow.sdk.io import attach
    except ImportError:  # Airflow 2
        from airflow.io.store import attach

    attach("memory", fs=MemoryFileSystem())
    return ObjectStoragePath(f"memory://{tmp_path.name}")


NO_FILES = [
    NUMBER,
    [NUMBER],
    [],
    "",
    {"msisdn": [NUMBER]},
    [{"msisdn": NUMBER}],
    None,
    ["people.csv"],
    96890000001,
]


@pytest.mark.parametrize("recipients", NO_FILES, ids=repr)
def test_recipients_that_are_not_paths_are_unchanged(recipients):
    assert from_files(recipients) is recipients


def test_paths_cannot_be_mixed_with_numbers():
    with pytest.raises(InputError, match="mixes paths"):
        from_files([Path("people.csv"), NUMBER])


HANDED_OVER = {
    "path": lambda folder: folder / "a.csv",
    "object storage": lambda folder: ObjectStoragePath(f"file://{folder}/a.csv"),
    "directory": lambda folder: folder,
    "directory in object storage": lambda folder: ObjectStoragePath(f"file://{folder}"),
    "list": lambda folder: [folder / "a.csv", folder / "b.parquet"],
    "tuple of both kinds": lambda folder: (folder / "b.parquet", ObjectStoragePath(f"file://{folder}/a.csv")),
    "parquet in object storage": lambda folder: ObjectStoragePath(f"file://{folder}/b.parquet"),
}


@pytest.mark.parametrize("recipients", HANDED_OVER.values(), ids=HANDED_OVER)
def test_recipients_in_files_get_one_message(recipients, file, send, tmp_path, ismart_sandbox):
    file("people/a.csv", f"msisdn,name\n{NUMBER},Ali\n9000 0001,Ali\n")
    file("people/b.parquet", {"msisdn": [96890000001], "name": ["Ali"]})
    report = send(recipients(tmp_path / "people"))
    assert [(message.msisdn, message.text) for message in ismart_sandbox.messages] == [(NUMBER, "Dear Ali")]
    assert report["rows"] == report["outcomes"]["accepted"] + report["outcomes"]["duplicate"]


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of universal_pathlib, with Airflow 2
def test_files_in_object_storage_are_read(bucket, send, ismart_sandbox):
    for name, text in (("a.csv", f"{NUMBER},Ali"), ("more/b.csv", "96890000002,Zoe"), ("_temporary/c.csv", "x")):
        path = bucket / "people" / name
        path.fs.pipe(path.path, f"msisdn,name\n{text}\n".encode())
    send(bucket / "people")
    assert [message.msisdn for message in ismart_sandbox.messages] == [NUMBER, "96890000002"]


def test_an_error_names_a_storage_that_is_not_installed():
    with pytest.raises(ISmartSourceError, match=r"s3://bucket/people\.csv cannot be read \(\w+: .*s3"):
        read(ObjectStoragePath("s3://aws_default@bucket/people.csv"))


def test_an_object_storage_path_can_be_a_template(file, send, tmp_path, ismart_sandbox):
    file("monday.csv", f"msisdn,name\n{NUMBER},Ali\n")
    send(ObjectStoragePath(f"file://{tmp_path}/{{{{ day }}}}.csv"))
    assert [message.msisdn for message in ismart_sandbox.messages] == [NUMBER]


def test_a_column_missing_in_one_file_is_found_before_anything_is_sent(file, send, tmp_path, ismart_sandbox):
    file("people/part-0.parquet", {"msisdn": [NUMBER], "name": ["Ali"]})
    file("people/part-1.parquet", {"msisdn": [NUMBER], "nmae": ["Ali"]})
    with pytest.raises(ISmartInputError, match=r"part-1\.parquet has no column 'name'; .*This send made no call"):
        send(tmp_path / "people")
    assert not ismart_sandbox.calls


def test_a_file_that_breaks_in_the_middle_sends_nothing(file, send, tmp_path, ismart_sandbox):
    file("people/a.csv", f"msisdn,name\n{NUMBER},Ali\n")
    file("people/b.csv", f"msisdn,name\n{NUMBER},Ali\n{NUMBER}\n")
    with pytest.raises(ISmartInputError, match=r"b\.csv, line 3: 1 cell,.*This send made no call"):
        send(tmp_path / "people")
    assert not ismart_sandbox.calls


def test_a_file_without_rows_follows_on_empty(file, send, ismart_sandbox):
    path = file("people.csv", "msisdn,name\n")
    with pytest.raises(AirflowSkipException):
        send(path)
    with pytest.raises(ISmartInputError, match="on_empty"):
        send(path, on_empty="fail")
    assert not ismart_sandbox.calls


def test_an_empty_cell_makes_its_row_invalid(file, send, ismart_sandbox):
    report = send(file("people.csv", f"msisdn,name\n{NUMBER},\n96890000002,Zoe\n"))
    assert [message.text for message in ismart_sandbox.messages] == ["Dear Zoe"]
    assert report["reasons"] == {"message: no value for {name}": 1}


@pytest.fixture
def send_try(ismart_default, monkeypatch, tmp_path):
    """Run a try of one task, with a ledger."""
    ledger = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")})
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", ledger)

    def run(try_number, recipients):
        operator = ISmartSendOperator(
            task_id="tell", recipients=recipients, message="Dear {name}", ledger_conn_id="ledger"
        )
        ti = SimpleNamespace(dag_id="d", run_id="r", task_id="tell", map_index=-1, try_number=try_number)
        return operator.execute({"ti": ti})["outcomes"]

    return run


def test_a_changed_file_sends_nothing_again(file, send_try, ismart_sandbox):
    path = file("people.csv", f"msisdn,name\n{NUMBER},Ali\n96890000002,Zoe\n")
    assert send_try(1, path)["accepted"] == 2
    file("people.csv", f"msisdn,name\n96890000003,Huda\n{NUMBER},Aly\n")
    outcomes = send_try(2, path)
    assert (outcomes["accepted"], outcomes["already_sent"]) == (1, 1)
    assert [(message.msisdn, message.text) for message in ismart_sandbox.messages] == [
        (NUMBER, "Dear Ali"),
        ("96890000002", "Dear Zoe"),
        ("96890000003", "Dear Huda"),
    ]


def test_the_next_try_sends_a_whole_file_that_could_not_be_read(file, send_try, tmp_path, ismart_sandbox):
    with pytest.raises(ISmartSourceError):
        send_try(1, tmp_path / "people.csv")
    assert send_try(2, file("people.csv", f"msisdn,name\n{NUMBER},Ali\n"))["accepted"] == 1
