"""Measure housekeeping: ``python -m benchmarks.housekeeping`` (``SUITE=housekeeping`` of make).

Predicts the cost of a fleet from its files, and puts a month of its ledger together. The ledger lies in a folder, so
that neither network nor emulator is measured; what S3 adds is told as requests.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.machine_facts import machine_facts
from benchmarks.peer_environment import ROOT
from benchmarks.process_meter import Measurement, measure

ENDPOINTS, DAYS, COLUMNS = 1000, 30, 40
START = datetime(2026, 10, 1, tzinfo=UTC)
_MIB = 1024 * 1024


class FolderClient:
    """As much of an S3 client as the ledger asks of it, over a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests = 0

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """Return an object's body."""
        self.requests += 1
        body = (self.root / Bucket / Key).read_bytes()
        return {"Body": SimpleNamespace(read=lambda: body), "ETag": _etag(body)}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_conditions: str) -> None:  # noqa: N803
        """Write an object."""
        self.requests += 1
        path = self.root / Bucket / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        """Delete an object."""
        self.requests += 1
        (self.root / Bucket / Key).unlink(missing_ok=True)

    def get_paginator(self, _operation: str) -> "FolderClient":
        """Return what lists."""
        return self

    def paginate(self, *, Bucket: str, Prefix: str, **_selection: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        """Yield all objects below a prefix, as one page."""
        self.requests += 1
        base = self.root / Bucket
        found = sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())
        yield {
            "Contents": [
                {"Key": key, "ETag": "e", "Size": (base / key).stat().st_size, "LastModified": START}
                for key in found
                if key.startswith(Prefix)
            ]
        }


def _etag(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


def make_ledger(folder: Path, endpoints: int, days: int) -> int:
    """Write a month's verdicts as the hourly and daily runs do, and return how many rows there are."""
    from watchkeeper.aws.ledger import Ledger, RunFacts
    from watchkeeper.aws.window_result import FindingRecord, WindowResult
    from watchkeeper.registry.capture_window import Window, windows_between

    ledger = Ledger("bench", "wk", FolderClient(folder))  # type: ignore[arg-type]
    end = START + timedelta(days=days)
    finding = FindingRecord(
        feature="delay", check="baseline_drift_check", outcome="violated", reason="0.31 against a limit of 0.1"
    )
    rows = 0
    windows: list[Window] = [*windows_between("hourly", START, end), *windows_between("daily", START, end)]
    for window in windows:
        results = [
            WindowResult(
                endpoint=f"endpoint-{number}",
                endpoint_name=f"endpoint-{number}",
                variant="AllTraffic",
                monitor="data_quality",
                period=str(window.period),
                window=window.name,
                verdict="violated" if number % 10 == 0 else "ok",
                reason="all checks are satisfied",
                digest=f"{number:032x}",
                revision=1,
                findings=(finding,) * 3 if number % 10 == 0 else (),
                row_count=1000 + number,
                worst_distance=0.05,
            )
            for number in range(endpoints)
        ]
        run = RunFacts(run_id=f"scheduled__{window.name}", dag_id="monitor_hourly", recorded_at=window.end)
        ledger.record([(result, "s3://bench/wk/reports/") for result in results], run)
        rows += len(results)
    return rows


def compact(folder: Path) -> tuple[int, int, int]:
    """Put the ledger together; return days, rows and requests."""
    from watchkeeper.aws.ledger import Ledger
    from watchkeeper.aws.ledger_compaction import compact_ledger

    client = FolderClient(folder)
    ledger = Ledger("bench", "wk", client)  # type: ignore[arg-type]
    done = list(compact_ledger(ledger, START + timedelta(days=400), print))
    return len(done), sum(day.row_count for day in done), client.requests


def make_files(folder: Path, endpoints: int, columns: int) -> None:
    """Write the files of a fleet, each with metrics of its features, alarms and a ceiling that two steps keep."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ", ".join(f"c{number}" for number in range(columns))
    for number in range(endpoints):
        (folder / f"endpoint-{number}.yaml").write_text(
            f"owner: bench\nendpoint_name: endpoint-{number}\n"
            f"capture: {{s3_uri: 's3://bench/capture', input_columns: [{names}]}}\n"
            "monitors: {data_quality: {publish_feature_metrics: true}}\ninfrastructure: {}\n"
            "cost: {ceiling_usd_per_month: 9, on_exceed: degrade, degrade: [roll_up_metrics, fewer_alarms]}\n",
            encoding="utf-8",
        )


def predict(folder: Path) -> tuple[int, float]:
    """Read the files and predict their cost under their ceilings; return how many, and USD a month together."""
    from watchkeeper.operators.cost import fleet_estimate
    from watchkeeper.registry.cost_control import cost_basis, under_ceilings
    from watchkeeper.registry.registry_files import load_registry

    basis = cost_basis(ROOT / "include")
    control = under_ceilings(load_registry(folder), lambda: basis)
    return len(control.verdicts), fleet_estimate(control.verdicts.values(), basis).usd


def main(arguments: list[str] | None = None) -> None:
    """Measure each in a process of its own and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.housekeeping", description=__doc__)
    parser.add_argument("--endpoints", type=int, default=ENDPOINTS)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--child", nargs=2, metavar=("STAGE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        stage, folder = options.child
        print(_STAGES[stage](Path(folder)))
        return
    print(machine_facts())
    folder = Path(tempfile.mkdtemp(prefix="watchkeeper-bench-"))
    try:
        make_files(folder / "files", options.endpoints, COLUMNS)
        rows = make_ledger(folder / "store", options.endpoints, options.days)
        print(f"\n{options.endpoints:,} endpoints of {COLUMNS} columns; {options.days} days, {rows:,} verdicts\n")
        print("| | wall s | CPU s | peak MiB |\n|---|---|---|---|")
        for stage, title in (
            ("predict", "reading and predicting the files"),
            ("compact", "putting the ledger together"),
        ):
            target = folder / ("files" if stage == "predict" else "store")
            print(_row(title, _measured(stage, target, folder / "log")))
            print(f"  {stage}: {(folder / 'log').read_text().strip()}", file=sys.stderr)
    finally:
        shutil.rmtree(folder)


_TITLES = {"predict": "reading and predicting the files", "compact": "putting the ledger together"}
_STAGES: dict[str, Any] = {"predict": predict, "compact": compact}


def _measured(stage: str, folder: Path, log: Path) -> Measurement:
    import os

    command = [sys.executable, "-m", "benchmarks.housekeeping", "--child", stage, str(folder)]
    return measure(command, os.environ | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"}, ROOT, log)


def _row(title: str, found: Measurement) -> str:
    return f"| {title} | {found.wall_seconds:.2f} | {found.cpu_seconds:.2f} | {found.peak_bytes / _MIB:,.0f} |"


if __name__ == "__main__":
    main()
