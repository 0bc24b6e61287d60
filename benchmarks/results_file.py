"""Measure writing every row with its outcome to a file, compared with pandas."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.plan import plan
from airflow_provider_ismart.core.validation import Content, Reading
from airflow_provider_ismart.sending.results_file import ResultsFile
from benchmarks.measuring import Row, in_turns, main
from benchmarks.planning import OWN_TEXT, frame

_OUTCOMES = (
    (slice(0, None, 20), Outcome.REFUSED, 9, "Invalid mobile number"),
    (slice(1, None, 100), Outcome.UNCERTAIN, None, "no answer came: TimeoutError"),
)


def measure(rows: int, rounds: int) -> Iterator[Row]:
    """Yield a row for Parquet and one for CSV."""
    planned = plan(frame(rows), Reading(content=Content(message=OWN_TEXT)))
    planned.outcomes.set(range(rows), Outcome.ACCEPTED)
    for some, outcome, code, reason in _OUTCOMES:
        planned.outcomes.set(range(rows)[some], outcome, code=code, reason=reason)
    with tempfile.TemporaryDirectory() as folder:
        for ending, of_pandas in ((".parquet", "to_parquet"), (".csv", "to_csv")):
            ours, theirs = Path(folder) / f"ours{ending}", Path(folder) / f"theirs{ending}"
            results = ResultsFile(str(ours))
            results.write(planned)
            same = pd.read_parquet(ours) if ending == ".parquet" else pd.read_csv(ours, dtype="string")
            assert len(same) == rows
            write = getattr(same, of_pandas)
            cases = {
                "ours": lambda results=results: results.write(planned),
                "theirs": lambda write=write, path=theirs: write(path, index=False),  # type: ignore[misc]
            }
            turns = in_turns(rounds, cases)
            yield Row(
                benchmark="results_file",
                what=f"results_path {ending} of {rows:,} rows",
                value=turns["ours"].cpu,
                unit="s",
                reference=f"DataFrame.{of_pandas} of the same rows",
                reference_value=turns["theirs"].cpu,
                ratio=turns.cpu_ratio("ours", "theirs"),
            )


if __name__ == "__main__":
    main(measure, __doc__, rows=1_000_000, rounds=3)
