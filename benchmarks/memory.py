"""Measure how much more memory a process takes while a function runs, as Linux counts it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

_OF_THIS_PROCESS = Path("/proc/self")
_FORGET_THE_PEAK = "5"  # proc(5), clear_refs


def peak_megabytes(run: Callable[[], object]) -> float:
    """Return by how much resident memory grows, at its peak, beyond what it was before the run."""
    gc.collect()
    (_OF_THIS_PROCESS / "clear_refs").write_text(_FORGET_THE_PEAK)
    before = _kilobytes("VmRSS")
    run()
    return (_kilobytes("VmHWM") - before) / 1024


def _kilobytes(field: str) -> int:
    lines = (_OF_THIS_PROCESS / "status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
