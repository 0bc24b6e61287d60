"""Measure the import time that the package adds to a DAG file, beyond what Airflow itself imports.

Each measurement is a process forked from one that has imported Airflow's base classes.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import time
from collections.abc import Iterator
from compileall import compile_dir
from pathlib import Path
from statistics import median

import airflow.triggers.base  # noqa: F401
from airflow.providers.common.compat.sdk import (  # noqa: F401  # what our modules build on
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseHook,
    BaseNotifier,
    BaseOperator,
    BaseSensorOperator,
    DecoratedOperator,
    PokeReturnValue,
    Stats,
    Variable,
    conf,
    determine_kwargs,
    get_current_context,
    mask_secret,
    task_decorator_factory,
)

import airflow_provider_ismart
from benchmarks.measuring import Row, main

PACKAGE = "airflow_provider_ismart"
MODULES = (
    "operators.ismart",
    "sensors.ismart",
    "triggers.ismart",
    "decorators.ismart",
    "transfers.sql_to_ismart",
    "notifications.ismart",
)
HEAVY = {"pandas", "numpy", "urllib3", "requests", "pyarrow", "sqlalchemy", "tenacity", "pyrate_limiter"}
MILLISECONDS = 12


def measure(processes: int) -> Iterator[Row]:
    """Yield a row for each module that a DAG file imports."""
    compile_dir(Path(airflow_provider_ismart.__file__).parent, quiet=1)  # as an installer does
    gc.collect()
    gc.freeze()  # otherwise some processes collect Airflow's own objects
    for module in MODULES:
        yield _row(module, processes)


def _row(module: str, processes: int) -> Row:
    milliseconds = median(_in_fork(module) for _ in range(processes)) * 1000
    return Row(
        benchmark="importing",
        what=f"importing {module}",
        value=milliseconds,
        unit="ms of CPU time",
        reference="allowed",
        reference_value=MILLISECONDS,
        ratio=milliseconds / MILLISECONDS,
        at_most=1,
    )


def _in_fork(module: str) -> float:
    reader, writer = os.pipe()
    if not (child := os.fork()):
        before = set(sys.modules)
        started = time.process_time()
        importlib.import_module(f"{PACKAGE}.{module}")
        seconds = time.process_time() - started
        heavy = HEAVY & {name.partition(".")[0] for name in set(sys.modules) - before}
        os.write(writer, repr("nan" if heavy else seconds).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with open(reader, encoding="ascii") as answer:  # noqa: PTH123  # a pipe has no path
        return float(answer.read().strip("'"))


if __name__ == "__main__":
    main(measure, __doc__, processes=51)
