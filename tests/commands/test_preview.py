"""Test that a preview is the operator's dry run, without a database, an account or a DAG."""

import json
from pathlib import Path

import pandas as pd
import pytest

from airflow_provider_ismart.hooks.ismart import ISmartHook

HOSTILE = "[red]Stop[/red] \x1b[31mhere\x1b[0m \x9b2J"


@pytest.fixture
def recipients(tmp_path):
    path = tmp_path / "recipients.csv"
    path.write_text(
        "msisdn,name,text\n96890000001,Ali,Hello\n9000 0002,Zed,مرحبا\n96890000001,Ali,Hello\n123,Bad,Hello\n",
        encoding="utf-8",
    )
    return path


def test_preview_equals_a_dry_run_and_needs_no_database(
    process, recipients, empty_home, ismart_default, ismart_sandbox
):
    ended = process("preview", recipients, "--message", "Dear {name}", "--json", **empty_home)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    expected = ISmartHook().submit(recipients, {"message": "Dear {name}", "dry_run": True}, {}).as_json()
    times = {"started_at", "seconds"}
    assert {name: value for name, value in json.loads(ended.stdout).items() if name not in times} == {
        name: value for name, value in expected.items() if name not in times
    }
    assert expected["planned_calls"] == 2
    assert not list(Path(empty_home["AIRFLOW_HOME"]).rglob("*.db"))
    assert ismart_sandbox.calls == []


def test_without_json_preview_prints_counts_cost_and_samples_as_tables(command, recipients):
    ended = command("preview", recipients, "--message-column", "text", "--max-credits", "2")
    assert ended.returncode == 0, ended.stderr
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in ended.stdout.splitlines()]
    for row in (
        ["would be sent", "2"],
        ["duplicate", "1"],
        ["invalid", "1"],
        ["number: too short: 3 digits instead of 11; write 9XXXXXXX or 9689XXXXXXX", "1"],
        ["credits, one per part", "2"],
        ["968******01", "1", "Hello"],
        ["968******02", "1", "مرحبا"],
    ):
        assert row in lines
    assert "96890000001" not in ended.stdout


def test_preview_reads_parquet_files_with_the_given_columns(command, tmp_path):
    pd.DataFrame({"phone": ["96890000001", "96890000002"]}).to_parquet(tmp_path / "to.parquet")
    (tmp_path / "opt_outs.csv").write_text("number\n96890000002\n")
    ended = command(
        "preview",
        tmp_path / "to.parquet",
        *("--message", "Hello", "--recipient-column", "phone", "--exclude", tmp_path / "opt_outs.csv"),
        *("--lang", "arabic", "--json"),
    )
    report = json.loads(ended.stdout)
    assert (report["outcomes"]["not_attempted"], report["outcomes"]["excluded"]) == (1, 1)
    assert report["samples"][0]["lang"] == 64


def test_what_simplify_text_would_save_names_the_characters(command, recipients):
    ended = command("preview", recipients, "--message", "’" * 71)
    assert "│ credits that simplify_text would save: ’ (U+2019) │     2 │" in ended.stdout


@pytest.mark.parametrize(
    ("rows", "options", "why"),
    [
        ("123\n", [], "no row can be sent"),
        ("", [], "no row can be sent"),
        ("96890000001\n96890000002\n", ["--max-credits", "1"], "max_credits is 1, but the send costs 2 credits"),
    ],
)
def test_the_exit_status_is_1_if_nothing_would_be_sent(rows, options, why, command, tmp_path):
    (tmp_path / "to.csv").write_text(f"msisdn\n{rows}")
    ended = command("preview", tmp_path / "to.csv", "--message", "Hello", "--json", *options)
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["rows"] == rows.count("\n")
    assert ended.stderr.startswith(f"Nothing would be sent: {why}")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv", "--message", "Hello"], ["nowhere.csv", "No such file"]),
        (["to.txt", "--message", "Hello"], ["to.txt", "not a supported file"]),
        (["to.csv", "--message", "Hello", "--recipient-column", "phone"], ["to.csv", "no column 'phone'"]),
        (["to.csv", "--message", "Hello {nobody}"], ["nobody"]),
        (
            ["to.csv", "--message", "Hello", "--message-column", "text"],
            ["exactly one of --message and --message-column"],
        ),
        (["to.csv"], ["exactly one of --message and --message-column"]),
        (["torn.csv", "--message", "Hello"], ["torn.csv", "line 2"]),
    ],
)
def test_bad_input_is_one_line_of_error(arguments, words, command, tmp_path, one_line_of_error):
    (tmp_path / "to.csv").write_text("msisdn,text\n96890000001,Hello\n")
    (tmp_path / "to.txt").write_text("96890000001\n")
    (tmp_path / "torn.csv").write_text("msisdn,text\n96890000001\n")
    file, *options = arguments
    one_line_of_error(command("preview", tmp_path / file, *options), *words)


def test_a_terminal_shows_a_progress_bar_and_interprets_no_text(on_a_terminal, command, tmp_path, empty_home):
    (tmp_path / "to.csv").write_text(f'msisdn,text\n96890000001,"{HOSTILE}"\n', encoding="utf-8")
    arguments = ("preview", tmp_path / "to.csv", "--message-column", "text")
    ended = on_a_terminal(*arguments, **empty_home)
    assert ended.returncode == 0
    assert "Reading" in ended.shown
    assert r"[red]Stop[/red] \x1b[31mhere\x1b[0m \x9b2J" in ended.shown
    assert "\x1b[31mhere" not in ended.shown
    elsewhere = command(*arguments)
    assert elsewhere.stderr == ""
    assert "\x1b" not in elsewhere.stdout
    assert "\x9b" not in elsewhere.stdout
