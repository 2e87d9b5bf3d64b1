"""Measure attributions beside shap called row by row: ``python -m benchmarks.attribution`` (``SUITE=attribution``)."""

import argparse
import compileall
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import Workspace
from benchmarks.machine_facts import machine_facts
from benchmarks.peer_environment import FOLDER, ROOT
from benchmarks.process_meter import Measurement, measure, median_of
from benchmarks.result_page import write_page

PAGE = ROOT / "docs/benchmarks.md"
BEGIN = "<!-- measured: written by make bench SUITE=attribution, do not edit -->"
END = "<!-- /measured attribution -->"
ROWS, FEATURES, RUNS = 500, 20, 3
CALLS_LIMIT = 20
_MIB = 1024 * 1024


@dataclass(frozen=True)
class AttributionContender:
    """A script below ``explained``, and whom it asks: the model in its process, or an endpoint."""

    key: str
    title: str
    script: str
    kind: str


OURS_CPU, SHAP_CPU, TREES = "ours-cpu", "shap-cpu", "trees"
OURS_ENDPOINT, SHAP_ENDPOINT = "ours-endpoint", "shap-endpoint"
IN_PROCESS = (
    AttributionContender(OURS_CPU, "**Watchkeeper**, KernelSHAP", "explain_ours.py", "cpu"),
    AttributionContender(SHAP_CPU, "shap, row by row", "explain_shap.py", "cpu"),
    AttributionContender(TREES, "**Watchkeeper**, exact TreeSHAP from the file", "explain_trees.py", "cpu"),
)
BY_ENDPOINT = (
    AttributionContender(OURS_ENDPOINT, "**Watchkeeper**, KernelSHAP", "explain_ours.py", "endpoint"),
    AttributionContender(SHAP_ENDPOINT, "shap, row by row", "explain_shap.py", "endpoint"),
)
CONTENDERS = (*IN_PROCESS, *BY_ENDPOINT)
_HEADS = ((IN_PROCESS, OURS_CPU, "model in the process"), (BY_ENDPOINT, OURS_ENDPOINT, "model behind an endpoint"))


@dataclass(frozen=True)
class Explained:
    """One run: what the process cost, and what the explaining took by itself: seconds, calls, requests and rows."""

    cost: Measurement
    seconds: float
    calls: int
    requests: int
    rows_asked: int


def main() -> None:
    """Measure, print, and write the page's section if it was measured as it promises."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attribution", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows to explain (default: {ROWS})")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs of each (default: {RUNS})")
    options = parser.parse_args()
    space = Workspace(ROOT / ".cache/bench")
    facts = machine_facts(packages=("shap", "scikit-learn", "lightgbm"))
    make_model(space)
    compileall.compile_dir(ROOT / "plugins/watchkeeper", quiet=1)
    results: dict[str, list[Explained]] = {contender.key: [] for contender in CONTENDERS}
    for number in range(1, options.runs + 1):
        for contender in CONTENDERS:
            found = run(space, contender, options.rows)
            results[contender.key].append(found)
            print(
                f"run {number} of {options.runs}, {contender.key:14} {found.seconds:6.2f} s explaining "
                f"{found.cost.cpu_seconds:6.2f} s CPU {found.calls:5} calls",
                file=sys.stderr,
                flush=True,
            )
    parts = [facts, target_list(results, options.rows), *result_tables(results, options.rows)]
    print("\n\n".join(parts))
    if options.rows != ROWS or options.runs != RUNS:
        print("Not as the page promises, so docs/benchmarks.md stays as it is.")
        return
    write_page(PAGE, parts, begin=BEGIN, end=END)
    print(f"Written to {PAGE.relative_to(ROOT)}")


def model_path(space: Workspace) -> Path:
    """Return where the model's file lies."""
    return space.folder / "explained" / "model.txt"


def make_model(space: Workspace) -> None:
    """Train the model, unless its file is there; in a process of its own, as the measuring one must stay small."""
    script = str(FOLDER / "explained" / "served_model.py")
    subprocess.run([sys.executable, script, str(model_path(space))], env=_environment(), check=True)


def run(space: Workspace, contender: AttributionContender, rows: int) -> Explained:
    """Measure one process."""
    output = space.output(f"explained-{contender.key}")
    script = str(FOLDER / "explained" / contender.script)
    command = [sys.executable, "-W", "ignore", script, str(model_path(space)), contender.kind, str(rows), str(output)]
    cost = measure(command, _environment(), ROOT, space.folder / "last-run.log")
    facts = json.loads((output / "facts.json").read_text())
    return Explained(cost, facts["seconds"], facts["calls"], facts["requests"], facts["rows"])


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONPATH": str(ROOT / "plugins"), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def result_tables(results: Mapping[str, Sequence[Explained]], rows: int) -> list[str]:
    """Return the tables of medians, in Markdown; the last column compares the seconds of explaining with ours."""
    return [_table(results, rows, *head) for head in _HEADS]


def _table(
    results: Mapping[str, Sequence[Explained]],
    rows: int,
    contenders: Sequence[AttributionContender],
    one: str,
    title: str,
) -> str:
    lines = [
        f"| {rows:,} rows × {FEATURES} features, {title} | explaining s | process CPU s | peak MiB | model calls "
        "| requests | rows asked | rows explained per s | time, ours = 1 |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    ours = seconds_of(results[one])
    for contender in contenders:
        runs = results[contender.key]
        seconds, cost = seconds_of(runs), median_of([found.cost for found in runs])
        lines.append(
            f"| {contender.title} | {seconds:.2f} | {cost.cpu_seconds:.2f} | {cost.peak_bytes / _MIB:,.0f} "
            f"| {runs[0].calls:,} | {runs[0].requests:,} | {runs[0].rows_asked:,} | {rows / seconds:,.1f} "
            f"| {seconds / ours:.2f}× |"
        )
    return "\n".join(lines)


def seconds_of(runs: Sequence[Explained]) -> float:
    """Return the median of the seconds that explaining took."""
    return sorted(found.seconds for found in runs)[len(runs) // 2]


def target_list(results: Mapping[str, Sequence[Explained]], rows: int) -> str:
    """Return what we set out to reach, what was measured, and whether that is enough."""
    ours, theirs = results[OURS_ENDPOINT][0], results[SHAP_ENDPOINT][0]
    faster = {
        "a model in the process": seconds_of(results[SHAP_CPU]) / seconds_of(results[OURS_CPU]),
        "a model behind an endpoint": seconds_of(results[SHAP_ENDPOINT]) / seconds_of(results[OURS_ENDPOINT]),
    }
    lines = [
        f"- {_verdict(ours.calls <= CALLS_LIMIT)}: model calls for {rows:,} rows: {ours.calls:,}, row by row "
        f"{theirs.calls:,} (wanted ≤ {CALLS_LIMIT})"
    ]
    lines += [
        f"- {_verdict(ratio >= 1)}: time of shap row by row, times ours, with {where}: {ratio:.2f} (wanted ≥ 1)"
        for where, ratio in faster.items()
    ]
    return "\n".join(lines)


def _verdict(met: bool) -> str:
    return "met" if met else "**not met**"


if __name__ == "__main__":
    main()
