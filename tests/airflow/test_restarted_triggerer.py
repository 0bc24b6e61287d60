"""Test the watches of assets in a real triggerer, which is killed and starts again."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from threading import Thread

import psutil
import pytest


class Watches:
    """The watches of assets. Airflow stores their events in its database."""

    def __init__(self, database, sandbox):
        self._database = database
        self._sandbox = sandbox
        self._triggerer = None
        self._logged = []

    def query(self, statement, *values):
        with closing(sqlite3.connect(self._database, timeout=60)) as metadata, metadata:
            return metadata.execute(statement, values).fetchall()

    def connect(self, conn_id, **fields):
        """Set the fields of the connection."""
        described = json.loads(self._sandbox.connection_json()) | fields
        self.query("DELETE FROM connection WHERE conn_id = ?", conn_id)
        self.query(
            "INSERT INTO connection (conn_id, conn_type, host, port, login, password, extra,"
            " is_encrypted, is_extra_encrypted) VALUES (?, 'ismart', ?, ?, ?, ?, '{}', 0, 0)",
            conn_id,
            *(described[name] for name in ("host", "port", "login", "password")),
        )

    def start(self):
        self._triggerer = subprocess.Popen(
            [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"],
            env=os.environ | {"AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._logged = []  # without a reader, the triggerer would wait for one
        self._reader = Thread(
            target=self._logged.extend, args=[self._triggerer.stdout]
        )  # or it would wait for one
        self._reader.start()

    def kill(self):
        for process in [*psutil.Process(self._triggerer.pid).children(recursive=True), self._triggerer]:
            process.kill()
        self._triggerer.wait()
        self._reader.join()
        self._triggerer.stdout.close()

    def logs(self, text):
        """Wait until the triggerer has logged the text since its start."""
        self.until(lambda: any(text in line for line in list(self._logged)))

    def fired(self, name):
        """Return the codes that the watch has fired for."""
        events = "SELECT e.extra FROM asset_event e JOIN asset ON asset.id = asset_id WHERE name = ? ORDER BY e.id"
        return [json.loads(extra)["payload"]["code"] for (extra,) in self.query(events, name)]

    def remembered(self):
        """Return the content of the assets' store."""
        return [json.loads(value) for (value,) in self.query("SELECT value FROM asset_state_store")]

    @staticmethod
    def until(condition):
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def watches(airflow_version, airflow_db, ismart_default, ismart_sandbox):
    if airflow_version < (3, 0):
        pytest.skip("Airflow 2 has no asset watchers")
    command = [sys.executable, Path(__file__).with_name("watched_assets.py"), "watched", "mistyped"]
    created = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert created.returncode == 0, created.stdout + created.stderr
    watches = Watches(airflow_db, ismart_sandbox)
    yield watches
    watches.kill()
    for table in ("asset_event", "asset_active", "asset", "trigger", "connection"):
        watches.query(f"DELETE FROM {table}")


def test_a_restarted_triggerer_repeats_no_event_and_tries_no_refused_login(
    watches, airflow_version, ismart_sandbox
):
    remembers = airflow_version >= (3, 3)
    watches.connect("watched")
    watches.connect("mistyped", password="wrong")
    ismart_sandbox.configure(credit=0)
    watches.start()
    watches.until(lambda: watches.fired("watched") == [4])
    if remembers:
        watches.until(lambda: watches.remembered() == [{"code": 4}])
    watches.logs("has not changed since")
    watches.kill()

    watches.start()
    watches.logs("has not changed since")
    assert [call.code for call in ismart_sandbox.calls].count(3) == 1

    watches.connect("mistyped")
    watches.until(lambda: watches.fired("mistyped") == [4])  # after all that the other watch has fired
    assert watches.fired("watched") == ([4] if remembers else [4, 4])
    if remembers:
        ismart_sandbox.configure(credit=100)
        watches.until(lambda: {"code": None} in watches.remembered())
        ismart_sandbox.configure(credit=0)
        watches.until(lambda: watches.fired("watched") == [4, 4])
