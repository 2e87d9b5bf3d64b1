"""Tells people how an incident goes: one thread from its first alarm to its end."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watchkeeper.aws.incident_record import IncidentState
from watchkeeper.operators.message_text import RunOrigin
from watchkeeper.operators.notice import Notice, NoticeOutcome, send_notice

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.incident_record import IncidentRecord, IncidentStep
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.alert_spec import AlertSeverity
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.routing_spec import NoticeKind

PAGE = "remediation_incident.md"
VERIFICATION_PAGE = "verification_failed.md"
BREAKER_PAGE = "circuit_breaker_open.md"
RADIUS_PAGE = "blast_radius_reached.md"
REFUSED_PAGE = "action_refused.md"
ESCALATED_PAGE = "incident_escalated.md"


def tell_incident(
    deployment: "Deployment",
    spec: "EndpointSpec",
    record: "IncidentRecord",
    stage: str,
    headline: str,
    context: "Context",
    warn: Callable[..., None],
    *,
    kind: "NoticeKind" = "action",
    severity: "AlertSeverity | None" = None,
    page: str = PAGE,
    lines: Sequence[str] = (),
) -> NoticeOutcome:
    """Send a message of an incident's thread, once for each ``stage`` of it, and say what came of it.

    An incident does not stop for a message: a refusal is a warning, and the next run tries again.
    """
    notice = Notice(
        key=f"incident-{record.endpoint}-{record.incident_id}-{stage}",
        kind=kind,
        severity=severity or (spec.remediation.severity if spec.remediation is not None else "warning"),
        headline=f"{record.endpoint}: {headline}",
        lines=[
            *([f"Why: {record.why}"] if record.why else []),
            f"State: {record.state}",
            *_alarm_lines(record),
            *lines,
            f"Incident: {record.incident_id}",
            f"Record: {deployment.incidents.uri(record.endpoint, record.incident_id)}",
        ],
        endpoint=record.endpoint,
        runbook=page,
        thread=f"{record.endpoint}/{record.incident_id}",
        attributes={"stage": stage, "incident_id": record.incident_id},
    )
    return send_notice(deployment, notice, RunOrigin.of(context), now=datetime.now(UTC), warn=warn)


def step_lines(step: "IncidentStep") -> list[str]:
    """Return what a step did and how it was verified, as lines of a message."""
    lines = [f"Action: {step.action} (step {step.level + 1} of rule {step.rule!r}), {step.outcome}"]
    if step.allowed_by:
        lines.append(f"Allowed by: {step.allowed_by}")
    told = {name: value for name, value in step.target.items() if value not in (None, "", {}, [])}
    if told:
        lines.append(f"What: {', '.join(f'{name} {value}' for name, value in sorted(told.items()))}")
    for when, facts in (("Before", step.before), ("After", step.after)):
        if facts.get("config"):
            counts = ", ".join(f"{name} {count}" for name, count in sorted((facts.get("instances") or {}).items()))
            lines.append(f"{when}: configuration {facts['config']}{f', instances {counts}' if counts else ''}")
        for name, alarm in sorted((facts.get("alarms") or {}).items()):
            values = alarm.get("values") or ()
            newest = f", newest value {values[-1][1]:g}" if values else ""
            lines.append(f"{when}: {name} is {alarm.get('state')}{newest}")
    if step.verified:
        lines.append(f"Verified: {step.verified}")
    return lines


def tell_end_of_step(
    deployment: "Deployment",
    spec: "EndpointSpec",
    record: "IncidentRecord",
    context: "Context",
    warn: Callable[..., None],
) -> NoticeOutcome | None:
    """Tell what came of the newest step, in the incident's thread; ``None`` if there is nothing to tell yet."""
    step = record.step
    if step is None or record.is_held:
        return None
    stage = f"{len(record.steps)}-{step.outcome}"
    lines = step_lines(step)
    if record.state == IncidentState.RECOVERED:
        headline = f"recovered after {step.action}"
        return tell_incident(
            deployment, spec, record, "recovered", headline, context, warn, kind="recovery", lines=lines
        )
    if step.outcome == "not_verified":
        # What put the model from before back and did not help leaves no safe step: people have to look.
        severity: AlertSeverity | None = "critical" if step.action == "roll_back" else None
        headline = f"{step.action} did not help"
        return tell_incident(
            deployment,
            spec,
            record,
            stage,
            headline,
            context,
            warn,
            kind="alert",
            severity=severity,
            page=VERIFICATION_PAGE,
            lines=lines,
        )
    if step.outcome == "refused":
        headline = f"{step.action} was refused"
        return tell_incident(
            deployment, spec, record, stage, headline, context, warn, kind="alert", page=REFUSED_PAGE, lines=lines
        )
    headlines = {
        "done": f"{step.action} is done",
        "verified": f"{step.action} helped; other alarms go on",
        "postponed": f"{step.action} is put off",
        "rejected": f"{step.action} was not approved",
    }
    if step.outcome not in headlines:
        return None
    severity = "critical" if record.state == IncidentState.ESCALATED else None
    return tell_incident(
        deployment, spec, record, stage, headlines[step.outcome], context, warn, severity=severity, lines=lines
    )


def _alarm_lines(record: "IncidentRecord") -> list[str]:
    return [
        f"Alarm: {name} since {alarm.since}: {' '.join(alarm.reason.split())}"[:400]
        for name, alarm in sorted(record.alarms.items())
    ]
