"""Run all benchmarks, each in its own process, write ``benchmarks/results.jsonl``, and update the documentation.

``python -m benchmarks`` takes minutes. A missed budget does not change its exit status; see the rows.
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.measuring import RESULTS

NAMES = ("sending", "calls", "planning", "resuming", "results_file", "ledger_size", "loop", "importing")


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    chosen = sys.argv[1:] or NAMES
    RESULTS.unlink(missing_ok=True)
    for name in chosen:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--results", str(RESULTS)], check=True)
    if chosen is NAMES:
        subprocess.run([sys.executable, "-m", "benchmarks.document"], check=True)


if __name__ == "__main__":
    main()
