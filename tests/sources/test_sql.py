"""Test recipients from a query: read in chunks, and sent only if all of it was read."""

import json
import logging
import traceback
from contextlib import closing, suppress

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowSkipException, BaseHook

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.exceptions import ISmartInputError, ISmartSourceError
from airflow_provider_ismart.redaction import revealed
from airflow_provider_ismart.sources.sql import CHUNK_ROWS, QueryRecipients, _check_not_narrow
from airflow_provider_ismart.transfers.sql_to_ismart import SqlToISmartOperator
from tests.sources.conftest import PLACEHOLDERS

NUMBER = "96890000001"
#: What goes on and on, as far as anybody reads.
ENDLESS = {
    "sqlite": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS msisdn FROM n",
    "postgres": "SELECT generate_series(1, 1000000000000) AS msisdn",
}


@pytest.fixture
def query(database):
    """Return recipients of a query."""

    def make(sql, parameters=None):
        return QueryRecipients(BaseHook.get_connection("people_db").get_hook(), sql, parameters)

    return make


@pytest.fixture
def send(database, ismart_default):
    """Run the operator; return its report."""

    def run(sql="SELECT * FROM people ORDER BY msisdn", message="Hello", *, context=None, **options):
        options = {"conn_id": "people_db"} | options
        operator = SqlToISmartOperator(task_id="tell", sql=sql, message=message, **options)
        operator.render_template_fields(context or {})
        return operator.execute(context or {})

    return run


def test_all_rows_are_read_in_chunks_with_only_the_needed_columns(people, query):
    people([(f"968900{number:05d}", f"name {number}") for number in range(2 * CHUNK_ROWS + 1)])
    chunks = list(query("SELECT name, msisdn, 1 AS junk FROM people ORDER BY msisdn").read("msisdn", ["name"]))
    assert [len(chunk["msisdn"]) for chunk in chunks] == [CHUNK_ROWS, CHUNK_ROWS, 1]
    assert {tuple(chunk) for chunk in chunks} == {("msisdn", "name")}
    assert (chunks[1]["msisdn"][0], chunks[1]["name"][0]) == (f"968900{CHUNK_ROWS:05d}", f"name {CHUNK_ROWS}")


def test_texts_are_simplified(people, send, ismart_sandbox, small_chunks):
    people([("96890000001", "O’Neill"), ("96890000002", "زينب"), ("96890000003", "Zoe")])
    report = send(message="{name}’s bill", simplify_text=True)
    texts = {message.text for message in ismart_sandbox.messages}
    assert texts == {"O'Neill's bill", "زينب’s bill", "Zoe's bill"}
    assert report["simplify_text_saves"] is None
    long = send(message="{name}’s bill is due on Thursday. Please do not forget to pay it before noon.")
    assert long["simplify_text_saves"] == {"credits": 2, "characters": ["’ (U+2019)"]}


def test_rows_are_fetched_only_as_they_are_read(database, query):
    reading = query(ENDLESS[database]).read("msisdn")
    assert next(reading)["msisdn"] == list(range(1, CHUNK_ROWS + 1))
    reading.close()


def test_placeholders_have_the_drivers_style(database, people, query):
    people([(NUMBER, "Ali"), ("96890000002", "Zoe")])
    by_position, by_name = (f"SELECT * FROM people WHERE name = {mark}" for mark in PLACEHOLDERS[database])
    for sql, parameters in ((by_position, ["Ali"]), (by_position, ("Ali",)), (by_name, {"name": "Ali"})):
        assert list(query(sql, parameters).read("msisdn")) == [{"msisdn": [NUMBER]}]


@pytest.mark.parametrize("parameters", [None, [], {}], ids=repr)
def test_a_percent_sign_is_literal_without_parameters(parameters, people, query):
    people([(NUMBER, "Ali")])
    assert list(query("SELECT * FROM people WHERE name LIKE 'A%'", parameters).read("msisdn")) == [
        {"msisdn": [NUMBER]}
    ]


@pytest.mark.parametrize("parameters", ["Ali", 7, {"Ali"}], ids=repr)
def test_parameters_of_another_type_are_refused(parameters, query):
    with pytest.raises(InputError, match=r"parameters is of type .*; it must be a list, tuple or dict"):
        list(query("SELECT 1 AS msisdn", parameters).read("msisdn"))


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    "sql", ["SELECT {} AS msisdn", "SELECT {} AS msisdn WHERE false"], ids=["rows", "no rows"]
)
def test_numbers_in_32_bit_floats_are_refused(sql, database, query):
    with pytest.raises(InputError, match="'msisdn' is a 32-bit float, which cannot hold 11 digits"):
        list(query(sql.format("96890000001::real")).read("msisdn"))
    for wide in ("96890000001::double precision", "96890000001::numeric", "96890000001"):
        list(query(sql.format(wide)).read("msisdn"))


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_32_bit_floats_are_also_refused_without_a_dialect(database, monkeypatch):
    hook = BaseHook.get_connection("people_db").get_hook()
    monkeypatch.setattr(
        type(hook), "get_sqlalchemy_engine", lambda *_: (_ for _ in ()).throw(NotImplementedError())
    )
    with pytest.raises(InputError, match="32-bit float"):
        list(QueryRecipients(hook, "SELECT 1::real AS msisdn").read("msisdn"))


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_both_drivers_of_postgresql_report_32_bit_floats(driver, postgres):
    module = pytest.importorskip(driver)
    where = json.loads(postgres())
    with closing(module.connect(host=where["host"], user=where["login"], dbname=where["schema"])) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1::real AS narrow, 1::float8 AS wide")
        _check_not_narrow(cursor, 1, "wide")
        with pytest.raises(InputError, match="'narrow' is a 32-bit float"):
            _check_not_narrow(cursor, 0, "narrow")


@pytest.mark.parametrize(
    "module", ["MySQLdb.cursors", "pymysql.cursors", "mysql.connector.cursor_cext", "mariadb"]
)
def test_the_drivers_of_mysql_report_32_bit_floats(module):
    # there is no MySQL here: this is what PEP 249 and MYSQL_TYPE_FLOAT make of its cursor
    cursor = type("Cursor", (), {"__module__": module, "description": (("narrow", 4), ("wide", 5))})()
    _check_not_narrow(cursor, 1, "wide")
    with pytest.raises(InputError, match="'narrow' is a 32-bit float"):
        _check_not_narrow(cursor, 0, "narrow")


def test_numbers_in_8_byte_reals_of_sqlite_keep_all_digits(people, query, database):
    people([])
    sql = "SELECT CAST(96890000001 AS double precision) AS msisdn"
    assert list(query(sql).read("msisdn")) == [{"msisdn": [96890000001.0]}]


def test_an_empty_result_has_no_chunks(people, query):
    people([])
    assert list(query("SELECT * FROM people").read("msisdn")) == []


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT msisdn AS phone FROM people", "the query has no column 'msisdn'; it has 'phone'"),
        ("SELECT msisdn, name AS msisdn FROM people", "the query has 2 columns named 'msisdn'"),
        ("DELETE FROM people", "returns rows|syntax error"),
        (" \n", "it must be a query"),
        (None, "it must be a query"),
        (["SELECT 1"], "it must be a query"),
    ],
)
def test_an_unusable_query_is_an_error_with_the_reason(sql, why, people, query):
    people([])
    with pytest.raises((InputError, ISmartSourceError), match=why):
        list(query(sql).read("msisdn"))


def test_a_database_without_a_dialect_is_read_through_its_driver(database, people, query, monkeypatch):
    hook = BaseHook.get_connection("people_db").get_hook()

    class WithoutDialect(type(hook)):
        def get_sqlalchemy_engine(self, engine_kwargs=None):
            raise NotImplementedError

    hook.__class__ = WithoutDialect
    people([(f"968900{number:05d}", "Ali") for number in range(CHUNK_ROWS + 1)])
    chunks = list(QueryRecipients(hook, "SELECT * FROM people ORDER BY msisdn").read("msisdn", ["name"]))
    assert [len(chunk["msisdn"]) for chunk in chunks] == [CHUNK_ROWS, 1]
    with pytest.raises(InputError, match="returns rows"):
        list(QueryRecipients(hook, "DELETE FROM people").read("msisdn"))
    [chunk, _] = QueryRecipients(
        hook, f"SELECT * FROM people WHERE name = {PLACEHOLDERS[database][0]}", ["Ali"]
    ).read("msisdn")
    assert chunk["msisdn"][0] == "96890000000"


@pytest.mark.parametrize("sql", ["UPDATE people SET name = 'Zoe' RETURNING *", "DELETE FROM people"])
def test_changes_by_a_query_are_rolled_back(sql, people, query):
    people([(NUMBER, "Ali")])
    with suppress(InputError, ISmartSourceError):  # PostgreSQL has no cursor for that
        list(query(sql).read("msisdn"))
    assert [chunk["name"] for chunk in query("SELECT * FROM people").read("msisdn", ["name"])] == [["Ali"]]


def test_recipients_of_a_query_get_one_message(people, send, small_chunks, ismart_sandbox):
    people([(NUMBER, "Ali"), ("96890000002", "زينب"), ("+968 9000 0001", "Ali"), ("nobody", "Zoe")])
    report = send(message="Dear {name}")
    assert {message.msisdn: message.text for message in ismart_sandbox.messages} == {
        NUMBER: "Dear Ali",
        "96890000002": "Dear زينب",
    }
    assert {outcome: rows for outcome, rows in report["outcomes"].items() if rows} == {
        "accepted": 2,
        "duplicate": 1,
        "invalid": 1,
    }


def test_recipients_in_different_chunks_share_calls(people, send, small_chunks, ismart_sandbox):
    people([(f"968900{number:05d}", "") for number in range(101)])
    assert send()["calls"] == 3


def test_each_recipient_gets_the_text_of_their_language_across_chunks(people, send, small_chunks, ismart_sandbox):
    people([(f"968900{number:05d}", ("ar", "English", None)[number % 3]) for number in range(9)])
    report = send(message={"ar": "مرحبا", "en": "{{ greeting }}"}, language_column="{{ 'name' }}",
                  context={"greeting": "Hello"})  # fmt: skip
    texts = {message.msisdn: message.text for message in ismart_sandbox.messages}
    assert texts == {
        f"968900{number:05d}": ("مرحبا", "Hello")[number % 3] for number in range(9) if number % 3 < 2
    }
    assert {name: counts["parts"] for name, counts in report["languages"].items()} == {"ar": 3, "en": 3}
    assert (report["reasons"], report["calls"]) == ({"no language": 3}, 2)


def test_sql_and_parameters_are_templates(database, people, send, ismart_sandbox):
    people([(NUMBER, "Ali"), ("96890000002", "Zoe")])
    sql = f"SELECT * FROM {{{{ table }}}} WHERE name = {PLACEHOLDERS[database][0]}"
    send(sql, parameters=["{{ who }}"], context={"table": "people", "who": "Zoe"})
    assert [message.msisdn for message in ismart_sandbox.messages] == ["96890000002"]


def test_sql_can_be_the_name_of_a_file(airflow_loaded, tmp_path):
    (tmp_path / "people.sql").write_text("SELECT * FROM {{ params.table }}", encoding="utf-8")
    with DAG("people", schedule=None, template_searchpath=str(tmp_path)):
        operator = SqlToISmartOperator(task_id="tell", sql="people.sql", conn_id="people_db", message="Hello")
    operator.resolve_template_files()
    operator.render_template_fields({"params": {"table": "people"}})
    assert operator.sql == "SELECT * FROM people"


def test_other_options_are_never_read_as_files(airflow_loaded, tmp_path):
    (tmp_path / "people.sql").write_text("SELECT 1", encoding="utf-8")
    texts = {
        "message": "Report ready: people.sql",
        "idempotency_key": "people.sql",
        "results_path": "{{ day }}/people.sql",
        "parameters": {"file": "people.sql", "files": ["people.sql", {"a": ("people.sql",)}]},
        "hook_params": {"file": "no_such_file.sql"},
    }
    with DAG("people", schedule=None, template_searchpath=str(tmp_path)):
        operator = SqlToISmartOperator(task_id="tell", sql="people.sql", conn_id="people_db", **texts)
        in_list = SqlToISmartOperator(
            task_id="list", sql="SELECT 1", conn_id="people_db", message="people.sql", parameters=["people.sql"]
        )
    for task in (operator, in_list):
        task.resolve_template_files()
        task.render_template_fields({"day": "monday"})
    assert operator.sql == "SELECT 1"
    assert revealed(operator.parameters) == texts["parameters"]
    assert operator.results_path == "monday/people.sql"
    assert [getattr(operator, name) for name in ("message", "idempotency_key", "hook_params")] == [
        texts[name] for name in ("message", "idempotency_key", "hook_params")
    ]
    assert (in_list.message, revealed(in_list.parameters)) == ("people.sql", ["people.sql"])
    assert operator.template_ext == (".sql",)


@pytest.mark.parametrize(("option", "value"), [("conn_id", 5), ("conn_id", None), ("hook_params", ["crm"])])
def test_an_error_names_an_option_of_the_wrong_type(option, value, people, send, ismart_sandbox):
    people([(NUMBER, "Ali")])
    with pytest.raises(ISmartInputError, match=f"{option} is of type "):
        send(**{option: value})
    assert not ismart_sandbox.calls


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_hook_params_are_passed_to_the_hook(people, send, ismart_sandbox):
    people([(NUMBER, "Ali")])
    with pytest.raises(ISmartSourceError, match='database "nowhere" does not exist'):
        send(hook_params={"database": "{{ where }}"}, context={"where": "nowhere"})
    assert not ismart_sandbox.calls


@pytest.mark.parametrize("on_empty", ["skip", "fail"])
def test_an_empty_result_follows_on_empty(on_empty, people, send, ismart_sandbox):
    people([])
    with pytest.raises(AirflowSkipException if on_empty == "skip" else ISmartInputError):
        send(on_empty=on_empty)
    assert not ismart_sandbox.calls


def test_a_failing_query_sends_nothing_and_can_be_retried(people, send, ismart_sandbox):
    people([(NUMBER, "Ali")])
    with pytest.raises(ISmartSourceError, match=r"no_such_table.*Nothing was sent") as caught:
        send("SELECT * FROM no_such_table")
    assert not isinstance(caught.value, AirflowFailException)
    assert not ismart_sandbox.calls


def test_a_query_that_fails_in_the_middle_sends_nothing_and_reports_the_rows_read(
    database, people, send, small_chunks, ismart_sandbox
):
    people([(f"9689000000{digit}", "7" if digit < 7 else "seven") for digit in range(10)])
    failing = {
        "postgres": "SELECT msisdn, name::integer FROM people",
        "sqlite": "SELECT msisdn, json(name) AS name FROM people",
    }
    with pytest.raises(ISmartSourceError, match=r"The query failed after [2-6] rows"):
        send(failing[database], message="{name}")
    assert not ismart_sandbox.calls


def test_a_missing_column_sends_nothing(people, send, ismart_sandbox):
    people([(NUMBER, "Ali")])
    with pytest.raises(ISmartInputError, match="the query has no column 'nmae'; it has 'msisdn', 'name'"):
        send(message="Dear {nmae}")
    assert not ismart_sandbox.calls


def test_on_invalid_fail_sends_nothing_if_a_later_chunk_has_an_invalid_number(
    people, send, small_chunks, ismart_sandbox
):
    people([(f"9689000000{digit}", "") for digit in range(9)] + [("nobody", "")])
    with pytest.raises(ISmartInputError, match="has letters"):
        send(on_invalid="fail")
    assert not ismart_sandbox.calls


@pytest.mark.filterwarnings("ignore")  # what Airflow and its form library warn of is their own affair
def test_a_connection_that_is_not_a_database_is_refused(send, ismart_sandbox):
    with pytest.raises(ISmartInputError, match=r"'ismart_default' is a connection of type 'ismart'.*not a SQL"):
        send(conn_id="ismart_default")
    assert not ismart_sandbox.calls


def test_a_dry_run_reads_and_sends_nothing(people, send, ismart_sandbox):
    people([(NUMBER, "Ali")])
    report = send(message="Dear {name}", dry_run=True)
    assert report["samples"][0]["text"] == "Dear Ali"
    assert not ismart_sandbox.calls


def test_a_rendered_task_does_not_show_parameters(database, people, send, airflow_loaded):
    operator = SqlToISmartOperator(
        task_id="tell", sql="SELECT 1", conn_id="people_db", message="Hello", parameters={"number": NUMBER}
    )
    for _ in range(2):  # Airflow may render a task twice
        operator.render_template_fields({})
    shown = {field: getattr(operator, field) for field in operator.template_fields}
    assert repr(shown["parameters"]) == "<dict, hidden>"
    assert shown["sql"] == "SELECT 1"
    assert NUMBER not in repr(shown)


SECRET = "Your test is positive"


@pytest.mark.parametrize(
    "failing",
    [
        {
            "postgres": "SELECT msisdn, name::integer FROM people",
            "sqlite": "SELECT msisdn, json(name) FROM people",
        },
        dict.fromkeys(("postgres", "sqlite"), f"SELECT nmae FROM people WHERE msisdn = '{NUMBER}'"),
        dict.fromkeys(("postgres", "sqlite"), f"SELECT '{NUMBER}' FROM people WHERE +968 9000-0001"),
        {
            "postgres": "SELECT * FROM people WHERE msisdn = %s::date::text",
            "sqlite": "SELECT * FROM no WHERE a = ?",
        },
    ],
    ids=["a cell", "a literal", "a number in pieces", "a parameter"],
)
def test_no_error_or_log_contains_a_number_or_text(failing, database, people, send, caplog):
    caplog.set_level(logging.DEBUG)
    people([(NUMBER, SECRET)])
    sql = failing[database]
    with pytest.raises(ISmartSourceError) as caught:
        send(sql, parameters=[NUMBER] if "%s" in sql or "?" in sql else None)
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    for secret in (NUMBER, "90000001", "9000-0001", SECRET):
        assert secret not in told
