"""Measure bias beside smclarify: ``python -m benchmarks.bias`` (``SUITE=bias`` of make)."""

import argparse
import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import LARGE, MEDIUM, Workspace
from benchmarks.machine_facts import machine_facts
from benchmarks.peer_environment import FOLDER, ROOT
from benchmarks.process_meter import Measurement, measure, median_of
from benchmarks.result_page import write_page

PAGE = ROOT / "docs/benchmarks.md"
BEGIN = "<!-- measured: written by make bench SUITE=bias, do not edit -->"
END = "<!-- /measured bias -->"
RUNS = 3
BASELINE_ROWS = 20_000
CPU_SECONDS_LIMIT = 5.0
MIB_LIMIT = 256
RATIO_LIMIT = 3.0
_MIB = 1024 * 1024


@dataclass(frozen=True)
class BiasContender:
    """A script below ``facets``; ``flip_test`` says whether it measures all metrics, or all but that one."""

    key: str
    title: str
    script: str
    rows: int
    flip_test: bool = False


OURS, OURS_FLIP, PEER = "ours", "ours-flip", "smclarify"
OURS_FLIP_SMALL, PEER_FLIP_SMALL = "ours-flip-small", "smclarify-flip-small"
SAMPLED = "**Watchkeeper**, all 21 metrics, Flip Test of 20,000 rows"
COUNTED = (
    BiasContender(OURS, "**Watchkeeper**, 20 metrics, judged", "bias_ours.py", LARGE),
    BiasContender(OURS_FLIP, SAMPLED, "bias_ours.py", LARGE, flip_test=True),
    BiasContender(PEER, "smclarify, 20 metrics", "bias_smclarify.py", LARGE),
)
FLIPPED = (
    BiasContender(OURS_FLIP_SMALL, SAMPLED, "bias_ours.py", MEDIUM, flip_test=True),
    BiasContender(PEER_FLIP_SMALL, "smclarify, all 21 metrics", "bias_smclarify.py", MEDIUM, flip_test=True),
)
CONTENDERS = (*COUNTED, *FLIPPED)
_HEADS = ((COUNTED, OURS), (FLIPPED, OURS_FLIP_SMALL))


def main() -> None:
    """Measure, print, and write the page's section if it was measured as it promises."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bias", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs of each (default: {RUNS})")
    options = parser.parse_args()
    space = Workspace(ROOT / ".cache/bench")
    facts = machine_facts(packages=("scikit-learn", "smclarify"))
    prepare(space, sorted({contender.rows for contender in CONTENDERS}))
    results: dict[str, list[Measurement]] = {contender.key: [] for contender in CONTENDERS}
    for number in range(1, options.runs + 1):
        for contender in CONTENDERS:
            found = run(space, contender, records(space, contender.rows))
            results[contender.key].append(found)
            print(
                f"run {number} of {options.runs}, {contender.key:20} {found.wall_seconds:6.2f} s wall "
                f"{found.cpu_seconds:6.2f} s CPU {found.peak_bytes / _MIB:6.0f} MiB",
                file=sys.stderr,
                flush=True,
            )
    parts = [facts, target_list(results), *result_tables(results)]
    print("\n\n".join(parts))
    if options.runs != RUNS:
        print("Not as the page promises, so docs/benchmarks.md stays as it is.")
        return
    write_page(PAGE, parts, begin=BEGIN, end=END)
    print(f"Written to {PAGE.relative_to(ROOT)}")


def records(space: Workspace, rows: int) -> Path:
    """Return the folder of so many merged records."""
    return space.folder / "bias" / str(rows)


def prepare(space: Workspace, sizes: Sequence[int]) -> None:
    """Make whatever is missing: data, bytecode, our baseline."""
    for rows in (*sizes, BASELINE_ROWS):
        generator = [sys.executable, str(FOLDER / "bias_generator.py"), str(records(space, rows)), str(rows)]
        subprocess.run(generator, check=True)
    compileall.compile_dir(ROOT / "plugins/watchkeeper", quiet=1)
    compileall.compile_dir(FOLDER / "facets", quiet=1)
    make_baseline(space, records(space, BASELINE_ROWS))


def make_baseline(space: Workspace, folder: Path) -> None:
    """Make the report that windows are judged by: of the first rows of another size's records."""
    command = [
        sys.executable,
        str(FOLDER / "facets/bias_ours.py"),
        "yes",
        "-",
        str(folder),
        str(_baseline(space).parent),
    ]
    measure(command, _environment(), ROOT, space.folder / "last-run.log")


def run(space: Workspace, contender: BiasContender, folder: Path) -> Measurement:
    """Measure one process."""
    output = space.output(f"bias-{contender.key}")
    shutil.rmtree(output, ignore_errors=True)
    baseline = [str(_baseline(space))] if contender.script == "bias_ours.py" else []
    flip_test = "yes" if contender.flip_test else "no"
    command = [
        sys.executable,
        str(FOLDER / "facets" / contender.script),
        flip_test,
        *baseline,
        str(folder),
        str(output),
    ]
    return measure(command, _environment(), ROOT, space.folder / "last-run.log")


def _baseline(space: Workspace) -> Path:
    return space.output("bias-baseline") / "analysis.json"


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONPATH": str(ROOT / "plugins"), "OPENBLAS_NUM_THREADS": "1"}


def result_tables(results: Mapping[str, Sequence[Measurement]]) -> list[str]:
    """Return the tables of medians, in Markdown; the last column compares CPU time with ours."""
    return [_table(results, *head) for head in _HEADS]


def _table(results: Mapping[str, Sequence[Measurement]], contenders: Sequence[BiasContender], one: str) -> str:
    lines = [
        f"| {contenders[0].rows:,} rows, 3 facets | wall s | CPU s | least CPU s | peak MiB | rows per CPU s "
        "| CPU, ours = 1 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    ours = median_of(results[one])
    for contender in contenders:
        found = median_of(results[contender.key])
        least = min(run.cpu_seconds for run in results[contender.key])
        lines.append(
            f"| {contender.title} | {found.wall_seconds:.2f} | {found.cpu_seconds:.2f} | {least:.2f} "
            f"| {found.peak_bytes / _MIB:,.0f} | {contender.rows / found.cpu_seconds:,.0f} "
            f"| {found.cpu_seconds / ours.cpu_seconds:.2f}× |"
        )
    return "\n".join(lines)


def target_list(results: Mapping[str, Sequence[Measurement]]) -> str:
    """Return what we set out to reach, what was measured, and whether that is enough."""
    ours, peer = median_of(results[OURS]), median_of(results[PEER])
    ratio = peer.cpu_seconds / ours.cpu_seconds
    targets = (
        (ours.cpu_seconds < CPU_SECONDS_LIMIT, "CPU seconds", ours.cpu_seconds, f"< {CPU_SECONDS_LIMIT:g}"),
        (ours.peak_bytes / _MIB < MIB_LIMIT, "peak memory, MiB", ours.peak_bytes / _MIB, f"< {MIB_LIMIT}"),
        (ratio >= RATIO_LIMIT, "rows per CPU second, times smclarify", ratio, f"≥ {RATIO_LIMIT:g}"),
    )
    lines = []
    for met, what, measured, wanted in targets:
        found = f"{what} of 20 metrics of {LARGE:,} rows: {measured:,.1f} (wanted {wanted})"
        lines.append(f"- {'met' if met else '**not met**'}: {found}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
