"""Test that one table gives the same texts in every form."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_ismart.core.outcomes import RowOutcomes
from airflow_provider_ismart.core.plan import plan
from airflow_provider_ismart.core.validation import Content, Reading
from airflow_provider_ismart.sources.files import FileRecipients
from airflow_provider_ismart.sources.sql import QueryRecipients

NUMBERS = ["96890000001", "96890000002"]
MUSCAT = ZoneInfo("Asia/Muscat")
NOON = datetime(2026, 11, 1, 12)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A value of a type, its text, and the types of libraries and databases for it."""

    value: Any
    text: str
    arrow: Sequence[pa.DataType]
    pandas: Sequence[Any]
    polars: Sequence[Any]
    postgres: str
    sqlite: str | None = None


COLUMNS = {
    "int64": Column(
        value=9007199254740993,
        text="9007199254740993",
        arrow=[pa.int64(), pa.uint64(), pa.dictionary(pa.int8(), pa.int64())],
        pandas=["Int64", "UInt64", "int64[pyarrow]", object, "category"],
        polars=[pl.Int64, pl.UInt64],
        postgres="bigint",
        sqlite="integer",
    ),
    "decimal": Column(
        value=Decimal("1.500"),
        text="1.500",
        arrow=[pa.decimal128(10, 3), pa.decimal256(40, 3)],
        pandas=[object, pd.ArrowDtype(pa.decimal128(10, 3)), "category"],
        polars=[pl.Decimal(10, 3)],
        postgres="numeric(10,3)",
    ),
    "date": Column(
        value=date(2026, 11, 1),
        text="2026-11-01",
        arrow=[pa.date32(), pa.date64()],
        pandas=[object, pd.ArrowDtype(pa.date32()), "category"],
        polars=[pl.Date],
        postgres="date",
    ),
    "midnight": Column(
        value=datetime(2026, 11, 1),
        text="2026-11-01 00:00:00",
        arrow=[pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")],
        pandas=["datetime64[s]", "datetime64[ns]", pd.ArrowDtype(pa.timestamp("ns")), object, "category"],
        polars=[pl.Datetime(unit) for unit in ("ms", "us", "ns")],
        postgres="timestamp",
    ),
    "datetime": Column(
        value=NOON.replace(microsecond=250000),
        text="2026-11-01 12:00:00.250000",
        arrow=[pa.timestamp("us"), pa.timestamp("ns"), pa.dictionary(pa.int8(), pa.timestamp("ns"))],
        pandas=["datetime64[us]", "datetime64[ns]", pd.ArrowDtype(pa.timestamp("us")), object, "category"],
        polars=[pl.Datetime("us"), pl.Datetime("ns")],
        postgres="timestamp",
    ),
    "datetime with zone": Column(
        value=NOON.replace(tzinfo=MUSCAT),
        text="2026-11-01 12:00:00+04:00",
        arrow=[pa.timestamp("us", "Asia/Muscat"), pa.timestamp("ns", "Asia/Muscat")],
        pandas=[
            "datetime64[ns, Asia/Muscat]",
            pd.ArrowDtype(pa.timestamp("ns", "Asia/Muscat")),
            object,
            "category",
        ],
        polars=[pl.Datetime("us", "Asia/Muscat"), pl.Datetime("ns", "Asia/Muscat")],
        postgres="timestamptz",
    ),
    "time": Column(
        value=time(10, 30),
        text="10:30:00",
        arrow=[pa.time32("s"), pa.time64("us"), pa.time64("ns")],
        pandas=[object, pd.ArrowDtype(pa.time64("ns"))],
        polars=[pl.Time],
        postgres="time",
    ),
    "duration": Column(
        value=timedelta(hours=26),
        text="1 day, 2:00:00",
        arrow=[pa.duration("s"), pa.duration("us"), pa.duration("ns")],
        pandas=["timedelta64[ns]", "timedelta64[s]", pd.ArrowDtype(pa.duration("ns")), "category"],
        polars=[pl.Duration("us"), pl.Duration("ns")],
        postgres="interval",
    ),
    "bool": Column(
        value=True,
        text="True",
        arrow=[pa.bool_()],
        pandas=["boolean", "bool[pyarrow]", object, "category"],
        polars=[pl.Boolean],
        postgres="boolean",
    ),
    "text": Column(
        value="\u0633\u0627\u0644\u0645",
        text="\u0633\u0627\u0644\u0645",
        arrow=[pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
        pandas=[object, "str", "string", "string[pyarrow]", pd.ArrowDtype(pa.large_string()), "category"],
        polars=[pl.String, pl.Categorical],
        postgres="text",
        sqlite="text",
    ),
    "float64": Column(
        value=0.1,
        text="0.1",
        arrow=[pa.float64(), pa.dictionary(pa.int8(), pa.float64())],
        pandas=["float64", "Float64", "double[pyarrow]", object, "category"],
        polars=[pl.Float64],
        postgres="double precision",
        sqlite="real",
    ),
    "float32": Column(
        value=1.2,
        text="1.2",
        arrow=[pa.float32(), pa.dictionary(pa.int8(), pa.float32())],
        pandas=["float32", "Float32", "float[pyarrow]"],
        polars=[pl.Float32],
        postgres="real",
    ),
}


def texts(recipients):
    """Return the text of each row; ``None`` if it has none."""
    reading = Reading(content=Content(message="{value}"))
    if isinstance(recipients, (FileRecipients, QueryRecipients)):
        chunks = list(recipients.read("msisdn", ["value"]))
        return [text for chunk in chunks for text in reading.read(chunk, RowOutcomes()).texts]
    return plan(recipients, reading).rows.texts


def of_every_type(libraries):
    return [
        pytest.param(column, kind, id=f"{name}-{kind}")
        for name, column in COLUMNS.items()
        for kind in libraries(column)
    ]


@pytest.mark.parametrize(("column", "kind"), of_every_type(lambda column: column.arrow))
def test_values_print_alike_from_arrow_and_parquet(column, kind, tmp_path):
    plain = getattr(kind, "value_type", kind)
    cells = pa.array([column.value, None], plain)
    table = pa.table({"msisdn": NUMBERS, "value": cells if plain is kind else cells.dictionary_encode()})
    is_in_parquet = _write_parquet(table, tmp_path / "people.parquet")

    class Foreign:
        def __arrow_c_stream__(self, requested_schema=None):
            return table.__arrow_c_stream__(requested_schema)

        def to_pandas(self):
            raise AssertionError("through pandas, integers with gaps are floats")

    expected = [column.text, None]
    assert texts(table) == expected
    assert texts(table.to_batches()[0]) == expected
    assert texts([table.slice(0, 1), table.slice(1)]) == expected
    assert texts({"msisdn": NUMBERS, "value": table["value"]}) == expected
    assert texts(Foreign()) == expected
    if is_in_parquet:
        assert texts(FileRecipients([tmp_path / "people.parquet"])) == expected


def _write_parquet(table, path):
    """Write the table, and return whether pyarrow can: before 19, it has no string views in Parquet."""
    try:
        pq.write_table(table, path)
    except pa.ArrowNotImplementedError:
        assert "string_view" in str(table.schema)
        return False
    return True


@pytest.mark.parametrize(("column", "kind"), of_every_type(lambda column: column.pandas))
def test_values_print_alike_from_pandas(column, kind):
    values = pd.Series([column.value, None], dtype=object)
    if kind == "str" and not pd.__version__.startswith("3"):
        pytest.skip("pandas 2 makes the text None of a gap")
    if kind == "category":
        values = pd.Series(pd.Categorical.from_codes([0, -1], pd.Index([column.value], dtype=object)))
    frame = pd.DataFrame({"msisdn": NUMBERS, "value": values.astype(kind)})
    assert texts(frame) == [column.text, None]
    assert texts({"msisdn": NUMBERS, "value": frame["value"]}) == [column.text, None]
    assert texts({"msisdn": NUMBERS, "value": pd.Index(frame["value"], dtype=frame["value"].dtype)}) == [
        column.text,
        None,
    ]
    assert texts({"msisdn": NUMBERS, "value": frame["value"].array}) == [column.text, None]


@pytest.mark.parametrize(("column", "kind"), of_every_type(lambda column: column.polars))
def test_values_print_alike_from_polars(column, kind):
    values = pl.Series("value", [column.value, None], dtype=kind)
    frame = pl.DataFrame({"msisdn": NUMBERS, "value": values})
    for source in (frame, frame.lazy(), {"msisdn": NUMBERS, "value": values}, [frame[:1], frame[1:]]):
        assert texts(source) == [column.text, None]


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_values_print_alike_from_postgres_and_sqlite(column, database, query):
    kind = column.postgres if database == "postgres" else column.sqlite
    if kind is None:
        pytest.skip("SQLite has no such type")
    with closing(connected()) as connection, closing(connection.cursor()) as cursor:
        if database == "postgres":  # a session has the zone in which PostgreSQL gives its times
            cursor.execute("SELECT current_database()")
            cursor.execute(f"ALTER DATABASE {cursor.fetchone()[0]} SET timezone TO 'Asia/Muscat'")
        mark = "%s" if database == "postgres" else "?"
        cursor.execute(f"CREATE TABLE people (msisdn text, value {kind})")
        rows = list(zip(NUMBERS, [column.value, None], strict=True))
        cursor.executemany(f"INSERT INTO people VALUES ({mark}, {mark})", rows)
        connection.commit()
    assert texts(query("SELECT * FROM people ORDER BY msisdn")) == [column.text, None]


def connected():
    from tests.sources.conftest import _connect

    return _connect()


@pytest.fixture
def query(database):
    return lambda sql: QueryRecipients(BaseHook.get_connection("people_db").get_hook(), sql)


@pytest.mark.parametrize("unit", ["D", "s", "ms", "us", "ns"])
def test_values_print_alike_from_numpy_times(unit):
    values = np.array(["2026-11-01", "NaT"], dtype=f"datetime64[{unit}]")
    text = "2026-11-01" if unit == "D" else "2026-11-01 00:00:00"
    assert texts({"msisdn": NUMBERS, "value": values}) == [text, None]
    kind = [("msisdn", "U11"), ("value", f"datetime64[{unit}]")]
    assert texts(np.array(list(zip(NUMBERS, values, strict=True)), dtype=kind)) == [text, None]


def test_nanoseconds_are_truncated_everywhere():
    nanoseconds = 1_793_534_400_000_001_999
    table = pa.table({"msisdn": NUMBERS[:1], "value": pa.array([nanoseconds], pa.timestamp("ns"))})
    for source in (table, table.to_pandas(), pl.from_arrow(table)):
        assert texts(source) == ["2026-11-01 12:00:00.000001"]
    numpy_times = np.array([nanoseconds], dtype="datetime64[ns]")
    assert texts({"msisdn": NUMBERS[:1], "value": numpy_times}) == ["2026-11-01 12:00:00.000001"]


def test_a_time_outside_the_calendar_is_missing():
    values = np.array(["12026-11-01"], dtype="datetime64[s]")
    assert texts({"msisdn": NUMBERS[:1], "value": values}) == [None]


@pytest.mark.parametrize("value", np.random.default_rng(7).normal(0, 1e4, 200).astype("float32").tolist())
def test_narrow_floats_print_as_in_numpy(value):
    assert texts({"msisdn": NUMBERS[:1], "value": np.array([value], dtype="float32")}) == [str(np.float32(value))]


def test_a_table_with_only_to_pandas_is_read_through_pandas():
    class Foreign:
        def to_pandas(self):
            return pd.DataFrame({"msisdn": NUMBERS, "value": ["x", "y"]})

    assert texts(Foreign()) == ["x", "y"]


def test_lists_of_times_can_be_read():
    table = pa.table({"msisdn": NUMBERS[:1], "value": pa.array([[0]], pa.list_(pa.timestamp("ns")))})
    assert "1970-01-01" in texts(table)[0]
