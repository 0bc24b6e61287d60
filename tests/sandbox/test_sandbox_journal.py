import http.client
import json
import os
import signal
from contextlib import closing

import pytest

from airflow_provider_ismart.sandbox import Sandbox


def answers(port, targets):
    """Make calls over one connection, as long as they are answered."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        for path in targets:
            try:
                connection.request("GET", path)
                yield connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                return


def test_the_file_has_every_message_in_memory(tmp_path, target):
    journal = tmp_path / "journal.jsonl"
    texts = ["plain", 'quotes " and \\', "سطر\nسطر", "a\u2028b\u2029c\x85d", "😀"]
    with Sandbox(journal=journal) as sandbox:
        paths = [target(Message=text, Lang="64", MobileNo="96890000001,96890000002") for text in texts]
        paths.append(target(PushDateTime="03/04/2999 07:30:00", FLashSMS="Y"))
        assert list(answers(sandbox.port, paths)) == [b"1"] * len(paths)
        lines = journal.read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == [message.as_json() for message in sandbox.messages]
    assert "سطر" in lines[4]


def test_refused_calls_are_not_in_the_file(tmp_path, target):
    journal = tmp_path / "journal.jsonl"
    with Sandbox(journal=journal) as sandbox:
        assert list(answers(sandbox.port, [target(MobileNo="1"), target(Message="")])) == [b"9", b"5"]
    assert journal.read_bytes() == b""


def test_later_runs_and_resets_append_messages_with_new_ids(tmp_path, target):
    journal = tmp_path / "journal.jsonl"
    for _ in range(2):
        with Sandbox(journal=journal) as sandbox:
            assert list(answers(sandbox.port, [target()])) == [b"1"]
            sandbox.reset()
            assert list(answers(sandbox.port, [target()])) == [b"1"]
    assert len({json.loads(line)["id"] for line in journal.read_text(encoding="utf-8").splitlines()}) == 4


def test_an_unwritable_journal_is_reported_immediately(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^cannot write the journal .*: No such file or directory$"):
        Sandbox(journal=tmp_path / "nowhere" / "journal.jsonl")


def test_a_killed_sandbox_leaves_a_complete_journal(tmp_path, run_sandbox, target):
    journal = tmp_path / "journal.jsonl"
    numbers = [f"9689000{n:04}" for n in range(5000)]
    answered = 0
    with run_sandbox("--journal", str(journal)) as (process, _, port):
        for answer in answers(port, (target(MobileNo=number) for number in numbers)):
            assert answer == b"1"
            answered += 1
            if answered == 200:
                os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    recorded = [json.loads(line)["msisdn"] for line in journal.read_text(encoding="utf-8").splitlines()]
    assert answered >= 200
    assert recorded[:answered] == numbers[:answered]
    assert len(recorded) <= answered + 1
