"""Run new histories each time; SIMULATION_SEEDS is their number, SIMULATION_START the first seed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_ismart

try:
    from airflow.sdk import NEVER_EXPIRE  # noqa: F401
except ImportError:
    pytest.skip("the simulated task state store is Airflow 3.3's", allow_module_level=True)

from tests.simulation.history import Simulation
from tests.simulation.mutants import MUTANTS

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.timeout(3600)
def test_no_history_breaks_a_promise():
    command = [sys.executable, "-m", "tests.simulation", "--seeds", os.environ.get("SIMULATION_SEEDS", "500")]
    if start := os.environ.get("SIMULATION_START"):
        command += ["--start", start]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_seed_always_makes_the_same_history():
    with Simulation().patched() as simulation:
        for seed in range(10):
            first, second = simulation.run(seed), simulation.run(seed)
            assert str(first) == str(second)
            assert first.counts == second.counts


def test_each_mutants_text_occurs_once_in_the_package():
    for mutant in MUTANTS:
        assert (Path(airflow_provider_ismart.__file__).parent / mutant.file).read_text().count(mutant.old) == 1, (
            mutant
        )
