"""Measure the analysis beside its limits and peers: ``python -m benchmarks`` (``make bench``)."""

import argparse
import compileall
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict

from benchmarks.contenders import (
    CONTENDERS,
    FOLDER,
    HUGE,
    LARGE,
    MEDIUM,
    ROOT,
    SMALL,
    Contender,
    Workspace,
    our_baseline,
)
from benchmarks.machine_facts import machine_facts
from benchmarks.peer_environment import EVIDENTLY, WHYLOGS, make_environment
from benchmarks.process_meter import Measurement, measure
from benchmarks.result_page import result_tables, target_list, write_page

PAGE = ROOT / "docs/benchmarks.md"
SIZES = (SMALL, MEDIUM, LARGE, HUGE)
# A short run is mostly start-up, which wanders more.
RUNS = {SMALL: 5}
USUAL_RUNS = 3


def main() -> None:
    """Measure, print, and write the page if everything was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", choices=SIZES, default=list(SIZES), help="only these windows")
    parser.add_argument("--only", nargs="+", choices=[c.key for c in CONTENDERS], help="only these contenders")
    parser.add_argument("--runs", type=int, help="runs of each (default: 3, of the smallest window 5)")
    options = parser.parse_args()
    chosen = [c for c in CONTENDERS if not options.only or c.key in options.only]
    space = Workspace(ROOT / ".cache/bench")
    facts = machine_facts(WHYLOGS, EVIDENTLY)
    prepare(space, chosen, options.rows)
    results: dict[tuple[str, int], list[Measurement]] = {}
    for rows in options.rows:
        entrants = [c for c in chosen if rows in c.sizes]
        results |= measure_window(space, entrants, rows, options.runs or RUNS.get(rows, USUAL_RUNS))
    parts = [facts, target_list(results), result_tables(results)]
    print("\n\n".join(parts))
    if options.only or options.runs or set(options.rows) != set(SIZES):
        print("Not everything was measured, so docs/benchmarks.md stays as it is.")
        return
    write_page(PAGE, parts)
    record = [{"contender": key, "rows": rows} | asdict(run) for (key, rows), runs in results.items() for run in runs]
    (space.folder / "measurements.json").write_text(json.dumps(record, indent=1))
    print(f"Written to {PAGE.relative_to(ROOT)}")


def prepare(space: Workspace, chosen: list[Contender], sizes: list[int]) -> None:
    """Make whatever is missing: data, environments, bytecode, our baseline."""
    generator = [sys.executable, str(FOLDER / "capture_generator.py")]
    for rows in sizes:
        say(f"capture data of {rows:,} rows")
        subprocess.run([*generator, "window", str(space.folder), str(rows)], check=True)
    subprocess.run([*generator, "reference", str(space.reference)], check=True)
    for name in sorted({c.environment for c in chosen if c.environment}):
        make_environment(name)
    compileall.compile_dir(ROOT / "plugins/watchkeeper", quiet=1)
    compileall.compile_dir(FOLDER / "peers", quiet=1)
    space.output("").mkdir(parents=True, exist_ok=True)
    run(space, *our_baseline(space))


def measure_window(
    space: Workspace, entrants: list[Contender], rows: int, runs: int
) -> dict[tuple[str, int], list[Measurement]]:
    """Run all entrants in turn, several times over, and return what each run has used."""
    found: dict[str, list[Measurement]] = {entrant.key: [] for entrant in entrants}
    for number in range(1, runs + 1):
        for entrant in entrants:
            figures = run(space, *entrant.command(space, rows))
            found[entrant.key].append(figures)
            say(
                f"{rows:>9,} rows, run {number} of {runs}, {entrant.key:18} {figures.wall_seconds:7.2f} s wall "
                f"{figures.cpu_seconds:7.2f} s CPU {figures.peak_bytes / 2**20:7.0f} MiB"
            )
    return {(key, rows): measurements for key, measurements in found.items()}


def run(space: Workspace, command: list[str], variables: Mapping[str, str]) -> Measurement:
    """Measure one process. BLAS threads would only spin, for every contender; bytecode is where it was compiled to."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"OPENBLAS_NUM_THREADS": "1", **variables}
    return measure(command, environment, ROOT, space.folder / "last-run.log")


def say(text: str) -> None:
    """Tell on standard error what is going on."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
