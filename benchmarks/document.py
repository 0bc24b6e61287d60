"""Write the results of the benchmarks into the documentation: a table and a plot in ``docs/contributing/``."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from benchmarks.measuring import Row, results

#: ``performance.md`` in the same folder includes both.
TABLE = Path(__file__).parent.parent / "docs/contributing/performance.csv"
PLOT = TABLE.with_suffix(".svg")

#: Benchmarks whose rows are points of the plot, not rows of the table.
SERIES = {"at_once", "planning_series"}


def table(rows: list[Row]) -> str:
    """Return the rows as CSV, with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["what", "measured", "reference", "ratio", "budget"])
    writer.writerows(_cells(row) for row in rows if row.benchmark not in SERIES)
    return text.getvalue()


def _cells(row: Row) -> list[str]:
    reference = f"{row.reference}: {_figure(row.reference_value, row.unit)}"
    budget = row.budget if row.is_kept else f"{row.budget} (**missed**)"
    return [row.what, _figure(row.value, row.unit), reference, f"{row.ratio:.2f}", budget]


def _figure(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"  # noqa: PLR2004


def draw(rows: list[Row], path: Path) -> None:
    """Draw the throughput by calls in flight, and how planning grows with the rows."""
    import matplotlib as mpl  # noqa: PLC0415  # the table does not need it
    from matplotlib import pyplot as plt  # noqa: PLC0415

    mpl.rcParams |= {"svg.hashsalt": "ismart", "font.size": 9}
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    sending = [row for row in rows if row.benchmark == "at_once"]
    at_once = [row.size for row in sending]
    left.plot(
        at_once, [row.reference_value for row in sending], "--", color="grey", label="limit at 50 ms per call"
    )
    left.plot(at_once, [row.value for row in sending], "o-", label="sent")
    left.set(xscale="log", yscale="log", xlabel="calls in flight (max_concurrency)", ylabel="numbers per minute")
    left.set_xticks(at_once, [f"{count}" for count in at_once])
    left.legend()
    planning = [row for row in rows if row.benchmark == "planning_series"]
    right.plot([row.size for row in planning], [row.value for row in planning], "o-")
    right.set(
        xscale="log", ylim=(0, None), xlabel="rows with personal texts", ylabel="CPU time to plan a row (µs)"
    )
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Write the table and the plot."""
    rows = results()
    TABLE.write_text(table(rows), encoding="utf-8")
    draw(rows, PLOT)


if __name__ == "__main__":
    main()
