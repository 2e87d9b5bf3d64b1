"""What a container run leaves behind: files that a reader sees whole or not at all, metrics, and a log."""

import sys
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.container_job import ContainerJob
from watchkeeper.errors import ContainerContractError

METRICS_FILE = "output/metrics/cloudwatch/cloudwatch_metrics.jsonl"
VIOLATIONS_FILE = "constraint_violations.json"
NO_VIOLATIONS = "Completed: Job completed successfully with no violations."


def exit_message(violations: int) -> str:
    """Return the job's exit message in Model Monitor's words."""
    if not violations:
        return NO_VIOLATIONS
    return f"CompletedWithViolations: Job completed successfully with {violations} violations."


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(data)
    draft.replace(path)


def write_violations(job: ContainerJob, document: bytes | None) -> None:
    """Write the violations; without any, there is no such file, not even one left from before."""
    target = job.output / VIOLATIONS_FILE
    if document is None:
        target.unlink(missing_ok=True)
    else:
        write_file(target, document)


def write_metric_lines(job: ContainerJob, metrics: Iterable[tuple[str, Mapping[str, object]]]) -> None:
    """Write the file that the platform publishes: a metric is its name and either ``Value`` or ``StatisticValues``.

    Raises
    ------
    ContainerContractError
        when the metrics' time is not known.
    """
    dimensions = [{"Name": name, "Value": value} for name, value in metric_dimensions(job).items()]
    common = {"Timestamp": metric_moment(job), "Dimensions": dimensions}
    write_metric_points(job, ({"MetricName": name, **common, **figures} for name, figures in metrics))


def write_metric_points(job: ContainerJob, points: Iterable[Mapping[str, Any]]) -> None:
    """Write the same file of points that have all that CloudWatch takes: a JSON object a line."""
    lines = [msgspec.json.encode({**point, "Timestamp": _timestamp(point["Timestamp"])}) for point in points]
    write_file(job.root / METRICS_FILE, b"".join(line + b"\n" for line in lines))


def metric_dimensions(job: ContainerJob) -> dict[str, str]:
    """Return ``Endpoint`` and ``MonitoringSchedule``, those that are known."""
    names = {"Endpoint": job.endpoint_name, "MonitoringSchedule": job.schedule_name}
    return {name: value for name, value in names.items() if value}


def metric_moment(job: ContainerJob) -> datetime:
    """Return the time of a job's metrics; ContainerContractError where it is not known."""
    moment = job.metric_time or job.start
    if moment is None:
        raise ContainerContractError(
            "metric_time", "neither it nor start_time is set", "Set one, or publish_cloudwatch_metrics=Disabled"
        )
    return moment


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class _Progress:
    """Says how far a long run is, once in ten seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, rows: int) -> None:
        now = time.monotonic()
        if now - self._last >= 10:
            self._last = now
            say(f"{rows} rows read")


progress = _Progress()


def say(text: str) -> None:
    """Write a line to the job's log."""
    sys.stderr.write(f"{text}\n")
