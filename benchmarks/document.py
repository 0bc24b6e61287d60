"""Put what the benchmarks found into the documentation: the table of ``docs/performance.md``, and its plot."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measuring import Row, results

PAGE = Path(__file__).parent.parent / "docs/performance.md"
BEGIN, END = "<!-- benchmarks -->\n", "<!-- end of benchmarks -->\n"

#: Benchmarks whose rows are points of the plot and no rows of the table.
SERIES = {"at_once", "planning_series"}


def table(rows: list[Row]) -> str:
    """Return the rows as the documentation's table."""
    lines = ["| what | measured | reference | ratio | budget |", "|---|---|---|---|---|"]
    lines += [_line(row) for row in rows if row.benchmark not in SERIES]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    reference = f"{row.reference}: {_figure(row.reference_value, row.unit)}"
    budget = row.budget if row.is_kept else f"{row.budget} (**missed**)"
    return f"| {row.what} | {_figure(row.value, row.unit)} | {reference} | {row.ratio:.2f} | {budget} |"


def _figure(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"  # noqa: PLR2004


def draw(rows: list[Row], path: Path) -> None:
    """Draw how much goes out a minute with how many calls at once, and how planning grows with the rows."""
    import matplotlib as mpl  # noqa: PLC0415  # the table needs none of it
    from matplotlib import pyplot as plt  # noqa: PLC0415

    mpl.rcParams |= {"svg.hashsalt": "ismart", "font.size": 9}
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    sending = [row for row in rows if row.benchmark == "at_once"]
    at_once = [row.size for row in sending]
    left.plot(
        at_once, [row.reference_value for row in sending], "--", color="grey", label="what 50 ms a call allow"
    )
    left.plot(at_once, [row.value for row in sending], "o-", label="sent")
    left.set(xscale="log", yscale="log", xlabel="calls at once (max_concurrency)", ylabel="numbers a minute")
    left.set_xticks(at_once, [f"{count}" for count in at_once])
    left.legend()
    planning = [row for row in rows if row.benchmark == "planning_series"]
    right.plot([row.size for row in planning], [row.value for row in planning], "o-")
    right.set(xscale="log", ylim=(0, None), xlabel="rows, a text each", ylabel="CPU time of planning a row (µs)")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Write both anew."""
    rows = results()
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{table(rows)}{END}{after}", encoding="utf-8")
    draw(rows, PAGE.with_suffix(".svg"))


if __name__ == "__main__":
    main()
