"""Measure labelled windows beside pandas and scikit-learn: ``python -m benchmarks.merge`` (``SUITE=merge`` of make).

Once the merge of captures with labels alone, once with the model's metrics, bootstrap and judgement.
"""

import argparse
import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import LARGE, Workspace
from benchmarks.machine_facts import machine_facts
from benchmarks.peer_environment import FOLDER, ROOT, SCIKIT_LEARN, make_environment, peer_python
from benchmarks.process_meter import Measurement, measure, median_of
from benchmarks.result_page import write_page

PAGE = ROOT / "docs/benchmarks.md"
BEGIN = "<!-- measured: written by make bench SUITE=merge, do not edit -->"
END = "<!-- /measured merge -->"
RUNS = 3
MERGE_CPU_SECONDS_LIMIT = 20.0
WHOLE_CPU_SECONDS_LIMIT = 15.0
MIB_LIMIT = 512
RESAMPLES = 20
_MIB = 1024 * 1024


@dataclass(frozen=True)
class MergeContender:
    """A script below ``labelled`` with its options; it takes captures, labels and where to write.

    ``judged`` ones take a baseline before these. ``environment`` is a peer's, ``None`` for ours.
    """

    key: str
    title: str
    script: str
    options: tuple[str, ...] = ()
    judged: bool = False
    environment: str | None = None


OURS, OURS_INDEXED, PANDAS = "ours", "ours-indexed", "pandas"
OURS_QUALITY, OURS_WHOLE = "ours-quality", "ours-whole"
SCIKIT_PLAIN, SCIKIT_BOOTSTRAP = "scikit-plain", "scikit-bootstrap"
MERGES = (
    MergeContender(OURS, "**Watchkeeper**, join", "merge_ours.py"),
    MergeContender(OURS_INDEXED, "**Watchkeeper**, key indexes and join", "merge_ours.py", ("--index",)),
    MergeContender(PANDAS, "pandas `merge`", "merge_pandas.py"),
)
QUALITIES = (
    MergeContender(OURS_QUALITY, "**Watchkeeper**, join, metrics, bootstrap", "quality_ours.py", judged=True),
    MergeContender(
        OURS_WHOLE, "**Watchkeeper**, the same with key indexes", "quality_ours.py", ("--index",), judged=True
    ),
    MergeContender(
        SCIKIT_PLAIN,
        "pandas `merge`, scikit-learn, no bootstrap",
        "quality_pandas.py",
        ("0",),
        environment=SCIKIT_LEARN,
    ),
    MergeContender(
        SCIKIT_BOOTSTRAP,
        f"pandas `merge`, scikit-learn, {RESAMPLES} resamples",
        "quality_pandas.py",
        (str(RESAMPLES),),
        environment=SCIKIT_LEARN,
    ),
)
CONTENDERS = (*MERGES, *QUALITIES)
_HEADS = ((MERGES, OURS, "join"), (QUALITIES, OURS_QUALITY, "ours"))


def main() -> None:
    """Measure, print, and write the page's section if it was measured as it promises."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.merge", description=__doc__)
    parser.add_argument("--rows", type=int, default=LARGE, help="captures, and as many labels (default: 1,000,000)")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs of each (default: {RUNS})")
    options = parser.parse_args()
    space = Workspace(ROOT / ".cache/bench")
    facts = machine_facts(SCIKIT_LEARN)
    labels = space.folder / "labels" / str(options.rows)
    prepare(space, options.rows, labels)
    results: dict[str, list[Measurement]] = {contender.key: [] for contender in CONTENDERS}
    for number in range(1, options.runs + 1):
        for contender in CONTENDERS:
            found = run(space, contender, space.window(options.rows), labels)
            results[contender.key].append(found)
            print(
                f"run {number} of {options.runs}, {contender.key:16} {found.wall_seconds:6.2f} s wall "
                f"{found.cpu_seconds:6.2f} s CPU {found.peak_bytes / _MIB:6.0f} MiB",
                file=sys.stderr,
                flush=True,
            )
    parts = [facts, target_list(results), resample_cost(results), *result_tables(results, options.rows)]
    print("\n\n".join(parts))
    if options.rows != LARGE or options.runs != RUNS:
        print("Not as the page promises, so docs/benchmarks.md stays as it is.")
        return
    write_page(PAGE, parts, begin=BEGIN, end=END)
    print(f"Written to {PAGE.relative_to(ROOT)}")


def prepare(space: Workspace, rows: int, labels: Path) -> None:
    """Make whatever is missing: data, the peer's environment, bytecode, our baseline."""
    captures, labelled = str(FOLDER / "capture_generator.py"), str(FOLDER / "label_generator.py")
    subprocess.run([sys.executable, captures, "window", str(space.folder), str(rows)], check=True)
    subprocess.run([sys.executable, labelled, "window", str(space.window(rows)), str(labels)], check=True)
    make_environment(SCIKIT_LEARN)
    compileall.compile_dir(ROOT / "plugins/watchkeeper", quiet=1)
    compileall.compile_dir(FOLDER / "labelled", quiet=1)
    make_baseline(space)


def make_baseline(space: Workspace) -> None:
    """Make the baseline that windows are judged by: of other rows, labelled by the same rule."""
    subprocess.run(
        [sys.executable, str(FOLDER / "capture_generator.py"), "reference", str(space.reference)], check=True
    )
    labelled = space.folder / "labelled-reference.csv"
    generator = str(FOLDER / "label_generator.py")
    subprocess.run([sys.executable, generator, "reference", str(space.reference), str(labelled)], check=True)
    variables = {
        "analysis_type": "MODEL_QUALITY",
        "problem_type": "BinaryClassification",
        "probability_attribute": "prediction",
        "ground_truth_attribute": "label",
        "dataset_source": str(labelled),
        "dataset_format": '{"csv": {"header": true}}',
        "output_path": str(_baseline(space)),
    }
    command = [sys.executable, "-m", "watchkeeper.container", "--root", str(space.output("quality-root"))]
    measure(command, _environment() | variables, ROOT, space.folder / "last-run.log")


def run(space: Workspace, contender: MergeContender, captures: Path, labels: Path) -> Measurement:
    """Measure one process."""
    output = space.output(f"merge-{contender.key}")
    shutil.rmtree(output, ignore_errors=True)
    python = str(peer_python(contender.environment)) if contender.environment else sys.executable
    places = [*([str(_baseline(space))] if contender.judged else []), str(captures), str(labels), str(output)]
    command = [python, str(FOLDER / "labelled" / contender.script), *contender.options, *places]
    return measure(command, _environment(), ROOT, space.folder / "last-run.log")


def _baseline(space: Workspace) -> Path:
    return space.output("quality-baseline")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONPATH": str(ROOT / "plugins"), "OPENBLAS_NUM_THREADS": "1"}


def result_tables(results: Mapping[str, Sequence[Measurement]], rows: int) -> list[str]:
    """Return the tables of medians, in Markdown; the last column compares CPU time with our join's or our metrics'."""
    return [_table(results, rows, *head) for head in _HEADS]


def _table(
    results: Mapping[str, Sequence[Measurement]], rows: int, contenders: Sequence[MergeContender], one: str, name: str
) -> str:
    lines = [
        f"| {rows:,} captures, {rows:,} labels | wall s | CPU s | least CPU s | peak MiB | captures per CPU s "
        f"| CPU, {name} = 1 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    ours = median_of(results[one])
    for contender in contenders:
        found = median_of(results[contender.key])
        least = min(run.cpu_seconds for run in results[contender.key])
        lines.append(
            f"| {contender.title} | {found.wall_seconds:.2f} | {found.cpu_seconds:.2f} | {least:.2f} "
            f"| {found.peak_bytes / _MIB:,.0f} | {rows / found.cpu_seconds:,.0f} "
            f"| {found.cpu_seconds / ours.cpu_seconds:.2f}× |"
        )
    return "\n".join(lines)


def resample_cost(results: Mapping[str, Sequence[Measurement]]) -> str:
    """Return what a resample costs scikit-learn: the difference of its two rows, shared out."""
    plain, drawn = (median_of(results[key]).cpu_seconds for key in (SCIKIT_PLAIN, SCIKIT_BOOTSTRAP))
    each = (drawn - plain) / RESAMPLES
    return f"One resample of all rows costs scikit-learn {each:.2f} CPU s; 2,000 would cost {2000 * each:,.0f}."


def target_list(results: Mapping[str, Sequence[Measurement]]) -> str:
    """Return what we set out to reach, what was measured, and whether that is enough."""
    merged, whole = median_of(results[OURS_INDEXED]), median_of(results[OURS_WHOLE])
    targets = (
        ("CPU seconds of indexes and join", merged.cpu_seconds, MERGE_CPU_SECONDS_LIMIT),
        ("peak memory of indexes and join, MiB", merged.peak_bytes / _MIB, MIB_LIMIT),
        ("CPU seconds of indexes, join, metrics and bootstrap", whole.cpu_seconds, WHOLE_CPU_SECONDS_LIMIT),
        ("peak memory of indexes, join, metrics and bootstrap, MiB", whole.peak_bytes / _MIB, MIB_LIMIT),
    )
    return "\n".join(
        f"- {'met' if measured < limit else '**not met**'}: {what}: {measured:,.1f} (wanted < {limit:g})"
        for what, measured, limit in targets
    )


if __name__ == "__main__":
    main()
