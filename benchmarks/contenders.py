"""Who is measured: our own analysis, what bounds it, and its peers. Each is a command that runs as a process."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peer_environment import FOLDER, ROOT, peer_python

SMALL, MEDIUM, LARGE, HUGE = 1_000, 100_000, 1_000_000, 5_000_000


@dataclass(frozen=True)
class Workspace:
    """The folder that holds the data and what the runs write."""

    folder: Path

    @property
    def reference(self) -> Path:
        """Training data: baseline and reference."""
        return self.folder / "reference.csv"

    def window(self, rows: int) -> Path:
        """The folder of a window's capture files."""
        return self.folder / "windows" / str(rows)

    def output(self, key: str) -> Path:
        """Where a run writes its results."""
        return self.folder / "output" / key


Command = tuple[list[str], Mapping[str, str]]


@dataclass(frozen=True)
class Contender:
    """``command`` returns the arguments and additional environment variables for a window of so many rows."""

    key: str
    title: str
    command: Callable[[Workspace, int], Command]
    sizes: tuple[int, ...] = (SMALL, MEDIUM, LARGE)
    environment: str | None = field(default=None)


def our_baseline(space: Workspace) -> Command:
    """Return the command that makes the baseline of the reference."""
    return _container(space, "baseline", {"dataset_source": str(space.reference), "dataset_format": _CSV})


_CSV = '{"csv": {"header": true}}'
_CAPTURE = '{"sagemakerCaptureJson": {}}'


def _container(space: Workspace, key: str, variables: dict[str, str]) -> Command:
    arguments = [sys.executable, "-m", "watchkeeper.container", "--root", str(space.output(key) / "root")]
    return arguments, variables | {"output_path": str(space.output(key)), "PYTHONPATH": str(ROOT / "plugins")}


def _ours(dialect: str) -> Callable[[Workspace, int], Command]:
    def command(space: Workspace, rows: int) -> Command:
        baseline = space.output("baseline")
        variables = {
            "dataset_source": str(space.window(rows)),
            "dataset_format": _CAPTURE,
            "baseline_constraints": str(baseline / "constraints.json"),
            "baseline_statistics": str(baseline / "statistics.json"),
            "watchkeeper_dialect": dialect,
        }
        return _container(space, f"ours-{dialect}", variables)

    return command


def _limit(script: str) -> Callable[[Workspace, int], Command]:
    return lambda space, rows: ([sys.executable, str(FOLDER / "limits" / script), str(space.window(rows))], {})


def _peer(script: str, *options: str, environment: str | None = None) -> Callable[[Workspace, int], Command]:
    def command(space: Workspace, rows: int) -> Command:
        python = peer_python(environment) if environment else sys.executable
        output = space.output("-".join([script.removesuffix(".py"), *options]))
        arguments = [*options, str(space.window(rows)), str(space.reference), str(output)]
        return [str(python), str(FOLDER / "peers" / script), *arguments], {"WHYLOGS_NO_ANALYTICS": "True"}

    return command


OURS, OURS_COMPATIBLE = "ours", "ours-compatible"
WHYLOGS, EVIDENTLY_DRIFT = "whylogs", "evidently-drift"

CONTENDERS = (
    Contender("bytes", "limit: read the bytes", _limit("read_bytes.py")),
    Contender("parse", "limit: msgspec parse only", _limit("parse_only.py")),
    Contender(OURS, "**Watchkeeper**, `exact`", _ours("exact"), (SMALL, MEDIUM, LARGE, HUGE)),
    Contender(OURS_COMPATIBLE, "**Watchkeeper**, `compatible`", _ours("compatible")),
    Contender("pandas", "pandas `describe`", _peer("pandas_describe.py")),
    Contender(WHYLOGS, "whylogs profile", _peer("whylogs_profile.py", environment="whylogs"), environment="whylogs"),
    Contender(
        "evidently-summary",
        "Evidently data summary",
        _peer("evidently_report.py", "summary", environment="evidently"),
        environment="evidently",
    ),
    Contender(
        EVIDENTLY_DRIFT,
        "Evidently data drift",
        _peer("evidently_report.py", "drift", environment="evidently"),
        environment="evidently",
    ),
)
