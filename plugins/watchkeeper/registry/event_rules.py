"""What follows from a platform event: pure functions of the event, the fleet's rules and a given now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any, Final, Literal

from watchkeeper.registry.alert_spec import AlertSeverity
from watchkeeper.registry.capture_window import moment_text
from watchkeeper.registry.event_kind import EventKind, plain
from watchkeeper.registry.event_rules_spec import (
    PLACEHOLDER,
    EventMatch,
    EventRule,
    EventRulesSpec,
    EventStart,
    texts_in,
)
from watchkeeper.registry.platform_event import PlatformEvent
from watchkeeper.registry.run_progress import RunState

_ENDED_BADLY: tuple[EventKind, ...] = (
    "pipeline",
    "code_pipeline",
    "code_build",
    "state_machine",
    "training_job",
    "tuning_job",
    "processing_job",
    "transform_job",
    "labeling_job",
    "model_package",
)
_ENDPOINT_CALLS = ("CreateEndpoint", "UpdateEndpoint", "UpdateEndpointWeightsAndCapacities", "DeleteEndpoint")


def _rule(severity: AlertSeverity, *, notify: bool = True, **match: Any) -> EventRule:
    return EventRule(match=EventMatch(**match), severity=severity, notify=notify)


BUILT_IN: Final[Mapping[str, EventRule]] = {
    "endpoint-failed": _rule("critical", kinds=("endpoint",), outcomes=("failed",)),
    "endpoint-rolling-back": _rule("warning", kinds=("endpoint",), statuses=("RollingBack",)),
    # The execution that a job or step belongs to tells of it, with its reason: one message per incident.
    "job-of-pipeline-failed": _rule("warning", notify=False, outcomes=("failed",), in_pipeline=True),
    "run-failed": _rule("warning", kinds=_ENDED_BADLY, outcomes=("failed",)),
    "part-failed": _rule(
        "warning",
        notify=False,
        kinds=("pipeline_step", "code_pipeline_stage", "code_pipeline_action"),
        outcomes=("failed",),
    ),
    # Calls about alarms and configurations are recorded and not told: applying one file makes dozens.
    "endpoint-changed-by": _rule("info", kinds=("api_call",), known_endpoint=True, statuses=_ENDPOINT_CALLS),
    "package-decided": _rule("info", kinds=("model_package",), statuses=("Approved", "Rejected")),
}
"""The rules that hold where the fleet's file has none that matches, in this order."""
NO_RULE: Final = EventRule(severity="info", notify=False)

StartTarget = Literal["dag", "sagemaker_pipeline", "code_pipeline"]


@dataclass(frozen=True)
class PlannedStart:
    """One run that an event starts. ``token`` follows from the event and the rule: the same event starts it once."""

    target: StartTarget
    name: str
    values: Mapping[str, Any]
    token: str

    @property
    def run_id(self) -> str:
        """What a DAG's run is called."""
        return f"event__{self.token}"


@dataclass(frozen=True)
class EventDecision:
    """What follows from one event. ``silent`` says why nobody is told and nothing started, where a rule said so.

    ``problem`` says why what the rule starts cannot be started.
    """

    rule: str
    severity: AlertSeverity
    notify: bool
    archive: bool
    owner: str | None = None
    start: PlannedStart | None = None
    silent: str | None = None
    problem: str | None = None


def decide_event(
    event: PlatformEvent, spec: EventRulesSpec, now: datetime, newest: RunState | None = None
) -> EventDecision:
    """Return what follows from an event: by the first rule that matches, if it is young enough to act on.

    ``newest`` is the newest state that is known of the same run or thing: an end that it has overtaken is recorded
    and no more. An event that could not be read in full is told as a warning, whatever the rules say of such events.
    """
    name, rule = next(_matching(event, spec), ("", NO_RULE))
    severity = "warning" if event.problem and rule.severity == "info" else rule.severity
    notify = rule.notify or event.problem is not None
    silent = None
    if event.problem is None and (notify or rule.start is not None):
        if now - event.at > timedelta(hours=spec.act_within_hours):
            silent = f"it happened more than {spec.act_within_hours:g} hours ago"
        elif newest is not None and RunState.of(event).is_overtaken(newest):
            silent = f"it is {newest.status} since {moment_text(newest.at)}"
    if silent is not None:
        return EventDecision(name, severity, notify=False, archive=rule.archive, owner=rule.owner, silent=silent)
    start, problem = (None, None) if rule.start is None else _planned(rule.start, event, name)
    return EventDecision(
        name, severity, notify=notify, archive=rule.archive, owner=rule.owner, start=start, problem=problem
    )


def _matching(event: PlatformEvent, spec: EventRulesSpec) -> Iterator[tuple[str, EventRule]]:
    for name, rule in spec.rules.items():
        if matches(event, rule.match):
            yield name, rule
    for name, rule in BUILT_IN.items() if spec.built_in_rules else ():
        if matches(event, rule.match):
            yield name, rule


def matches(event: PlatformEvent, match: EventMatch) -> bool:
    """Return whether all that a rule asks for holds of an event."""
    return (
        (match.kinds is None or event.kind in match.kinds)
        and (match.outcomes is None or event.outcome in match.outcomes)
        and (match.statuses is None or plain(event.status) in {plain(status) for status in match.statuses})
        and (match.sources is None or event.source in match.sources)
        and (match.detail_types is None or event.detail_type in match.detail_types)
        and (match.names is None or _like(event.name, match.names))
        and (match.endpoints is None or _like(event.endpoint or "", match.endpoints))
        and (match.actors is None or _like(event.actor or "", match.actors))
        and (match.known_endpoint is None or match.known_endpoint is (event.endpoint is not None))
        and (match.in_pipeline is None or match.in_pipeline is (event.in_pipeline is not None))
        and all(fnmatchcase(event.tags.get(key, ""), pattern) for key, pattern in match.tags.items())
        and match.tags.keys() <= event.tags.keys()
    )


def _like(name: str, patterns: tuple[str, ...]) -> bool:
    return bool(name) and any(fnmatchcase(name, pattern) for pattern in patterns)


def _planned(start: EventStart, event: PlatformEvent, rule: str) -> tuple[PlannedStart | None, str | None]:
    """Return the start with the event's names filled in; else why it cannot be."""
    names = template_values(event)
    given = start.conf if start.dag_id else start.parameters
    missing = sorted({name for text in texts_in(given) for name in PLACEHOLDER.findall(text) if not names.get(name)})
    if missing:
        return None, f"the event has no {', '.join(missing)}, which the rule {rule} puts into what it starts"
    target: StartTarget = (
        "dag" if start.dag_id else "sagemaker_pipeline" if start.sagemaker_pipeline else "code_pipeline"
    )
    name = start.dag_id or start.sagemaker_pipeline or start.code_pipeline or ""
    token = sha256("\0".join((event.change_id, rule, target, name)).encode()).hexdigest()[:40]
    return PlannedStart(target, name, _filled(given, names), token), None


def template_values(event: PlatformEvent) -> dict[str, str]:
    """Return what a rule may put of an event into what it starts."""
    return {
        "account": event.account,
        "arn": event.arn,
        "at": moment_text(event.at),
        "change_id": event.change_id,
        "detail_type": event.detail_type,
        "endpoint": event.endpoint or "",
        "endpoint_name": event.endpoint_name or "",
        "event_id": event.event_id,
        "kind": event.kind,
        "name": event.name,
        "outcome": event.outcome,
        "region": event.region,
        "run": event.run,
        "source": event.source,
        "status": event.status,
    }


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: names[found[1]], value)
    if isinstance(value, dict):
        return {key: _filled(item, names) for key, item in value.items()}
    return [_filled(item, names) for item in value] if isinstance(value, list) else value
