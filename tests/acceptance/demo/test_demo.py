"""Run `make demo`, the first command in the README, and `make inbox`."""

import signal
import subprocess
import sys
import urllib.request
from functools import partial
from importlib.metadata import version
from pathlib import Path

DEMO = Path(__file__).parents[3] / "demo" / "run.py"


def test_the_demo_prints_the_reports_and_every_phones_messages():
    ended = subprocess.run([sys.executable, DEMO], capture_output=True, encoding="utf-8", check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines()]
    for outcome, rows in {"accepted": 4, "invalid": 2, "excluded": 1, "duplicate": 1}.items():
        assert [outcome, str(rows)] in lines
    phones = {line[0]: line[1] for line in lines if line and line[0].startswith("9689")}
    assert phones == {
        "96890000001": "English",
        "96890000002": "Arabic",
        "96890000003": "English",
        "96890000004": "Arabic",
    }

    assert ended.stdout.endswith("\nTo see the messages in your browser, run `make inbox`.\n")


def test_the_inbox_keeps_the_sandbox_running_until_ctrl_c():
    command = [sys.executable, DEMO, "--inbox"]
    # a shell's background job ignores SIGINT, and passes that on
    heeds_ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", preexec_fn=heeds_ctrl_c) as demo:  # noqa: PLW1509
        try:
            [url] = [
                line.split()[-1] for line in iter(demo.stdout.readline, "Stop with Ctrl-C.\n") if "browser" in line
            ]
            with urllib.request.urlopen(url) as page:
                assert b"<title>iSmart sandbox</title>" in page.read()
            with urllib.request.urlopen(f"{url}_sandbox/inbox/phones") as phones:
                assert phones.read().count(b'"msisdn"') == 4
            demo.send_signal(signal.SIGINT)
            assert demo.wait(30) == 0
        finally:
            demo.kill()


def test_a_failing_demo_names_the_command_and_its_log(tmp_path):
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
