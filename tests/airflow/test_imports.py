"""Airflow imports DAG files again and again: the operator's module brings nothing heavy along."""

import subprocess
import sys

import pytest

HEAVY = ["pandas", "numpy", "requests", "pyarrow", "sqlalchemy", "tenacity", "phonenumbers", "pyrate_limiter"]

SCRIPT = """
import sys
from airflow.providers.common.compat.sdk import (
    AirflowException, AirflowFailException, AirflowNotFoundException, AirflowSkipException,
    BaseHook, BaseOperator, get_current_context, mask_secret,
)
brought_by_airflow = set(sys.modules)
import {module}
print(*(set(sys.modules) - brought_by_airflow))
"""


@pytest.mark.parametrize("module", ["operators.ismart", "hooks.ismart", "get_provider_info"])
def test_importing_the_shell_brings_nothing_heavy(module):
    script = SCRIPT.format(module=f"airflow_provider_ismart.{module}")
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    brought = set(result.stdout.split())
    assert f"airflow_provider_ismart.{module}" in brought
    assert not {name for name in brought if name.split(".")[0] in HEAVY}
