"""Measure a loop of ``hook.send`` over single numbers, in a task of a real DAG run on Airflow 3.3.

The reference is the minimum of a send: a call over an open connection, and two writes to the task state store, one
before the call and one after it. Set ``LOOP_PROFILE`` to a path to profile the sends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from benchmarks.gateway import running_gateway
from benchmarks.measuring import Row, main

#: The budgets are for the last sends, and for the last sends compared with the first ones after a warm-up.
WINDOW = 40
WARM_UP = 10

MILLISECONDS = 30


def measure(sends: int) -> Iterator[Row]:
    """Yield how long the last sends take, and how much more CPU time than the first."""
    rows = _rows(sends)
    last, first = rows[-WINDOW:], rows[WARM_UP : WARM_UP + WINDOW]
    own = median(row["send"] - row["reference"] for row in last) * 1000
    reference = median(row["reference"] for row in last) * 1000
    yield Row(
        benchmark="loop",
        what=f"one of {sends} sends in a task, beyond its call and two writes to the task state store "
        f"({reference:.0f} ms)",
        value=own,
        unit="ms",
        reference="allowed",
        reference_value=MILLISECONDS,
        ratio=own / MILLISECONDS,
        at_most=1,
    )
    cpu, cpu_of_first = (median(row["cpu"] for row in window) * 1000 for window in (last, first))
    yield Row(
        benchmark="loop",
        what=f"CPU time of the last of {sends} sends in a task",
        value=cpu,
        unit="ms",
        reference="of the first",
        reference_value=cpu_of_first,
        ratio=cpu / cpu_of_first,
        at_most=1.2,
    )


def _rows(sends: int) -> list[Mapping[str, float]]:
    with tempfile.TemporaryDirectory(prefix="ismart-loop-") as folder, running_gateway() as gateway:
        results = Path(folder) / "results.json"
        env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "AIRFLOW__"))}
        env |= {
            "AIRFLOW_HOME": folder,
            "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).with_name("dags")),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": "",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
            "LOOP_GATEWAY_PORT": str(gateway.port),
            "LOOP_SENDS": str(sends),
            "LOOP_RESULTS": str(results),
        }
        connection = {
            "conn_type": "ismart",
            "host": "http://127.0.0.1",
            "port": gateway.port,
            "login": "not-a-user",
            "password": "not-a-password",
        }
        _airflow(env, "db", "migrate")
        _airflow(env, "connections", "add", "ismart_default", "--conn-json", json.dumps(connection))
        _airflow(env, "dags", "test", "loop")
        rows: list[Mapping[str, float]] = json.loads(results.read_text(encoding="utf-8"))
    return rows


def _airflow(env: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "airflow", *arguments]
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(result.stdout[-5_000:] + result.stderr[-5_000:])


if __name__ == "__main__":
    main(measure, __doc__, sends=400)
