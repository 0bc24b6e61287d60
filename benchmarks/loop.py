"""What a send costs in a loop of ``hook.send`` over single numbers, in a task of a real DAG run on Airflow 3.3.

The reference is what no send can do without: the call, over a connection that stays open, and two writes to the
task state store, one before the call and one after it. Set ``LOOP_PROFILE`` to a path for a profile of the sends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, median

from benchmarks.gateway import running_gateway
from benchmarks.measuring import Row, main

#: A row looks at this many sends: the last of the first 50, and of all.
WINDOW = 40

#: 30 ms a send where the reference takes 22 ms, as it does on a machine that is idle.
MOST_TIMES_THE_REFERENCE = 1.6


def measure(sends: int) -> Iterator[Row]:
    """Yield, after 50 and after all sends, how long one takes and what it asks of the store and of Airflow."""
    rows = _rows(sends)
    for size in (50, sends):
        window = rows[max(0, size - WINDOW) : size]
        took = median(row["send"] for row in window)
        reference = median(row["reference"] for row in window)
        yield Row(
            benchmark="loop",
            what=f"one send of a loop, after {size} of them",
            value=took * 1000,
            unit="ms",
            reference="the call and two writes to the task state store",
            reference_value=reference * 1000,
            ratio=took / reference,
            at_most=MOST_TIMES_THE_REFERENCE,
            size=size,
        )
        yield _counts(window, ("reads", "writes"), "reads and writes of the store", at_most=1.05, size=size)
        yield _counts(window, ("requests",), "requests to Airflow's supervisor", at_most=1.5, size=size)


def _counts(
    window: Sequence[Mapping[str, float]], names: tuple[str, ...], what: str, *, at_most: float, size: int
) -> Row:
    count = mean(sum(row.get(name, 0) for name in names) for row in window)
    return Row(
        benchmark="loop",
        what=f"{what} per send, after {size} of them",
        value=count,
        unit="requests",
        reference="the two writes",
        reference_value=2,
        ratio=count / 2,
        at_most=at_most,
        size=size,
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
