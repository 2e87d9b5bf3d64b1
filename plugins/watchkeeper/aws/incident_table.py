"""Incidents as rows: one for each, or one for each step of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from watchkeeper.aws.incident_record import IncidentRecord, IncidentStep
from watchkeeper.aws.incident_store import IncidentStore
from watchkeeper.registry.capture_window import parse_moment

INCIDENT_COLUMNS = (
    "endpoint",
    "incident_id",
    "state",
    "mode",
    "severity",
    "opened_at",
    "ended_at",
    "minutes",
    "alarms",
    "actions",
    "outcome",
    "why",
)
STEP_COLUMNS = (
    "endpoint",
    "incident_id",
    "place",
    "rule",
    "action",
    "outcome",
    "allowed_by",
    "decided_at",
    "done_at",
    "settled_at",
    "config_before",
    "config_after",
    "instances_before",
    "instances_after",
    "verified",
)
TIMES = frozenset({"opened_at", "ended_at", "decided_at", "done_at", "settled_at"})


def incident_rows(
    store: IncidentStore, since: datetime, until: datetime, endpoints: Sequence[str] | None, *, every_step: bool
) -> Iterator[dict[str, Any]]:
    """Yield incidents whose first alarm went off in ``[since, until)``, by endpoint and time; or the steps of each."""
    for endpoint in sorted(endpoints if endpoints is not None else set(store.endpoints())):
        for record in reversed(store.incidents(endpoint, since)):
            if parse_moment(record.incident_id.partition("-")[0]) >= until:
                continue
            if every_step:
                yield from (_step_row(record, place, step) for place, step in enumerate(record.steps, 1))
            else:
                yield _incident_row(record)


def _incident_row(record: IncidentRecord) -> dict[str, Any]:
    opened, ended = parse_moment(record.opened_at), parse_moment(record.ended_at) if record.ended_at else None
    return {
        **{name: getattr(record, name) for name in ("endpoint", "incident_id", "state", "mode", "severity", "why")},
        "opened_at": opened,
        "ended_at": ended,
        "minutes": None if ended is None else (ended - opened).total_seconds() / 60,
        "alarms": ", ".join(sorted(record.alarms)),
        "actions": ", ".join(step.action for step in record.steps),
        "outcome": record.step.outcome if record.step is not None else None,
    }


def _step_row(record: IncidentRecord, place: int, step: IncidentStep) -> dict[str, Any]:
    own = ("rule", "action", "outcome", "allowed_by", "verified")
    times = {name: getattr(step, name) for name in ("decided_at", "done_at", "settled_at")}
    return {
        "endpoint": record.endpoint,
        "incident_id": record.incident_id,
        "place": place,
        **{name: getattr(step, name) for name in own},
        **{name: parse_moment(text) if text else None for name, text in times.items()},
        "config_before": step.before.get("config"),
        "config_after": step.after.get("config"),
        "instances_before": _total(step.before),
        "instances_after": _total(step.after),
    }


def _total(facts: dict[str, Any]) -> int | None:
    counts = facts.get("instances") or {}
    return sum(counts.values()) if counts else None
