"""Run the DataFrame example on a real Airflow against the sandbox, and print the report and the messages.

`make demo` runs this. `make inbox` runs it with `--inbox`, which keeps the sandbox and its page running.
It writes only to `.demo/` and sends nothing beyond this machine.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
HOME = CHECKOUT / ".demo" / f"airflow-{version('apache-airflow')}"
LOG = HOME / "demo.log"
JOURNAL = HOME / "messages.jsonl"
DAG_ID = "ismart_personalised_dataframe"
LANGUAGES = {0: "English", 64: "Arabic"}


class DemoError(Exception):
    """A step failed. The message has its name and output."""


def main() -> None:
    """Run the DAG, then print its reports and the messages."""
    HOME.mkdir(parents=True, exist_ok=True)
    for old in (LOG, JOURNAL):
        old.unlink(missing_ok=True)
    with sandbox() as (page, connection):
        environment = airflow_environment(connection)
        migrate(environment)
        say(f"Running the DAG {DAG_ID} from dags_examples/personalised_dataframe.py on Airflow …")
        airflow(environment, "dags", "test", DAG_ID)
        say("\nReports of the tasks that sent\n")
        say(report_table(last_reports()))
        say("\nMessages by phone\n")
        say(phone_table(JOURNAL.read_text(encoding="utf-8").splitlines()))
        say(f"\nAirflow's log: {relative(LOG)}\nThe sandbox's journal: {relative(JOURNAL)}")
        if "--inbox" in sys.argv[1:]:
            say(f"\nSee the messages in your browser: {page}\nStop with Ctrl-C.")
            wait_for_ctrl_c()
        else:
            say("\nTo see the messages in your browser, run `make inbox`.")


def wait_for_ctrl_c() -> None:
    """Wait until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)  # signal.pause would miss a signal that arrives just before it


@contextmanager
def sandbox() -> Iterator[tuple[str, str]]:
    """Run the sandbox in its own process, on a free port; yield its page's URL and the Airflow connection."""
    command = [sys.executable, "-m", "airflow_provider_ismart.sandbox", "--port", "0", "--journal", str(JOURNAL)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603
    try:
        assert process.stdout  # noqa: S101  # it is a pipe
        greeting = []
        for line in process.stdout:
            greeting.append(line)
            if line.strip().startswith("export AIRFLOW_CONN_ISMART_DEFAULT="):
                break
        else:
            raise DemoError(f"The sandbox did not start:\n{''.join(greeting)}")
        page = next(line for line in greeting if "browser" in line).split()[-1]
        yield page, shlex.split(greeting[-1])[1].partition("=")[2]
    finally:
        process.terminate()
        process.wait()


def airflow_environment(connection: str) -> dict[str, str]:
    """Return the environment of a separate Airflow, without the settings of your own Airflow."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return inherited | {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "dags_examples"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_ISMART_DEFAULT": connection,
    }


def migrate(environment: dict[str, str]) -> None:
    """Create Airflow's database, once per Airflow version."""
    done = HOME / "migrated"
    if not done.exists():
        say("Creating Airflow's database (once) …")
        airflow(environment, "db", "migrate")
        done.touch()


def airflow(environment: dict[str, str], *arguments: str) -> None:
    """Run an Airflow command and write its output to the log."""
    with LOG.open("a", encoding="utf-8") as log:
        command = [sys.executable, "-m", "airflow", *arguments]
        ended = subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)  # noqa: S603
    if ended.returncode:
        tail = "\n".join(LOG.read_text(encoding="utf-8").splitlines()[-30:])
        raise DemoError(f"{tail}\n\n`airflow {' '.join(arguments)}` failed. Full log: {relative(LOG)}")


def last_reports() -> dict[str, Any]:
    """Return the reports of the last run by task id, from Airflow's database."""
    query = """
        SELECT task_id, value FROM xcom
        WHERE dag_run_id = (SELECT max(id) FROM dag_run) AND key = 'return_value' AND task_id LIKE 'send%'
        ORDER BY task_id
    """
    with closing(sqlite3.connect(HOME / "airflow.db")) as database:
        return {task_id: json.loads(value) for task_id, value in database.execute(query)}


def report_table(reports: dict[str, Any]) -> str:
    """Format the reports side by side, one column per task."""
    outcomes = next(iter(reports.values()))["outcomes"]
    lines = {"rows": [report["rows"] for report in reports.values()]}
    for outcome in outcomes:
        lines[f"  {outcome}"] = [report["outcomes"][outcome] for report in reports.values()]
    for name in ("calls", "credits_estimated"):
        lines[name] = [report[name] for report in reports.values()]
    reasons = [
        f"{task_id}: {count} x {reason}"
        for task_id, report in reports.items()
        for reason, count in report["reasons"].items()
    ]
    return "\n".join([table(["", *reports], [[name, *cells] for name, cells in lines.items()]), "", *reasons])


def phone_table(journal: list[str]) -> str:
    """Format the accepted messages by phone, with the text last because Arabic runs from right to left."""
    messages = sorted(map(json.loads, journal), key=lambda message: message["msisdn"])
    rows = [[m["msisdn"], LANGUAGES[m["lang"]], m["parts"], m["text"]] for m in messages]
    return table(["phone", "language", "parts", "text"], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Format rows as aligned columns. The last column is not padded."""
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths[-1] = 0
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )


def relative(path: Path) -> Path:
    """Return a path relative to the checkout."""
    return path.relative_to(CHECKOUT)


def say(text: str) -> None:
    """Print and flush, so that pipes get the text immediately."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the sandbox stops too
    try:
        main()
    except DemoError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        sys.exit("stopped")
