"""What is done about incidents beside deciding on them: by hand, for endpoints that are gone, for unknown alarms."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.incident_record import IncidentRecord, IncidentState
from watchkeeper.operators.incident_scene import alarm_of
from watchkeeper.operators.message_text import RunOrigin
from watchkeeper.operators.notice import Notice, send_notice
from watchkeeper.operators.run_pipeline import run_name
from watchkeeper.registry.alarm_name import AlarmName

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.event_inbox import InboxEvent
    from watchkeeper.operators.monitor_base import Deployment

UNKNOWN_PAGE = "unknown_endpoint.md"
Tell = Callable[..., None]


def act_by_hand(
    deployment: "Deployment", params: Mapping[str, Any], context: "Context", now: datetime, tell: Tell
) -> None:
    """Close the circuit breakers and end the incidents that a run's params name, with who did it and why."""
    run: Any = context.get("dag_run")
    person = getattr(run, "triggering_user_name", None)
    by = f"{person}, {run_name(context)}" if person else run_name(context)
    reason = str(params.get("reason") or "on request")
    for endpoint in params.get("close_circuit_breakers") or ():
        deployment.breakers.close(endpoint, f"{by}: {reason}", now)
        tell("%s: the circuit breaker is closed: %s", endpoint, reason)
    ending = set(params.get("end_incidents") or ())
    for endpoint, incident_id in deployment.incidents.open_ids().items() if ending else ():
        if endpoint in ending and _end(deployment, endpoint, incident_id, by, f"ended by hand: {reason}", now):
            tell("%s: incident %s is ended: %s", endpoint, incident_id, reason)


def end_forgotten(
    deployment: "Deployment", open_ids: Mapping[str, str], context: "Context", now: datetime, warn: Tell
) -> None:
    """End the incidents of endpoints whose file is gone, or says nothing of remediation any more."""
    broken = _broken(deployment)
    for endpoint, incident_id in open_ids.items():
        spec = deployment.registry.endpoints.get(endpoint)
        if endpoint in broken or (spec is not None and spec.is_remedied):
            continue
        why = "the endpoint's file says nothing of remediation any more"
        if _end(deployment, endpoint, incident_id, run_name(context), why, now):
            warn("%s: incident %s is ended: %s", endpoint, incident_id, why)


def tell_strangers(
    deployment: "Deployment", events: "Sequence[InboxEvent]", context: "Context", now: datetime, warn: Tell
) -> None:
    """Tell of alarms that are ours by name and of no endpoint of the registry, once a day each; archive the events.

    Those of an endpoint whose file has a fault wait until it is mended.
    """
    broken = _broken(deployment)
    for event in events:
        name = alarm_of(event)
        parts = AlarmName.parse(name, deployment.settings.resource_prefix)
        if parts is not None and parts.endpoint in broken:
            continue
        ours = parts is not None and not parts.is_of_fleet
        unknown = ours and parts is not None and parts.endpoint not in deployment.registry.endpoints
        if not name or unknown:
            what = f"alarm {name} is of no endpoint of the registry" if name else "an event names no alarm"
            warn("Event %s: %s", event.event_id, what)
            notice = Notice(
                key=f"unknown-{name or event.event_id}-{event.at[:10]}",
                kind="event",
                severity="warning",
                headline=f"Nothing follows from an alarm: {what}",
                lines=[f"Event: {event.event_id} of {event.at}", f"Account: {event.account}, {event.region}"],
                runbook=UNKNOWN_PAGE,
            )
            send_notice(deployment, notice, RunOrigin.of(context), now=now, warn=warn)
        deployment.inbox.archive(event)


def _broken(deployment: "Deployment") -> set[str]:
    return {problem.partition(".yaml")[0] for problem in deployment.registry.problems}


def _end(deployment: "Deployment", endpoint: str, incident_id: str, by: str, why: str, now: datetime) -> bool:
    """End an incident whoever works on it; return ``False`` if there is none of this id."""
    if deployment.incidents.read(endpoint, incident_id) is None:
        return False

    def change(there: IncidentRecord) -> IncidentRecord:
        return there if there.has_ended else there.moved(IncidentState.CLOSED, by=by, why=why, now=now)

    deployment.incidents.update(endpoint, incident_id, change)
    deployment.blast_radius.release(endpoint, now)
    return True
