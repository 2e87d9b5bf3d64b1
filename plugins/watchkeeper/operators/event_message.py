"""What people are told of a platform event, and of a deadline that was missed."""

from typing import TYPE_CHECKING

from watchkeeper.operators.notice import Notice
from watchkeeper.registry.capture_window import moment_text
from watchkeeper.registry.runbook_pages import event_runbook, runbook_name

if TYPE_CHECKING:
    from watchkeeper.registry.event_rules import EventDecision
    from watchkeeper.registry.event_rules_spec import EventDeadline
    from watchkeeper.registry.platform_event import PlatformEvent
    from watchkeeper.registry.run_progress import Overdue

#: Kinds whose events of one run belong together. Those of an endpoint stand in the endpoint's own thread.
_NO_THREAD = frozenset({"endpoint", "endpoint_config", "model", "model_package", "api_call", "other"})


def event_notice(event: "PlatformEvent", decision: "EventDecision") -> Notice:
    """Return the notice of an event, told once however many events speak of the same change of state."""
    return Notice(
        key=f"event:{event.change_id}",
        kind="event",
        severity=decision.severity,
        headline=_headline(event),
        lines=_lines(event, decision),
        endpoint=event.endpoint,
        owner=decision.owner,
        runbook=event_runbook(event.kind),
        thread=f"run:{event.run}" if event.run and event.kind not in _NO_THREAD else None,
        fingerprint=_fingerprint(event),
        attributes={
            name: value
            for name, value in {
                "event_kind": event.kind,
                "event_status": event.status,
                "event_id": event.event_id,
                "rule": decision.rule,
            }.items()
            if value
        },
    )


def start_fault_notice(event: "PlatformEvent", decision: "EventDecision", why: str) -> Notice:
    """Return the notice that what a rule starts could not be started."""
    what = _target(decision) or "what its rule starts"
    return Notice(
        key=f"event:{event.change_id}:start",
        kind="event",
        severity="warning" if decision.severity == "info" else decision.severity,
        headline=f"{_subject(event)}: {what} was not started",
        lines=[f"Why: {why}", f"Rule: {decision.rule}", *_lines(event, decision)],
        endpoint=event.endpoint,
        owner=decision.owner,
        runbook=event_runbook(event.kind),
        attributes={"event_kind": event.kind, "event_id": event.event_id, "rule": decision.rule},
    )


def overdue_notice(overdue: "Overdue", deadline: "EventDeadline", note: str | None) -> Notice:
    """Return the notice of a missed deadline; ``note`` says why AWS itself could not be asked, if it could not."""
    noun = overdue.kind.replace("_", " ")
    subject = overdue.endpoint or overdue.name
    if overdue.what == "late":
        headline = f"{subject}: {noun} {overdue.name} has not started"
        lines = [f"It was to start by {moment_text(overdue.due)}, within the 24 hours before."]
    else:
        headline = f"{subject}: {noun} {overdue.name} runs longer than it should"
        begun = "" if overdue.started_at is None else f" It runs since {moment_text(overdue.started_at)}."
        lines = [f"It was to end by {moment_text(overdue.due)}.{begun}", f"Run: {overdue.run}"]
    return Notice(
        key=overdue.key,
        kind="event",
        severity=deadline.severity,
        headline=headline,
        lines=[*lines, f"Deadline: {overdue.deadline}", *([f"{note}: this is what the events tell."] if note else [])],
        endpoint=overdue.endpoint,
        owner=deadline.owner,
        runbook=runbook_name(f"run_{overdue.what}"),
        thread=f"run:{overdue.run}" if overdue.run else None,
        attributes={"event_kind": overdue.kind, "deadline": overdue.deadline, "condition": overdue.what},
    )


def _fingerprint(event: "PlatformEvent") -> str:
    """Return what makes two events the same news: a build that fails every five minutes for one reason is one."""
    parts = (event.kind, event.account, event.region, event.name, event.part, event.status, event.actor, event.reason)
    return "\0".join(("event", *(part or "" for part in parts)))


def _target(decision: "EventDecision") -> str | None:
    start = decision.start
    return None if start is None else f"{start.target.replace('_', ' ')} {start.name}"


def _subject(event: "PlatformEvent") -> str:
    return event.endpoint or event.endpoint_name or event.name or event.detail_type


def _headline(event: "PlatformEvent") -> str:
    if event.problem is not None:
        return f"{_subject(event)}: an event of {event.detail_type} could not be read in full"
    if event.kind == "api_call":
        who = (event.actor or "somebody").rpartition("/")[2]
        return f"{_subject(event)}: {event.status} by {who}"
    return f"{_subject(event)}: {event.label} is {event.status or 'changed'}"


def _lines(event: "PlatformEvent", decision: "EventDecision") -> list[str]:
    unknown = event.endpoint is None and event.endpoint_name is not None
    facts = {
        "What": event.label,
        "Status": event.status,
        "Reason": event.reason,
        "Problem": event.problem,
        "Who": event.actor,
        "From": event.address,
        "Endpoint": f"{event.endpoint_name}, which no endpoint file names" if unknown else event.endpoint_name,
        "Run": event.run if event.run != event.arn else None,
        "ARN": event.arn,
        "When": moment_text(event.at),
        "Account and region": " ".join(word for word in (event.account, event.region) if word),
        "Starts": _target(decision),
    }
    return [f"{name}: {value}" for name, value in facts.items() if value]
