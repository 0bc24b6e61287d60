import http.client
import json
import re
import signal
import subprocess
import sys

import pytest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_starts_with_a_greeting_and_ends_cleanly_on_a_signal(run_sandbox, target, number):
    with run_sandbox() as (process, greeting, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", target())
        assert connection.getresponse().read() == b"1"
        process.send_signal(number)
        assert process.wait(10) == 0
        connection.close()
        assert process.stderr.read() == ""
    assert f"http://127.0.0.1:{port}/_sandbox/messages" in greeting
    exported = re.search(r"export AIRFLOW_CONN_ISMART_DEFAULT='(.*)'", greeting)[1]
    assert json.loads(exported) == {
        "conn_type": "ismart",
        "host": "http://127.0.0.1",
        "port": port,
        "login": "sandbox-user",
        "password": "sandbox-password",
    }


def test_the_login_can_be_chosen_and_the_journal_is_named(run_sandbox, target, tmp_path):
    journal = tmp_path / "journal.jsonl"
    with run_sandbox("--user", "me", "--password", "secret", "--journal", str(journal)) as (
        _,
        greeting,
        port,
    ):
        assert str(journal) in greeting
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", target(UserId="me", Password="secret"))
        assert connection.getresponse().read() == b"1"
        connection.close()
    assert json.loads(journal.read_text(encoding="utf-8"))["msisdn"] == "96890000001"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--host", "0.0.0.0"], "only on loopback addresses"),
        (["--port", "99999"], "port must be 0-65535"),
        (["--port", "0", "--journal", "/nowhere/journal.jsonl"], "No such file"),
    ],
)
def test_what_it_cannot_do_is_said_in_one_line(arguments, error):
    command = [sys.executable, "-m", "airflow_provider_ismart.sandbox", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert error in ended.stderr
    assert "Traceback" not in ended.stderr
