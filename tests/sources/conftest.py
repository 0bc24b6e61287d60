"""Provide real databases and files with recipients."""

import json
import sqlite3
from contextlib import closing

import psycopg2
import pytest

from airflow_provider_ismart import sources

#: How a driver has a first parameter, and one by name.
PLACEHOLDERS = {"sqlite": ("?", ":name"), "postgres": ("%s", "%(name)s")}


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, airflow_loaded, monkeypatch, tmp_path):
    """Set up the connection ``people_db`` of a database; yield its kind."""
    if request.param == "sqlite":
        connection = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "people.db")})
    else:
        connection = request.getfixturevalue("postgres")()
    monkeypatch.setenv("AIRFLOW_CONN_PEOPLE_DB", connection)
    return request.param


@pytest.fixture
def people(database):
    """Create the table ``people`` with these rows, each with a number and a name."""

    def make(rows):
        with closing(_connect()) as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE TABLE people (msisdn text, name text)")
            mark = PLACEHOLDERS[database][0]
            cursor.executemany(f"INSERT INTO people VALUES ({mark}, {mark})", rows)
            connection.commit()

    return make


def _connect():
    import os

    where = json.loads(os.environ["AIRFLOW_CONN_PEOPLE_DB"])
    if where["conn_type"] == "sqlite":
        return sqlite3.connect(where["host"])
    return psycopg2.connect(host=where["host"], user=where["login"], dbname=where["schema"])


@pytest.fixture
def small_chunks(monkeypatch):
    """Use chunks of two rows."""
    from airflow_provider_ismart.sources import files, sql

    for module in (sources, files, sql):
        monkeypatch.setattr(module, "CHUNK_ROWS", 2)
