"""Test that the Makefile's lists are complete, and that the documented versions are installed."""

import csv
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
#: The columns of the table in docs/versions.csv that hold versions.
PACKAGES = [
    "apache-airflow",
    "pandas",
    "pyarrow",
    "sqlalchemy",
    "apache-airflow-providers-common-compat",
    "apache-airflow-providers-common-sql",
    "requests",
    "tenacity",
]
UPGRADED_IN_AN_IMAGE = {"apache-airflow-providers-common-compat", "apache-airflow-providers-common-sql"}


def variables(prefix):
    """Return the Makefile's variables that start with ``prefix``: the rest of the name, and the words."""
    found = re.findall(rf"^{prefix}(\S*) :=(.*)$", MAKEFILE, re.MULTILINE)
    return {name: value.split() for name, value in found}


def lock_of(environment):
    return environment.rpartition("-py")[0]


def pins(name):
    text = (CHECKOUT / "constraints" / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?==(\S+)", text, re.MULTILINE))


LOCKS = sorted({lock_of(environment) for environment in variables("RUNS_")})
OFFICIAL = [lock for lock in LOCKS if lock.startswith("official-")]


def test_every_suite_of_acceptance_tests_is_run_somewhere():
    suites = {path.parent.name for path in (CHECKOUT / "tests" / "acceptance").glob("*/test_*.py")}
    runs = variables("ACCEPTANCE")[""]
    assert {run.partition("@")[0] for run in runs} == suites


def test_the_newest_airflow_runs_every_group_of_tests():
    [groups] = variables("SUITES").values()
    runs = variables("RUNS_")
    newest = {group for environment, run in runs.items() if environment.startswith("airflow-3.3") for group in run}
    [slow] = variables("SLOW").values()
    left_to_test_all = {
        group
        for group in groups
        if any(entry.startswith((f"$(SUITE_{group})", *variables("SUITE_")[group])) for entry in slow)
    }
    assert left_to_test_all <= newest  # `make test` runs the other groups


def test_every_group_of_tests_exists_and_explains_why_it_is_omitted():
    [groups] = variables("SUITES").values()
    assert variables("SUITE_").keys() == variables("WHY_").keys() == set(groups)
    for run in variables("RUNS_").values():
        assert set(run) <= set(groups)
    for paths in variables("SUITE_").values():
        for path in paths:
            assert (CHECKOUT / path).exists(), path


def test_each_airflow_is_tested_with_the_newest_packages_and_those_of_its_official_image():
    lines = {"2.11", "3.0", "3.1", "3.2", "3.3"}
    assert set(LOCKS) == {"lowest"} | {f"{kind}-{line}" for kind in ("airflow", "official") for line in lines}


@pytest.mark.parametrize("lock", OFFICIAL)
def test_installing_in_an_official_image_upgrades_only_the_common_providers(lock):
    image, installed = pins(f"{lock}.in"), pins(f"{lock}.txt")
    assert image
    assert {name: installed.get(name) for name in image} == image
    text = (CHECKOUT / "constraints" / f"{lock}.in").read_text(encoding="utf-8")
    assert set(re.findall(r"^#   ([a-z-]+)==", text, re.MULTILINE)) == UPGRADED_IN_AN_IMAGE


def test_the_table_of_versions_matches_the_locks():
    with (CHECKOUT / "docs" / "versions.csv").open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    assert {lock: versions for lock, *versions in rows} == {
        lock: [pins(f"{lock}.txt")[package] for package in PACKAGES] for lock in LOCKS
    }


def test_the_readme_lists_the_tested_airflow_versions():
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    versions = {pins(f"{lock}.txt")["apache-airflow"] for lock in LOCKS if lock.startswith("airflow-")}
    tested = re.search(r"tested on ([\d., and]+), each", readme)[1]
    assert set(re.findall(r"\d+\.\d+\.\d+", tested)) == versions
