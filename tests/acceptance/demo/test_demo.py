"""`make demo`, the first command that the README names."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

DEMO = Path(__file__).parents[3] / "demo" / "run.py"


def test_the_demo_shows_the_reports_and_what_every_phone_got():
    ended = subprocess.run([sys.executable, DEMO], capture_output=True, encoding="utf-8", check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert ["accepted", "2", "2"] in lines
    phones = {line[0]: line[1] for line in lines if line and line[0].startswith("9689")}
    assert phones == {
        "96890000001": "English",
        "96890000002": "Arabic",
        "96890000003": "English",
        "96890000004": "Arabic",
    }


def test_a_demo_that_fails_says_which_command_failed_and_where_its_log_is(tmp_path):
    demo = tmp_path / "demo" / "run.py"
    demo.parent.mkdir()
    demo.write_text(DEMO.read_text(encoding="utf-8"), encoding="utf-8")  # a checkout without any example
    migrated = tmp_path / ".demo" / f"airflow-{version('apache-airflow')}" / "migrated"
    migrated.parent.mkdir(parents=True)
    migrated.touch()  # spares the time that it takes

    ended = subprocess.run([sys.executable, demo], capture_output=True, encoding="utf-8", check=False)

    assert ended.returncode == 1
    assert "`airflow dags test ismart_personalised_dataframe` failed" in ended.stderr
    assert "demo.log" in ended.stderr
