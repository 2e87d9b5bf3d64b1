"""Exports platform events and jobs as telemetry, when they are recorded, and never at the cost of the run."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from watchkeeper.operators.otlp_export import GaugePoint, LogEntry, Value, export_telemetry

if TYPE_CHECKING:
    from watchkeeper.aws.event_ledger import EventRow
    from watchkeeper.operators.monitor_base import Deployment

#: What leaves, of what the ledger has: neither an event's content nor from which address somebody called.
_ATTRIBUTES: Final = (
    "name",
    "part",
    "status",
    "outcome",
    "endpoint",
    "run",
    "in_pipeline",
    "actor",
    "reason",
    "rule",
    "job_type",
    "job_base_name",
    "instance_type",
    "account",
    "region",
)
_FIGURES: Final = (("duration_seconds", "s"), ("billable_seconds", "s"), ("cost_usd", "{USD}"))


def export_events(
    deployment: "Deployment", rows: "Sequence[EventRow]", *, now: datetime, warn: Callable[..., None]
) -> int:
    """Export newly recorded rows where the fleet's file names a receiver, and return how many; never raises.

    A log record ``watchkeeper.event`` for each, and gauges ``watchkeeper.job.…`` of a job's figures and final metrics.
    They are tried once: what a receiver does not take is a warning, and stands in the ledger all the same.
    """
    try:
        spec = deployment.fleet.routing.export
        if spec is None or not rows:
            return 0
        points = [point for row in rows for point in _points(row)]
        report = export_telemetry(spec, points, [_entry(row) for row in rows], now=now)
    except Exception as error:  # noqa: BLE001 - telemetry is not what a run is for
        warn("events were not exported: %s", " ".join(str(error).split()) or type(error).__name__)
        return 0
    for refusal in report.refusals:
        warn("telemetry of events: %s", refusal)
    return len(rows)


def _entry(row: "EventRow") -> LogEntry:
    columns = row.columns
    label = " ".join(str(part) for part in (row.kind.replace("_", " "), columns.get("name")) if part)
    return LogEntry(
        name="watchkeeper.event",
        body=f"{label}: {columns.get('status') or columns.get('outcome') or 'changed'}",
        at=row.at,
        severity=columns.get("severity") or "info",
        attributes={"event_id": row.event_id, "kind": row.kind, **_attributes(row, _ATTRIBUTES)},
    )


def _points(row: "EventRow") -> Iterator[GaugePoint]:
    if not row.columns.get("job_type"):
        return
    attributes = _attributes(row, ("job_type", "job_base_name", "endpoint", "instance_type"))
    for name, unit in _FIGURES:
        value = row.columns.get(name)
        if value is not None:
            yield GaugePoint(f"watchkeeper.job.{name}", float(value), row.at, unit, attributes)
    for metric in row.columns.get("metrics") or ():
        named = {**attributes, "metric": metric["name"]}
        yield GaugePoint("watchkeeper.job.final_metric", float(metric["value"]), row.at, attributes=named)


def _attributes(row: "EventRow", names: Sequence[str]) -> dict[str, Value]:
    return {name: str(row.columns[name]) for name in names if row.columns.get(name)}
