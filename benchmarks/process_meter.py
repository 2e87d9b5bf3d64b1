"""What a whole process costs: wall time, CPU seconds and peak memory, as the kernel counted them.

The measuring process stays small on purpose: a child starts with its parent's peak, so a large parent would be
measured instead of a small child.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measurement:
    """One run, or the medians of several: seconds, seconds of all cores together, bytes."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def measure(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> Measurement:
    """Run a command to its end and return what it and the children it waited for have used.

    Peak memory is that of the largest process among them.

    Raises
    ------
    RuntimeError
        when it fails, with the end of what it printed.
    """
    with log.open("wb") as output:
        started = time.perf_counter()
        child = subprocess.Popen(
            list(command), env=dict(environment), cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        tail = log.read_text(errors="replace")[-2000:]
        message = f"{' '.join(command)} ended with status {child.returncode}:\n{tail}"
        raise RuntimeError(message)
    return Measurement(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def median_of(runs: Sequence[Measurement]) -> Measurement:
    """Return the median of each figure by itself."""
    return Measurement(
        statistics.median(run.wall_seconds for run in runs),
        statistics.median(run.cpu_seconds for run in runs),
        int(statistics.median(run.peak_bytes for run in runs)),
    )
