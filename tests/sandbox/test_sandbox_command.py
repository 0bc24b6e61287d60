import http.client
import json
import re
import signal
import subprocess
import sys

import pytest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_a_greeting_and_ends_cleanly_on_a_signal(run_sandbox, target, number):
    with run_sandbox() as (process, greeting, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", target())
        assert connection.getresponse().read() == b"1"
        process.send_signal(number)
        assert process.wait(10) == 0
        connection.close()
        assert process.stderr.read() == ""
    assert f"http://127.0.0.1:{port}/\n" in greeting
    assert f"http://127.0.0.1:{port}/_sandbox/messages\n" in greeting
    assert "WARNING" not in greeting
    exported = re.search(r"export AIRFLOW_CONN_ISMART_DEFAULT='(.*)'", greeting)[1]
    assert json.loads(exported) == {
        "conn_type": "ismart",
        "host": "http://127.0.0.1",
        "port": port,
        "login": "sandbox-user",
        "password": "sandbox-password",
    }


def test_user_password_and_journal_are_options(run_sandbox, target, tmp_path):
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


def test_in_a_container_the_command_warns_and_prints_the_token_only_where_needed(run_sandbox, target):
    with run_sandbox("--host", "0.0.0.0") as (process, greeting, port):
        assert "WARNING: other machines can send to this sandbox." in greeting
        page, messages = re.findall(r"http://127\.0\.0\.1:\d+/\S*\?token=\S+", greeting)
        assert messages.startswith(f"http://127.0.0.1:{port}/_sandbox/messages?")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for path in (target(), messages, page, "/_sandbox/messages?token=wrong"):
            connection.request("GET", path)
            connection.getresponse().read()
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout.read() + process.stderr.read() == ""
    assert "token" not in re.search(r"export .*", greeting)[0]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--host", "192.168.1.10"], "only on loopback addresses"),
        (
            ["--port", "99999"],
            "cannot listen on port 99999 of 127.0.0.1: a port is 0 to 65535. Choose another port",
        ),
        (
            ["--port", "0", "--journal", "/nowhere/journal.jsonl"],
            "cannot write the journal /nowhere/journal.jsonl: No such file or directory\n",
        ),
    ],
)
def test_invalid_arguments_are_one_line_of_error(arguments, error):
    command = [sys.executable, "-m", "airflow_provider_ismart.sandbox", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert error in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Errno" not in ended.stderr
