"""Run the commands of `docs/uncertain-calls.md`, from a failed run to the settled one."""

import csv
import os
import re
import runpy
import subprocess
import sys
from datetime import UTC, datetime
from importlib import import_module
from inspect import signature
from pathlib import Path
from textwrap import dedent, indent

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_ismart.sandbox import faults
from tests.ledgers.backings import numbers

PAGE = (Path(__file__).parent.parent.parent / "docs" / "uncertain-calls.md").read_text(encoding="utf-8")
IMPORTS = """
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_ismart.operators.ismart import ISmartSendOperator

with DAG("remind", schedule=None) as dag:
"""
PEOPLE = [{"msisdn": number, "name": name} for number, name in zip(numbers(3), "ABC", strict=True)]

pytestmark = pytest.mark.filterwarnings("default")


def blocks(language):
    """Return the page's code in a language, without the indent of list items."""
    return list(map(dedent, re.findall(rf"^ *```{language}\n(.*?)^ *```$", PAGE, flags=re.MULTILINE | re.DOTALL)))


@pytest.fixture
def run_dag(airflow_db, shared_api_server, ismart_default, make_backing, tmp_path, monkeypatch):
    """Run the page's task in a real run; clear the same run each time, and return it."""
    if "execution_date" in signature(DAG.test).parameters:
        import_module("airflow.providers.fab.auth_manager.models")  # without it, 2.11 cannot delete the first run
    ismart_default(extra={"max_concurrency": 1})
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", make_backing("sqlite").connection)
    monkeypatch.setenv("AIRFLOW__CORE__HOSTNAME_CALLABLE", "socket.gethostname")  # asks no name server
    monkeypatch.setattr("airflow.settings.DAGS_FOLDER", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    [task] = blocks("python")
    (tmp_path / "remind.py").write_text(f"{IMPORTS}{indent(task.replace('...', repr(PEOPLE)), '    ')}")

    def run():
        dag = runpy.run_path("remind.py")["dag"]
        dates = {"logical_date", "execution_date", "run_after"} & signature(dag.test).parameters.keys()
        return dag.test(**dict.fromkeys(dates, datetime(2030, 1, 31, 2, tzinfo=UTC)))

    return run


def test_the_documented_commands_work_and_the_cleared_task_sends_the_rest(run_dag, ismart_sandbox, tmp_path):
    ismart_sandbox.fail(None, faults.Drop(accept=False), faults.Drop(accept=False))
    failed = run_dag()
    assert failed.state == "failed"
    results = tmp_path / "remind" / f"{failed.run_id}.csv"
    release, uncertain, settle = blocks("bash")

    def run(script):
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = os.environ | {"RUN": failed.run_id, "PATH": path}
        ended = subprocess.run(
            ["bash", "-euc", script], env=environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert ended.returncode == 0, ended
        return ended.stdout

    run(release)
    shown = run(uncertain)
    assert [person["msisdn"] in shown for person in PEOPLE] == [False, True, True]
    run(settle)
    cleared = run_dag()
    assert cleared.run_id == failed.run_id
    assert cleared.state == "success"
    assert [message.msisdn for message in ismart_sandbox.messages] == numbers(3)
    with results.open(newline="") as file:
        assert [row["outcome"] for row in csv.DictReader(file)] == ["already_sent", "accepted", "accepted"]
