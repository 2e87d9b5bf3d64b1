"""Measure the merge of captures with labels beside pandas: ``python -m benchmarks.merge`` (``SUITE=merge`` of make)."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import FOLDER, LARGE, ROOT, Workspace
from benchmarks.machine_facts import machine_facts
from benchmarks.process_meter import Measurement, measure, median_of
from benchmarks.result_page import write_page

PAGE = ROOT / "docs/benchmarks.md"
BEGIN = "<!-- measured: written by make bench SUITE=merge, do not edit -->"
END = "<!-- /measured merge -->"
RUNS = 3
CPU_SECONDS_LIMIT = 20.0
MIB_LIMIT = 512
_MIB = 1024 * 1024


@dataclass(frozen=True)
class MergeContender:
    """A script below ``labelled`` with its options; it takes captures, labels and where to write."""

    key: str
    title: str
    script: str
    options: tuple[str, ...] = ()


OURS, OURS_INDEXED, PANDAS = "ours", "ours-indexed", "pandas"
CONTENDERS = (
    MergeContender(OURS, "**Watchkeeper**, join", "merge_ours.py"),
    MergeContender(OURS_INDEXED, "**Watchkeeper**, key indexes and join", "merge_ours.py", ("--index",)),
    MergeContender(PANDAS, "pandas `merge`", "merge_pandas.py"),
)


def main() -> None:
    """Measure, print, and write the page's section if it was measured as it promises."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.merge", description=__doc__)
    parser.add_argument("--rows", type=int, default=LARGE, help="captures, and as many labels (default: 1,000,000)")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs of each (default: {RUNS})")
    options = parser.parse_args()
    space = Workspace(ROOT / ".cache/bench")
    facts = machine_facts()
    labels = space.folder / "labels" / str(options.rows)
    generator = [sys.executable, str(FOLDER / "capture_generator.py"), "window", str(space.folder), str(options.rows)]
    subprocess.run(generator, check=True)
    subprocess.run(
        [sys.executable, str(FOLDER / "label_generator.py"), str(space.window(options.rows)), str(labels)], check=True
    )
    results: dict[str, list[Measurement]] = {contender.key: [] for contender in CONTENDERS}
    for number in range(1, options.runs + 1):
        for contender in CONTENDERS:
            found = run(space, contender, space.window(options.rows), labels)
            results[contender.key].append(found)
            print(
                f"run {number} of {options.runs}, {contender.key:14} {found.wall_seconds:6.2f} s wall "
                f"{found.cpu_seconds:6.2f} s CPU {found.peak_bytes / _MIB:6.0f} MiB",
                file=sys.stderr,
                flush=True,
            )
    parts = [facts, target_list(results), result_table(results, options.rows)]
    print("\n\n".join(parts))
    if options.rows != LARGE or options.runs != RUNS:
        print("Not as the page promises, so docs/benchmarks.md stays as it is.")
        return
    write_page(PAGE, parts, begin=BEGIN, end=END)
    print(f"Written to {PAGE.relative_to(ROOT)}")


def run(space: Workspace, contender: MergeContender, captures: Path, labels: Path) -> Measurement:
    """Measure one process."""
    output = space.output(f"merge-{contender.key}")
    shutil.rmtree(output, ignore_errors=True)
    script = str(FOLDER / "labelled" / contender.script)
    command = [sys.executable, script, *contender.options, str(captures), str(labels), str(output)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(ROOT / "plugins"), "OPENBLAS_NUM_THREADS": "1"}
    return measure(command, environment, ROOT, space.folder / "last-run.log")


def result_table(results: Mapping[str, Sequence[Measurement]], rows: int) -> str:
    """Return the table of medians, in Markdown; the last column compares CPU time with our join's."""
    lines = [
        f"| {rows:,} captures, {rows:,} labels | wall s | CPU s | least CPU s | peak MiB | captures per CPU s "
        "| CPU, join = 1 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    ours = median_of(results[OURS])
    for contender in CONTENDERS:
        found = median_of(results[contender.key])
        least = min(one.cpu_seconds for one in results[contender.key])
        lines.append(
            f"| {contender.title} | {found.wall_seconds:.2f} | {found.cpu_seconds:.2f} | {least:.2f} "
            f"| {found.peak_bytes / _MIB:,.0f} | {rows / found.cpu_seconds:,.0f} "
            f"| {found.cpu_seconds / ours.cpu_seconds:.2f}× |"
        )
    return "\n".join(lines)


def target_list(results: Mapping[str, Sequence[Measurement]]) -> str:
    """Return what we set out to reach, what was measured, and whether that is enough."""
    found = median_of(results[OURS_INDEXED])
    targets = (
        ("CPU seconds of indexes and join", found.cpu_seconds, CPU_SECONDS_LIMIT),
        ("peak memory, MiB", found.peak_bytes / _MIB, MIB_LIMIT),
    )
    return "\n".join(
        f"- {'met' if measured < limit else '**not met**'}: {what}: {measured:,.1f} (wanted < {limit:g})"
        for what, measured, limit in targets
    )


if __name__ == "__main__":
    main()
