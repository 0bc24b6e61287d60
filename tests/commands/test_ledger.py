"""Count, search, release and prune the SQL ledger without SQL."""

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from airflow_provider_ismart.ledgers.sql_schema import calls
from airflow_provider_ismart.sandbox import faults
from tests.commands.documented import documented_json
from tests.ledgers.backings import numbers

ROOT = Path(__file__).parents[2]
KEY = "bills-2026-11"
ONE, TWO, THREE, FOUR = numbers(4)
LEDGER = ("--ledger-conn-id", "ledger")
OF_KEY = (*LEDGER, "--key", KEY)


@pytest.fixture
def sqlite(make_backing, monkeypatch):
    backing = make_backing("sqlite")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", backing.connection)
    return backing


@pytest.fixture
def sender(ismart_default, ismart_sandbox, database, monkeypatch):
    """Start a task that sends slowly in its own process, and wait until its second call is in flight."""
    ismart_default(extra={"max_concurrency": 1, "read_timeout": 90})
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", database.connection)

    @contextmanager
    def start(task_id, *, key="", count=2, seconds=60):
        ismart_sandbox.fail(None, faults.Latency(seconds=seconds))
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.commands.sender", task_id, key, str(count)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            while len(ismart_sandbox.calls) < 2:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.01)
            yield process
        finally:
            process.kill()
            process.communicate()

    return start


def results(ended):
    assert ended.returncode == 0, ended
    return documented_json(ended.stdout)


def test_a_summary_counts_the_messages_of_a_key_or_a_task(command, send, sqlite, ismart_sandbox):
    ismart_sandbox.configure(bad_numbers=[ONE])
    send([ONE, TWO, THREE], ledger=sqlite.connection, key=KEY, batch_size=1, run_id="manual__2026-11-01/a")
    assert results(command("ledger", "summary", *OF_KEY, "--json")) == {"accepted": 2, "refused": 1}
    task = ("--task", "dag/manual__2026-11-01/a/send")
    shown = command("ledger", "summary", *LEDGER, *task)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.stdout.splitlines()]
    assert ["accepted", "2"] in rows
    assert ["refused", "1"] in rows
    assert not set(numbers(4)) & set(shown.stdout.split())


def test_the_connection_of_the_gateway_names_the_ledger(command, send, sqlite, ismart_default):
    send([ONE], ledger=sqlite.connection, key=KEY)
    ismart_default(extra={"ledger_conn_id": "ledger"})
    assert results(command("ledger", "summary", "--key", KEY, "--json")) == {"accepted": 1}


def test_uncertain_lists_calls_and_the_uncertain_numbers_of_a_file(
    command, send, database, ismart_sandbox, tmp_path
):
    ismart_sandbox.fail(None, faults.Drop())
    send([ONE, TWO, THREE], ledger=database.connection, key=KEY, batch_size=2, on_uncertain="accept")
    (call,) = results(command("ledger", "uncertain", *OF_KEY, "--json"))["calls"]
    assert (call["task"], call["code"]) == ("dag/run/send/-1", None)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(call["started"])) < timedelta(minutes=5)
    uncertain = numbers(4)[2:3] if call["numbers"] == 1 else [ONE, TWO]
    (tmp_path / "asked.csv").write_text(f"phone\n{ONE[3:]}\n+968 {TWO[3:7]} {TWO[7:]}\n{THREE}\n{FOUR}\nnobody\n")
    asked = ("--numbers", tmp_path / "asked.csv", "--recipient-column", "phone")
    found = results(command("ledger", "uncertain", *OF_KEY, *asked, "--json"))
    assert [number["msisdn"] for number in found["numbers"]] == uncertain
    assert (found["not_uncertain"], found["invalid"]) == (4 - len(uncertain), 1)


def test_a_call_is_no_longer_listed_once_its_messages_were_accepted(command, send, sqlite, ismart_sandbox):
    ismart_sandbox.fail(faults.Drop())
    send([ONE], ledger=sqlite.connection, key=KEY, on_uncertain="accept")
    assert len(results(command("ledger", "uncertain", *OF_KEY, "--json"))["calls"]) == 1
    send([ONE], ledger=sqlite.connection, key=KEY, on_uncertain="resend", try_number=2)
    assert results(command("ledger", "uncertain", *OF_KEY, "--json")) == {"calls": []}


def test_the_open_call_of_a_killed_task_is_released(command, sender, database, send, told, ismart_sandbox):
    with sender("killed", key=KEY) as task_process:
        task_process.kill()
        task_process.wait()
    task = (*LEDGER, "--task", "dag/run/killed")
    assert results(command("ledger", "summary", *task, "--json")) == {"accepted": 1, "submitting": 1}
    unasked = command("ledger", "release", *task)
    assert unasked.returncode == 2
    would, refused = unasked.stderr.splitlines()
    assert would.startswith("Would mark as uncertain: 1 call to 1 number of task dag/run/killed/-1, open since ")
    assert refused == "error: there is no terminal to ask for confirmation, so nothing was changed. Pass --yes."
    assert results(command("ledger", "summary", *task, "--json")) == {"accepted": 1, "submitting": 1}
    (released,) = results(command("ledger", "release", *task, "--yes", "--json"))["released"]
    assert (released["task"], released["calls"], released["numbers"]) == ("dag/run/killed/-1", 1, 1)
    assert results(command("ledger", "summary", *task, "--json")) == {"accepted": 1, "uncertain": 1}
    again = command("ledger", "release", *task)
    assert again.stdout == "Nothing to release: task 'dag/run/killed' has no open calls.\n"
    report = send([TWO], ledger=database.connection, key=KEY, on_uncertain="accept")  # does not wait for it
    assert report.as_json()["reasons"] == {"another task got no clear answer for it": 1}


def test_a_running_task_stops_when_its_calls_are_released(command, sender, ismart_sandbox):
    with sender("alive", count=20, seconds=3) as process:
        process.send_signal(signal.SIGSTOP)  # in the middle of a call, for as long as the command takes
        (released,) = results(command("ledger", "release", *LEDGER, "--task", "dag/run/alive", "--yes", "--json"))[
            "released"
        ]
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "so this try has stopped" in said
    assert len(ismart_sandbox.calls) <= 1 + released["calls"]  # those on record may still start


def test_pruning_deletes_old_calls_and_keeps_newer_and_open_ones(
    command, process, send, database, monkeypatch, told
):
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", database.connection)
    for task_run, number in (("old", ONE), ("open", TWO), ("new", THREE)):
        send([number], ledger=database.connection, key=KEY, run_id=task_run, message=task_run)
    send([FOUR], ledger=database.connection, key="another", run_id="old")
    long_ago = datetime(2026, 1, 31, 22, tzinfo=UTC)
    with database.engine.begin() as connection:
        ids = [row.id for row in connection.execute(calls.select().order_by(calls.c.id))]
        old = calls.c.id.in_([ids[0], ids[1], ids[3]])
        connection.execute(update(calls).where(old).values(at=long_ago))
        connection.execute(update(calls).where(calls.c.id == ids[1]).values(state="submitting"))
    prune = ("ledger", "prune", *OF_KEY, "--yes", "--json", "--before")
    too_early = results(command(*prune, "2026-02-01T01:59+04:00"))
    assert (too_early["before"], too_early["deleted"]) == ("2026-02-01T01:59:00+04:00", {})
    found = results(command(*prune, "2026-02-01"))
    assert found["deleted"] == {"accepted": {"calls": 1, "numbers": 1}}
    assert found["kept_open_calls"] == 1
    assert results(command("ledger", "summary", *OF_KEY, "--json")) == {"submitting": 1, "accepted": 1}
    assert results(command("ledger", "summary", *LEDGER, "--key", "another", "--json")) == {"accepted": 1}
    whole = command("ledger", "prune", *LEDGER, "--whole-ledger", "--before", "2026-02-01", "--yes")
    assert whole.stdout == (
        "Deleted calls of the whole ledger before 2026-02-01T00:00:00+00:00: 1 accepted call (1 number).\n"
    )
    # the senders are kept: a later try of the task is not taken for one whose ledger is lost
    send([ONE, TWO], ledger=database.connection, key=KEY, run_id="old", try_number=2, on_uncertain="accept")
    assert told()[ONE] == 2


@pytest.mark.parametrize(("typed", "status", "left"), [("y\n", 0, {}), ("n\n", 1, {"accepted": 1})])
def test_a_terminal_asks_for_confirmation(typed, status, left, command, on_a_terminal, send, sqlite):
    send([ONE], ledger=sqlite.connection, key=KEY)
    with sqlite.engine.begin() as connection:
        connection.execute(update(calls).values(at=datetime(2026, 1, 1, tzinfo=UTC)))
    ended = on_a_terminal("ledger", "prune", *OF_KEY, "--before", "2026-01-02", typed=typed)
    assert ended.returncode == status, ended.shown
    assert "Delete them? A cleared task can send their messages again. [y/N] " in ended.shown
    assert results(command("ledger", "summary", *OF_KEY, "--json")) == left


def test_names_in_a_ledger_are_printed_without_being_interpreted(
    command, on_a_terminal, send, sqlite, ismart_sandbox
):
    hostile = "[red]run[/red] \x1b[31m"
    ismart_sandbox.fail(faults.Drop())
    send([ONE], ledger=sqlite.connection, key=KEY, run_id=hostile, on_uncertain="accept")
    for ended, shown in (
        ((found := command("ledger", "uncertain", *OF_KEY)), found.stdout),
        ((found := on_a_terminal("ledger", "uncertain", *OF_KEY)), found.shown),
    ):
        assert ended.returncode == 0, shown
        assert r"dag/[red]run[/red] \x1b[31m/send/-1" in shown
        assert "\x1b[31m" not in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["summary", *LEDGER], ["exactly one of --key and --task"]),
        (["summary", *LEDGER, "--key", "bills", "--task", "dag/run/send"], ["exactly one of --key and --task"]),
        (["summary", *LEDGER, "--key", "nobody"], ["no key 'nobody'"]),
        (["release", *LEDGER, "--task", "dag/run/sen", "--yes"], ["no task 'dag/run/sen'"]),
        (["summary", "--key", KEY], ["ismart_default", "--ledger-conn-id", "results file"]),
        (["summary", "--key", KEY, "--ledger-conn-id", "nowhere"], ["nowhere"]),
        (["summary", "--key", KEY, "--ledger-conn-id", ""], ["``"]),
        (["summary", "--key", KEY, "--ledger-conn-id", "empty"], ["empty", "no ledger"]),
        (["summary", "--key", KEY, "--ledger-conn-id", "broken"], ["broken", "cannot be read"]),
        (["uncertain", *OF_KEY, "--numbers", "/nowhere.csv"], ["/nowhere.csv"]),
        (["prune", *LEDGER, "--before", "2026-01-01", "--yes"], ["--whole-ledger"]),
        (["prune", *OF_KEY, "--before", "soon", "--yes"], ["--before is 'soon'"]),
        (["prune", *OF_KEY, "--before", "2999-01-01", "--yes"], ["in the future"]),
        (["prune", *OF_KEY, "--before", "0001-01-01T00:00+14:00", "--yes"], ["outside the calendar"]),
    ],
)
def test_bad_input_is_one_line_of_error(
    arguments, words, command, send, sqlite, tmp_path, monkeypatch, airflow_db, one_line_of_error
):
    send([ONE], ledger=sqlite.connection, key=KEY)
    (tmp_path / "broken.db").write_text("this is no database, but long enough to be read as one")
    for name in ("empty", "broken"):
        where = {"conn_type": "sqlite", "host": str(tmp_path / f"{name}.db")}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(where))
    one_line_of_error(command("ledger", *arguments), *words)
    assert not (tmp_path / "empty.db").exists()
