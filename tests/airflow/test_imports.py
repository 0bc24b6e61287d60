"""Check that DAG files, which Airflow imports again and again, import nothing heavy."""

import subprocess
import sys

HEAVY = [
    "pandas",
    "numpy",
    "requests",
    "urllib3",
    "pyarrow",
    "sqlalchemy",
    "tenacity",
    "phonenumbers",
    "pyrate_limiter",
]

SCRIPT = """
import sys
from airflow.providers.common.compat.sdk import (
    AirflowException, AirflowFailException, AirflowNotFoundException, AirflowSensorTimeout, AirflowSkipException,
    BaseHook, BaseNotifier, BaseOperator, BaseSensorOperator, DecoratedOperator, PokeReturnValue, Stats, Variable,
    conf, determine_kwargs, get_current_context, mask_secret, task_decorator_factory,
)
import airflow.triggers.base
brought_by_airflow = set(sys.modules)
import airflow_provider_ismart.decorators.ismart
import airflow_provider_ismart.notifications.ismart
import airflow_provider_ismart.operators.ismart
import airflow_provider_ismart.sensors.ismart
import airflow_provider_ismart.transfers.sql_to_ismart
import airflow_provider_ismart.triggers.ismart
print(*(set(sys.modules) - brought_by_airflow))
"""


def test_modules_that_dag_files_import_load_no_heavy_library():
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    brought = set(result.stdout.split())
    assert {
        f"airflow_provider_ismart.{part}" for part in ("operators.ismart", "transfers.sql_to_ismart")
    } <= brought
    assert not {name for name in brought if name.split(".")[0] in HEAVY}
