"""Measure runs, and describe the row of a benchmark: a figure, its reference from the same run, and its budget.

The machine may be busy. So a benchmark measures CPU time if possible, alternates between the measured code and its
reference, and takes the median of the ratios.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

#: The rows of the last run of all benchmarks, as JSON lines.
RESULTS = Path(__file__).with_name("results.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a run took, in seconds: on the clock, and of this process's CPU time."""

    clock: float
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure, its reference and its budget.

    :param benchmark: which script measured it.
    :param what: what was measured, and how much of it.
    :param value: the figure, in ``unit``.
    :param reference: what it is compared with, measured in the same run.
    :param reference_value: the reference's figure, in ``unit``.
    :param ratio: what is held against the budget.
    :param at_most: the budget, where there is one; or
    :param at_least: the budget the other way round.
    :param size: what the row varies in a series that the documentation plots.
    """

    benchmark: str
    what: str
    value: float
    unit: str
    reference: str
    reference_value: float
    ratio: float
    at_most: float | None = None
    at_least: float | None = None
    size: int | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the ratio is within the budget, or there is no budget."""
        too_much = self.at_most is not None and self.ratio > self.at_most
        too_little = self.at_least is not None and self.ratio < self.at_least
        return not (too_much or too_little)

    @property
    def budget(self) -> str:
        """The budget in words."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return "" if self.at_least is None else f"at least {self.at_least:g}"

    def __str__(self) -> str:
        verdict = "" if not self.budget else f"; {self.budget}: {'kept' if self.is_kept else 'MISSED'}"
        return (
            f"{self.what}: {self.value:,.4g} {self.unit}; "
            f"{self.reference}: {self.reference_value:,.4g} {self.unit}; ratio {self.ratio:.3g}{verdict}"
        )


def spent(run: Callable[[], object]) -> Spent:
    """Return how long one run takes."""
    clock, cpu = time.perf_counter(), _cpu_seconds()
    run()
    return Spent(clock=time.perf_counter() - clock, cpu=_cpu_seconds() - cpu)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """How long the runs of each case took, in the order of the rounds."""

    runs: Mapping[str, Sequence[Spent]]

    def __getitem__(self, case: str) -> Spent:
        """Return a case's medians."""
        runs = self.runs[case]
        return Spent(clock=median(run.clock for run in runs), cpu=median(run.cpu for run in runs))

    def clock_ratio(self, case: str, reference: str) -> float:
        """Return the time of a case as a multiple of the reference's time: the median over the rounds."""
        return median(
            run.clock / other.clock for run, other in zip(self.runs[case], self.runs[reference], strict=True)
        )

    def cpu_ratio(self, case: str, reference: str) -> float:
        """Return the same for CPU time."""
        return median(
            run.cpu / other.cpu for run, other in zip(self.runs[case], self.runs[reference], strict=True)
        )


def in_turns(rounds: int, cases: Mapping[str, Callable[[], object]]) -> Turns:
    """Run the cases in turn, ``rounds`` times."""
    runs: dict[str, list[Spent]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, run in cases.items():
            runs[name].append(spent(run))
    return Turns(runs=runs)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(measure: Callable[..., Iterable[Row]], doc: str | None, **sizes: int) -> None:
    """Run a benchmark from the command line: print its rows, and append them to ``--results`` as JSON lines.

    ``sizes`` are the arguments of ``measure`` with their defaults, an option each.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in sizes.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=f"default: {default:,}")
    parser.add_argument("--results", type=Path, help="a file that gets a JSON line a row")
    arguments = vars(parser.parse_args())
    path: Path | None = arguments.pop("results")
    for row in measure(**arguments):
        print(row, flush=True)
        if path:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row)) + "\n")


def results() -> list[Row]:
    """Return the rows of the last run of all benchmarks."""
    return [Row(**json.loads(line)) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
