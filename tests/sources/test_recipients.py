import csv
import json
import re
import sqlite3
import subprocess
import sys
from array import array
from collections import UserDict, UserList, deque
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.msisdn import canonical_msisdn
from airflow_provider_ismart.core.recipients import read_recipients
from tests.core.scripted import numbers
from tests.core.strategies import msisdns

A, B, C = numbers(3)


class Row(NamedTuple):
    msisdn: str
    name: Any


def read(source, column="msisdn"):
    """Return all columns as lists."""
    columns = read_recipients(source, column)
    assert len(columns) == len(list(columns))
    return {name: list(columns[name]) for name in columns}


try:
    from airflow.sdk.execution_time.lazy_sequence import LazyXComSequence
except ImportError:  # Airflow 2.11
    from airflow.models.xcom import LazyXComSelectSequence as LazyXComSequence


class LazySequence(LazyXComSequence):
    """Airflow's sequence of the outputs of a mapped task, without a database."""

    def __init__(self, outputs):
        self._outputs = outputs

    def __getitem__(self, index):
        return self._outputs[index]

    def __iter__(self):
        return iter(self._outputs)

    def __len__(self):
        return len(self._outputs)

    def __bool__(self):
        return bool(self._outputs)

    def __repr__(self):
        return f"LazySequence({self._outputs!r})"

    __str__ = __repr__


@pytest.mark.parametrize(
    "source",
    [
        A,
        f" {A}\n",
        [A],
        (A,),
        {A},
        frozenset([A]),
        [[A]],
        [(A,)],
        [{"msisdn": A}],
        {"msisdn": [A]},
        {"msisdn": A},
        {"msisdn": np.array([A])},
        {"msisdn": pd.Series([A])},
        {"msisdn": (number for number in [A])},
        {"msisdn": pl.Series([A])},
        {"msisdn": pa.array([A])},
        UserDict(msisdn=A),
        np.array([A]),
        np.array([A], dtype=object),
        pd.Series([A]),
        pd.Series([A], dtype="category"),
        pd.Index([A]),
        pd.DataFrame({"msisdn": [A]}),
        pl.Series([A]),
        pl.DataFrame({"msisdn": [A]}),
        pl.LazyFrame({"msisdn": [A]}),
        pl.Series([{"msisdn": A}]),
        pa.array([A]),
        pa.chunked_array([[A]]),
        pa.table({"msisdn": [A]}),
        pa.record_batch({"msisdn": [A]}),
        pa.array([{"msisdn": A}]),
        pa.table({"msisdn": [A]}).to_reader(),
        np.array([(A,)], dtype=[("msisdn", "U11")]),
        [np.array([(A,)], dtype=[("msisdn", "U11")])[0]],
        pd.Series([{"msisdn": A}]),
        (number for number in [A]),
        dict.fromkeys([A]).keys(),
        [np.str_(A)],
        list(np.array([A])),
        f"\ufeff{A}",
        f"\ufeff ['{A}']",
        LazySequence([A]),
        LazySequence([[A]]),
        LazySequence([{"msisdn": A}]),
        LazySequence([pd.DataFrame({"msisdn": [A]})]),
        [pd.DataFrame({"msisdn": [A]})],
        [pd.Series([A])],
        [pa.table({"msisdn": [A]})],
        f'["{A}"]',
        f"['{A}']",
        f"('{A}',)",
        f'[{{"msisdn": "{A}"}}]',
        f"{{'msisdn': ['{A}']}}",
    ],
    ids=lambda source: f"{type(source).__name__}-{source!s:.30}".encode("ascii", "replace").decode(),
)
def test_a_number_is_found_in_every_supported_form(source):
    assert read(source) == {"msisdn": [A]}


@pytest.mark.parametrize("number", [96890000000, 96890000000.0, Decimal(96890000000), np.int64(96890000000)])
def test_a_number_can_be_numeric(number):
    assert read(number) == {"msisdn": [number]}
    assert read([number]) == {"msisdn": [number]}


def test_the_recipient_column_names_the_column():
    assert read([A], "phone") == {"phone": [A]}
    assert read(A, "phone") == {"phone": [A]}
    assert read(pd.Series([A], name="other"), "phone") == {"phone": [A]}


@pytest.mark.parametrize(
    "between", [",", ";", "\n", "\r\n", ", ", " ; ", ",\n", ",;,", "،", "؛", "، ", "\uff0c", "\uff1b"]
)
def test_commas_semicolons_and_line_ends_separate_numbers_in_text(between):
    assert [number.strip() for number in read(f"{A}{between}{B}{between}")["msisdn"]] == [A, B]


def test_spaces_do_not_separate_numbers():
    assert read("968 9000 0000, 968 9000 0001") == {"msisdn": ["968 9000 0000", " 968 9000 0001"]}


@pytest.mark.parametrize(
    "text",
    ["(968) 90000000", "(968) 90000000\n(968) 90000001", "(+968)90000000", "(968)-90000000", "(00968) 90000000"],
)
def test_text_that_starts_with_a_number_in_brackets_is_not_a_list(text):
    assert read(text) == {"msisdn": text.splitlines()}


@pytest.mark.parametrize("text", ["[1, 2", '{"msisdn": ', "[A, B]", "[__import__('os')]", "{{ ti.xcom_pull() }}"])
def test_malformed_list_text_is_refused_without_showing_it(text):
    with pytest.raises(InputError, match="neither JSON nor a Python literal") as caught:
        read(text)
    assert text not in str(caught.value)
    assert caught.value.__suppress_context__


PEOPLE = pd.DataFrame({"msisdn": [A, B], "account": [90000007, 90000008], "name": ["Salim, 90000009", "x"]})
NUMBERS = pd.Series([A, B], name="msisdn")


@pytest.mark.parametrize(
    "text",
    [
        repr(PEOPLE),
        repr(PEOPLE.head(1)),
        repr(PEOPLE[["msisdn"]]),
        repr(PEOPLE.set_index("msisdn")),
        repr(pd.concat([PEOPLE] * 100)),
        repr(PEOPLE.head(0)),
        PEOPLE.to_string(index=False),
        PEOPLE.to_string(header=False),
        PEOPLE.head(1).to_string(header=False),
        PEOPLE.to_csv(),
        PEOPLE.to_csv(index=False),
        PEOPLE.to_csv(sep="\t"),
        PEOPLE.to_csv(sep="\t", header=False),
        PEOPLE.to_html(),
        f"| msisdn | account |\n|---|---|\n| {A} | 90000007 |",
        f" msisdn | account\n--------+-------\n {A} | 90000007",
        f"msisdn account\n{A} 90000007",
        repr(NUMBERS),
        repr(NUMBERS.astype(int)),
        NUMBERS.to_string(),
        repr(pd.Index([A, B])),
        repr(NUMBERS.array),
        repr(np.array([A, B])),
        str(np.array([A, B])),
        str(np.array([A, B], dtype=object)),
        str(np.array(["968", "90000001"])),
        str(np.array([96890000001.0])),
        repr(np.array([96890000001.0, 96890000002.0])),
        "['96890000001',\n '968'\n '90000001']",
        f"[{A}, ..., {B}]",
        f"{A}, ..., {B}",
        f"dict_values(['{A}', '{B}'])",
        f"deque(['{A}', '{B}'])",
        f"[Decimal('{A}')]",
        repr(pl.DataFrame({"msisdn": [A, B]})),
        repr(pl.Series([A, B])),
        repr(pa.array([A, B])),
        repr(pa.table({"msisdn": [A, B]})),
        repr(iter([A])),
        f"1. {A}\n2. {B}",
        f"1) {A}\n2) {B}",
        f"0\t{A}\n1\t{B}",
        PEOPLE.to_csv(header=False),
        PEOPLE[["msisdn", "account"]].to_csv(index=False, header=False),
        PEOPLE[["msisdn", "account"]].to_csv(index=False, header=False, sep=";", quoting=csv.QUOTE_ALL),
        NUMBERS.to_csv(header=False),
        f"Salim,{A}\nZoe,{B}",
        f"90000007, {A}\r\n90000008, {B}\r\n",
        f"90000007،{A}\n90000008،{B}",
        f"{A},,90000007\n{B},x,90000008",
    ],
    ids=lambda text: re.sub(r"0x[0-9a-f]+", "", text),  # the same in each process
)
def test_a_printed_table_or_list_is_refused_and_the_error_says_how_to_pass_the_data(text):
    for rendered in (text, f"\n{text}\n", f"   {text}"):
        with pytest.raises(InputError, match=r"\.output .*render_template_as_native_obj=True") as caught:
            read(rendered)
        assert not re.search(r"\d{5}", str(caught.value))


@pytest.mark.parametrize(
    "text",
    [
        "968 90000000\n968 90000001",
        "+968 9000 0000, +968 9000 0001",
        "tel:+968-9000-0000\ntel:+968-9000-0001",
        "968.9000.0000\n968.9000.0001",
        "(968) 9000 0000; (+968) 90000001",
        "90000000\n90000001.0",
        "٩٠٠٠ ٠٠٠٠، ٩٠٠٠ ٠٠٠١",
        "[96890000000, 96890000001.0]",
        '["96890000000", "96890000001"]',
        "['+968 9000 0000', '9000 0001']",
        "90000000,\n90000001,\n",
        "90000000;\r\n90000001",
    ],
)
def test_a_text_of_numbers_is_not_a_printed_table(text):
    assert [canonical_msisdn(cell) for cell in read(text)["msisdn"]] == [A, B]


def test_a_list_in_text_can_be_wrapped():
    assert read(f"{A}, {B},\n{C}, {A},\n") == {"msisdn": [A, f" {B}", C, f" {A}"]}
    assert read(f"{A}, {B}\n{C}") == {"msisdn": [A, f" {B}", C]}


@pytest.mark.parametrize("text", ["None", " None\n", "nan", "NaT", "<NA>", "null"])
def test_text_that_a_template_makes_of_no_value_is_named(text):
    with pytest.raises(InputError, match=f"recipients is the text '{text.strip()}': its template"):
        read(text)


@pytest.mark.parametrize(
    "text", ["people.csv", "/data/people.CSV.gz", "s3://bucket/people.parquet", "C:\\people.xlsx"]
)
def test_the_name_of_a_file_is_no_text_of_numbers(text):
    with pytest.raises(InputError, match=r"the name of a file\. Pass a Path or ObjectStoragePath"):
        read(text)


def test_words_in_records_do_not_look_like_a_printed_table():
    records = [{"msisdn": A, "name": "O'Brien 'x' \"y\" ... 1e10 |"}, {"msisdn": B, "name": "dtype: object"}]
    assert read(str(records)) == read(json.dumps(records)) == read(records)


@pytest.mark.parametrize(
    "empty", ["", " \n", ",", [], (), set(), {}, "[]", "()", "{}", iter([]), LazySequence([])]
)
def test_an_empty_input_has_no_columns(empty):
    assert read(empty) == {}


def test_an_empty_frame_keeps_its_columns():
    assert read(pd.DataFrame({"msisdn": []})) == {"msisdn": []}
    assert read({"msisdn": []}) == {"msisdn": []}


def test_records_with_different_keys_have_all_columns_with_gaps():
    assert read([{"msisdn": A, "name": "x"}, {"msisdn": B, "due": 5}, {}]) == {
        "msisdn": [A, B, None],
        "name": ["x", None, None],
        "due": [None, 5, None],
    }


def test_a_record_can_be_a_named_tuple():
    assert read([Row(A, "x"), Row(B, None)]) == {"msisdn": [A, B], "name": ["x", None]}
    assert read(Row(A, "x")) == {"msisdn": [A], "name": ["x"]}


def test_column_names_are_text():
    assert read({7: [A]}) == {"7": [A]}
    assert read([{7: A}]) == {"7": [A]}
    assert read(pd.DataFrame([[A]])) == {"0": [A]}


def test_a_set_is_read_in_the_same_order_in_every_process():
    code = (
        "from airflow_provider_ismart.core.recipients import read_recipients\n"
        f"print(read_recipients(set({numbers(30)}), 'n')['n'])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{numbers(30)}\n"}


@given(st.sets(st.one_of(msisdns, st.integers(90000000, 90000099))))
def test_a_set_is_read_in_sorted_order(source):
    cells = sorted(source, key=str, reverse=True)
    assert read(source) == read(set(cells))


def test_a_frame_keeps_its_rows_with_any_index():
    frame = pd.DataFrame({"msisdn": [A, B, C], "name": list("xyz")}, index=[5, 5, 1])
    assert read(frame[frame["name"] != "y"]) == {"msisdn": [A, C], "name": ["x", "z"]}
    assert read(frame.set_index([[1, 1, 2], [1, 2, 1]])) == {"msisdn": [A, B, C], "name": ["x", "y", "z"]}


@pytest.mark.parametrize("dtype", ["int64", "Int64", "uint64", "float64", "Float64", "int64[pyarrow]"])
def test_a_column_of_numbers_keeps_all_digits(dtype):
    assert read(pd.DataFrame({"msisdn": pd.Series([96890000000], dtype=dtype)}))["msisdn"] == [96890000000]


def test_gaps_of_a_nullable_column_are_missing():
    cells = read(pd.DataFrame({"msisdn": pd.array([96890000000, None], dtype="Int64")}))["msisdn"]
    assert cells[0] == 96890000000
    assert cells[1] is pd.NA


def test_multi_level_column_names_are_text():
    frame = pd.DataFrame([[A]], columns=pd.MultiIndex.from_tuples([("contact", "msisdn")]))
    assert read(frame) == {"('contact', 'msisdn')": [A]}


def test_a_duplicate_column_is_refused_if_it_is_needed():
    frame = pd.DataFrame([[A, B, "x"]], columns=["msisdn", "msisdn", "name"])
    columns = read_recipients(frame, "msisdn")
    assert list(columns) == ["msisdn", "name"]
    assert columns["name"] == ["x"]
    with pytest.raises(InputError, match="2 columns named 'msisdn'"):
        columns["msisdn"]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([96890000000.0], dtype="float32"),
        pd.Series([96890000000.0], dtype="Float32"),
        pd.Series([96890000000.0], dtype="float[pyarrow]"),
        pd.Series([96890000000.0], dtype="float32").astype("category"),
        np.array([96890000000], dtype="float32"),
        np.array([9], dtype="float16"),
        pl.Series([96890000000.0], dtype=pl.Float32),
        pa.array([96890000000.0], type=pa.float32()),
        pa.array(np.array([9], dtype="float16")),
        pa.array([96890000000.0], type=pa.float32()).dictionary_encode(),
        pa.chunked_array([pa.array([96890000000.0], type=pa.float32()).dictionary_encode()]),
        pd.Series([96890000000.0], dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.float32()))),
    ],
    ids=lambda column: f"{type(column).__module__}-{getattr(column, 'dtype', '')}",
)
@pytest.mark.parametrize("shape", ["alone", "in a dict", "in a frame", "in a list"])
def test_numbers_in_narrow_floats_are_refused_in_any_form(column, shape):
    frame_of = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        frame_of = pa.table
    source = {
        "alone": column,
        "in a dict": {"msisdn": column},
        "in a frame": frame_of({"msisdn": column}),
        "in a list": [column],
    }[shape]
    with pytest.raises(InputError, match="cannot hold 11 digits"):
        read(source)


def test_narrow_floats_in_other_columns_are_allowed():
    assert read(pd.DataFrame({"msisdn": [A], "rate": np.array([0.5], dtype="float32")}))["rate"] == [0.5]


def test_only_needed_columns_are_read():
    frame = pd.DataFrame({"msisdn": np.array([9], dtype="float32"), "phone": [A]})
    assert read_recipients(frame, "phone")["phone"] == [A]


def test_outputs_of_a_mapped_task_are_concatenated():
    outputs = [{"msisdn": [A], "name": ["x"]}, {"msisdn": [B, C]}, {}]
    assert read(LazySequence(outputs)) == {"msisdn": [A, B, C], "name": ["x", None, None]}
    assert read(LazySequence([[A, B], [], [C]])) == {"msisdn": [A, B, C]}
    assert read(LazySequence([[{"msisdn": A}], [{"msisdn": B}]])) == {"msisdn": [A, B]}
    assert read(LazySequence([f"{A},{B}", C])) == {"msisdn": [f"{A},{B}", C]}


def test_frames_in_a_list_are_concatenated():
    frames = [pd.DataFrame({"msisdn": [A], "name": ["x"]}), pd.DataFrame({"name": ["y"], "msisdn": [B]})]
    assert read(frames) == {"msisdn": [A, B], "name": ["x", "y"]}


def test_a_column_that_no_table_has_is_missing():
    for source in ([pd.DataFrame({"a": [A]})], pd.DataFrame({"a": [A]}), [{"a": A}]):
        with pytest.raises(KeyError):
            read_recipients(source, "msisdn")["b"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (None, "recipients is None, usually because a task has no return statement"),
        (b"96890000000", "recipients is of type bytes, which is not supported"),
        (object(), "recipients is of type object, which is not supported"),
        ([A, {"msisdn": B}], "mixes numbers with records, lists or tables"),
        ([A, [B]], "mixes numbers with records, lists or tables"),
        ([[A, "x"], [B, "y"]], "a list of rows without column names"),
        ([[A], [B, C]], "a list of rows without column names"),
        ([(A, "x")], "a list of rows without column names"),
        (
            {"msisdn": [A, B], "name": ["x"]},
            "columns with different lengths; they must be equal: 'msisdn' has 2, 'name' has 1",
        ),
        ({"msisdn": [A], "name": "x"}, "the value of 'name' is not a list"),
        ([{"msisdn": A, "tags": ["x"]}], "the value of 'msisdn' is not a list"),
        ({"msisdn": {0: A, 1: B}}, "column 'msisdn' is a dict; pass a list of its values"),
        (np.array([[A, B]]), "column 'msisdn' has 2 dimensions"),
        (np.array(96890000000), "column 'msisdn' has 0 dimensions"),
        ({"msisdn": np.array([[A]])}, "column 'msisdn' has 2 dimensions"),
        ({"msisdn": [A, B], "name": {"x", "y"}}, "column 'name' is a set, which has no order"),
        ({"msisdn": frozenset([A, B]), "name": ["x", "y"]}, "column 'msisdn' is a set, which has no order"),
        (
            {"msisdn": pd.Series([A, B]), "name": pd.Series(["y", "x"], index=[1, 0])},
            "Series with different indexes, so it is unknown which of their values belong to one row",
        ),
        (dict, "recipients is of type type, which is not supported"),
        (pd.DataFrame({"msisdn": [A], "name": ["x"]}).groupby("name"), "a list of rows without column names"),
        ({"msisdn": pd.DataFrame({"a": [A]})}, "column 'msisdn' has 2 dimensions"),
    ],
    ids=lambda value: f"{value!s:.40}".encode("ascii", "replace").decode() if isinstance(value, str) else "",
)
def test_unsupported_recipients_are_refused_with_what_to_do(source, why):
    with pytest.raises(InputError) as caught:
        read(source)
    assert why in str(caught.value)
    assert A not in str(caught.value)


@given(st.lists(st.one_of(msisdns, st.integers(), st.floats(allow_nan=False), st.none())))
def test_every_input_row_is_read_once_and_in_order(cells):
    assert read(cells) == read(LazySequence(cells)) == ({"msisdn": cells} if cells else {})
    assert read({"msisdn": cells}) == read(pd.DataFrame({"msisdn": pd.Series(cells, dtype=object)}))
    assert read([{"msisdn": cell} for cell in cells]) == ({"msisdn": cells} if cells else {})


@given(st.lists(msisdns))
def test_a_list_rendered_by_jinja_is_read_as_that_list(cells):
    assert read(str(cells)) == read(cells)
    assert read(str([{"msisdn": cell, "due": None} for cell in cells])).get("msisdn", []) == cells


class Person:
    """An object that iterates over its fields, like models of some libraries."""

    def __iter__(self):
        return iter([("msisdn", "96890000001"), ("balance", 90000002)])


def test_fields_of_unknown_objects_are_not_read_as_numbers():
    with pytest.raises(InputError, match="an item of recipients is of type Person"):
        read_recipients([Person()], "msisdn")


ACCOUNTS = pd.DataFrame({"msisdn": ["96890000001", "96890000002"], "account": [20261122, 20261123]})


@pytest.mark.parametrize(
    "rows",
    [
        ACCOUNTS.iloc[0],
        [row for _, row in ACCOUNTS.iterrows()],
        zip(ACCOUNTS["msisdn"], ACCOUNTS["account"], strict=True),
        {"96890000001": 20261122}.items(),
        ACCOUNTS.itertuples(index=False, name=None),
        ACCOUNTS.T.unstack(),  # noqa: PD010
    ],
    ids=["a row", "rows", "zip", "items", "tuples", "unstack"],
)
def test_other_cells_of_a_row_are_not_read_as_numbers(rows):
    with pytest.raises(InputError):
        read_recipients(rows, "msisdn")


ROWS = [("96890000001", 90000011), ("96890000002", 90000012)]
ROWS_OF_TEXT = np.array([[number, str(account)] for number, account in ROWS])


@pytest.mark.parametrize("of", [list, tuple, deque, UserList, iter, set], ids=lambda of: of.__name__)
@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        [tuple(row) for row in ROWS_OF_TEXT],
        [(number, None, account) for number, account in ROWS],
    ],
    ids=["text and number", "text", "three cells"],
)
def test_tuples_without_names_are_refused_in_any_form(of, rows):
    with pytest.raises(InputError, match="rows without column names"):
        read_recipients(of(rows), "msisdn")


@pytest.mark.parametrize(
    "row",
    [
        list(ROWS[0]),
        deque(ROWS[0]),
        UserList(ROWS[0]),
        frozenset(ROWS[0]),
        ROWS_OF_TEXT[0],
        np.array(ROWS[0], dtype=object),
        array("q", [96890000001, 90000011]),
        pd.Series(ROWS_OF_TEXT[0]),
        pd.Index(ROWS_OF_TEXT[0]),
        pl.Series(ROWS_OF_TEXT[0]),
        pa.array(ROWS_OF_TEXT[0].tolist()),
    ],
    ids=lambda row: f"{type(row).__module__}.{type(row).__name__}",
)
@pytest.mark.parametrize("of", [list, deque, UserList, iter], ids=lambda of: of.__name__)
def test_rows_of_any_type_without_names_are_refused(of, row):
    with pytest.raises(InputError, match="rows without column names"):
        read_recipients(of([row]), "msisdn")
    with pytest.raises(InputError, match="rows without column names"):
        read_recipients(of([row, row]), "msisdn")


@pytest.mark.parametrize(
    "rows",
    [
        pd.Series(ROWS),
        pd.MultiIndex.from_tuples(ROWS),
        pl.Series([list(row) for row in ROWS_OF_TEXT]),
        np.array([[1, 2]]),
    ],
    ids=lambda rows: type(rows).__name__,
)
def test_a_column_of_rows_is_refused(rows):
    with pytest.raises(InputError, match=r"rows without column names|2 dimensions"):
        read_recipients(rows, "msisdn")


def test_rows_of_one_cell_are_numbers_in_any_form():
    for of in (list, deque, UserList, iter):
        assert read(of([(A,), (B,)])) == {"msisdn": [A, B]}
        assert read(of(list(np.array([[A], [B]])))) == {"msisdn": [A, B]}


def sqlite_rows(query="SELECT '96890000001' AS msisdn, 'Ali' AS name", row_factory=sqlite3.Row):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = row_factory
        return connection.execute(query).fetchall()


@dataclass
class Customer:
    msisdn: str
    name: str


@attrs.define
class Client:
    msisdn: str
    name: str


class Mapped:
    """A row with its names in ``_mapping``, which is a sequence of its cells."""

    def __init__(self):
        self._mapping = {"msisdn": "96890000001", "name": "Ali"}

    def __iter__(self):
        return iter(self._mapping.values())


@pytest.mark.parametrize(
    "row",
    [
        sqlite_rows()[0],
        Row("96890000001", "Ali"),
        next(pd.DataFrame({"msisdn": ["96890000001"], "name": ["Ali"]}).itertuples(index=False)),
        Customer("96890000001", "Ali"),
        Client("96890000001", "Ali"),
        np.array([("96890000001", "Ali")], dtype=[("msisdn", "U11"), ("name", "U9")])[0],
        np.rec.array([("96890000001", "Ali")], dtype=[("msisdn", "U11"), ("name", "U9")])[0],
        Mapped(),
    ],
    ids=lambda row: f"{type(row).__module__}.{type(row).__name__}",
)
@pytest.mark.parametrize("of", [list, deque, UserList, iter, LazySequence], ids=lambda of: of.__name__)
def test_rows_with_names_are_records(of, row):
    assert read(of([row])) == read(row) == {"msisdn": ["96890000001"], "name": ["Ali"]}


def test_rows_of_sqlalchemy_are_records():
    sqlalchemy = pytest.importorskip("sqlalchemy")
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        for rows in (
            lambda result: result,
            lambda result: result.fetchall(),
            lambda result: result.mappings().all(),
            lambda result: result.one(),
        ):
            result = connection.execute(sqlalchemy.text("SELECT '96890000001' AS msisdn, 'Ali' AS name"))
            assert read(rows(result)) == {"msisdn": ["96890000001"], "name": ["Ali"]}


def test_rows_with_duplicate_column_names_are_refused():
    with pytest.raises(InputError, match="two columns have the same name"):
        read_recipients(sqlite_rows("SELECT '96890000001' AS msisdn, 90000002 AS msisdn"), "msisdn")


def test_rows_of_sqlite_without_names_are_refused():
    with pytest.raises(InputError, match="rows without column names"):
        read_recipients(sqlite_rows(row_factory=None), "msisdn")


@pytest.mark.parametrize(
    "outputs",
    [
        ROWS,
        [tuple(row) for row in ROWS_OF_TEXT],
        [list(row) for row in ROWS],
        [["96890000001", "Ali"], ["96890000002", "Zoe"]],
        [["96890000001", "Ali"]],
        [[A, B], ["96890000001", 90000011]],
        [np.array(ROWS[0], dtype=object)],
    ],
    ids=["tuples", "tuples of text", "mixed", "names", "one", "one of several", "array"],
)
def test_outputs_of_a_mapped_task_that_look_like_rows_are_refused(outputs):
    with pytest.raises(InputError, match="look like rows without column names"):
        read_recipients(LazySequence(outputs), "msisdn")


def test_outputs_of_a_mapped_task_can_have_gaps_and_invalid_numbers():
    assert read(LazySequence([[A, None], [B, C]])) == {"msisdn": [A, None, B, C]}
    assert read(LazySequence([[A, B, "n/a"], [C]])) == {"msisdn": [A, B, "n/a", C]}
    assert read(LazySequence([{A}, np.array([B, C]), (A,)])) == {"msisdn": [A, B, C, A]}


def test_other_sequences_are_not_outputs_of_a_mapped_task():
    namesake = type("LazyXComSequence", (UserList,), {})  # of another module than Airflow's
    with pytest.raises(InputError, match="rows without column names"):
        read_recipients(namesake([[A, B]]), "msisdn")


def test_mapped_or_concatenated_outputs_are_still_outputs():
    try:
        from airflow.sdk.definitions.xcom_arg import _ConcatResult, _MapResult
    except ImportError:  # Airflow 2.11
        from airflow.models.xcom_arg import _ConcatResult, _MapResult

    outputs = LazySequence([[A, B], [C]])
    assert read(_MapResult(outputs, [sorted])) == {"msisdn": [A, B, C]}
    assert read(_ConcatResult([outputs, outputs])) == {"msisdn": [A, B, C] * 2}
    for rows in (_MapResult([[A, B]], [list]), _ConcatResult([outputs, [[A, B]]])):
        with pytest.raises(InputError, match="rows without column names"):
            read_recipients(rows, "msisdn")


@pytest.mark.parametrize(
    "numbers",
    [
        np.array([96890000001], dtype=">f4"),
        array("f", [96890000001]),
        memoryview(array("f", [96890000001])),
        pd.Series([96890000000.5], dtype="float[pyarrow]"),
        pd.Series([96890000000.5], dtype="Float32"),
    ],
    ids=["big-endian", "array", "memoryview", "arrow", "nullable"],
)
def test_narrow_float_types_are_refused_under_any_name(numbers):
    with pytest.raises(InputError, match="cannot hold 11 digits"):
        read_recipients({"msisdn": numbers}, "msisdn")


@pytest.mark.parametrize("rows", [ACCOUNTS[["msisdn"]].set_index("msisdn"), [{}, {}]], ids=["index", "records"])
def test_rows_without_columns_are_refused(rows):
    with pytest.raises(InputError, match="without"):
        read_recipients(rows, "msisdn")


def test_columns_of_one_index_belong_together_whatever_the_index():
    frame = pd.DataFrame({"msisdn": [A, B], "name": ["x", "y"]}, index=[7, 3])
    expected = {"msisdn": [A, B], "name": ["x", "y"]}
    assert read({"msisdn": frame["msisdn"], "name": frame["name"]}) == expected
    assert read({"msisdn": frame["msisdn"], "name": ["x", "y"]}) == expected
    assert read({"msisdn": {A}}) == {"msisdn": [A]}
