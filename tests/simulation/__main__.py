"""Run simulated histories and report what was broken: ``python -m tests.simulation --seeds 10000``."""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from random import SystemRandom

#: How many histories a worker runs between two reports.
CHUNK = 20


def separate_home():
    """Give Airflow, which needs a home when it is imported, one of its own."""
    for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
        del os.environ[name]
    home = tempfile.TemporaryDirectory(prefix="ismart-simulation-home-")
    os.environ |= {"AIRFLOW_HOME": home.name, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    return home


def run_chunk(seeds):
    """Run the histories of some seeds; return what happened how often, and what was broken by seed."""
    from tests.simulation.history import Simulation

    counts, broken = Counter(), {}
    with Simulation().patched() as simulation:
        for seed in seeds:
            history = simulation.run(seed)
            counts.update(history.counts)
            if history.violations:
                broken[seed] = str(history)
    return counts, broken


def run_seeds(start, count, workers):
    """Run the histories of ``count`` seeds; return how many ran, what happened, and what was broken by seed."""
    chunks = [range(at, min(at + CHUNK, start + count)) for at in range(start, start + count, CHUNK)]
    counts, broken, ran = Counter(), {}, 0
    context = multiprocessing.get_context("fork")  # Airflow is imported once for all
    with context.Pool(workers) as pool:
        for chunk, (happened, found) in zip(chunks, pool.imap(run_chunk, chunks), strict=True):
            ran += len(chunk)
            counts += happened
            broken |= found
    return ran, counts, broken


def table(counts):
    """Return what was exercised, one line each, by kind."""
    lines, kind = [], None
    for what, count in sorted(counts.items(), key=lambda item: tuple(map(str, item[0]))):
        if what[0] != kind:
            kind = what[0]
            lines.append(kind)
        lines.append(f"  {count:>9,}  {' '.join(map(str, what[1:]))}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="how many histories to run")
    parser.add_argument("--start", type=int, help="the first seed; a random one if it is not given")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="how many processes run them")
    parser.add_argument("--show", action="store_true", help="show each history, broken or not")
    options = parser.parse_args()
    start = SystemRandom().randrange(10**9) if options.start is None else options.start
    home = separate_home()
    from tests.simulation.history import Simulation

    if options.show:
        with Simulation().patched() as simulation:
            for seed in range(start, start + options.seeds):
                print(simulation.run(seed), end="\n\n")
        return 0
    print(f"Running {options.seeds:,} histories from seed {start} on {options.workers} processes", flush=True)
    began = time.monotonic()
    ran, counts, broken = run_seeds(start, options.seeds, options.workers)
    seconds = time.monotonic() - began
    print(table(counts))
    print(f"{ran:,} histories in {seconds:.1f} s: {ran / seconds:.0f} a second; {len(broken)} broke a promise")
    if broken:
        print(f"Broken by the seeds {', '.join(map(str, sorted(broken)[:50]))}. The first:\n")
        print(broken[min(broken)])
        print(f"\nTo see it again: python -m tests.simulation --show --seeds 1 --start {min(broken)}")
    home.cleanup()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
