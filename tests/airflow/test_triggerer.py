"""Run the trigger in a real triggerer's subprocess, which reads connections through its supervisor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_ismart.coordination.variables import SharedState
from airflow_provider_ismart.sandbox import faults

TRIGGERER = Path(__file__).with_name("triggerer.py")


def test_a_triggerer_continues_after_looking_up_a_connection_in_the_database(
    airflow_version, airflow_db, ismart_sandbox
):
    if airflow_version < (3, 0):
        pytest.skip("the triggers of Airflow 2 ask the database themselves")
    good = json.loads(ismart_sandbox.connection_json())
    described = {"in_database": good, "in_database_too": good, "mistyped_there": good | {"password": "wrong"}}
    ismart_sandbox.configure(max_failed_logins=9)
    ismart_sandbox.fail(faults.ReturnCode(code=4), faults.ReturnCode(code=4))
    ended = subprocess.run(
        [sys.executable, TRIGGERER],
        env=os.environ | {"TEST_CONNECTIONS": json.dumps(described)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    [line] = [line for line in ended.stdout.splitlines() if line.startswith("codes and names: ")]
    codes, names = json.loads(line.partition(": ")[2])
    assert sorted(codes, key=str) == [3, 9, 9, 9, 9, None]  # a refused login is not tried again
    assert SharedState("login", "mistyped_there").name in names
    assert ismart_sandbox.password not in ended.stdout + ended.stderr
