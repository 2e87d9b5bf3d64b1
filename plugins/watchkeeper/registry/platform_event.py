"""What happened on the platform, read from an event of EventBridge. Pure; never more than names, states and reasons."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from watchkeeper.registry.capture_window import moment_text, parse_moment
from watchkeeper.registry.endpoint_index import EndpointIndex
from watchkeeper.registry.event_kind import API_CALL, ENDED, SHAPES, EventKind, EventShape, Outcome, plain

#: What a job that a SageMaker pipeline runs is called: pipelines-{execution}-{step}-{letters}.
_OF_PIPELINE = re.compile(r"pipelines-(?P<execution>[a-z0-9]{12})-.+")
_REASON_LIMIT = 500
_TAG_LIMIT = 50
#: No name or ARN of AWS is longer.
_TEXT_LIMIT = 2048
#: SageMaker's times are milliseconds since 1970; the events of a few kinds have them as text.
_MILLISECONDS = 1000.0


@dataclass(frozen=True)
class PlatformEvent:
    """One event, normalised. ``at`` is when it happened, by its most exact clock.

    ``endpoint`` is the registry id, ``None`` for a thing that no endpoint's file knows; ``endpoint_name`` is what
    SageMaker calls it where the event speaks of an endpoint, known or not. ``run`` tells the runs of one pipeline
    apart, and ``change_id`` the changes of state: SageMaker may send several events for one. ``part`` is the stage,
    action or step; ``in_pipeline`` the execution of a SageMaker pipeline that a job belongs to, by its name.
    ``problem`` says what is missing in an event that could not be read in full.
    """

    event_id: str
    kind: EventKind
    detail_type: str
    source: str
    name: str
    status: str
    outcome: Outcome
    at: datetime
    change_id: str
    run: str = ""
    arn: str = ""
    endpoint: str | None = None
    endpoint_name: str | None = None
    actor: str | None = None
    address: str | None = None
    reason: str | None = None
    account: str = ""
    region: str = ""
    part: str | None = None
    in_pipeline: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the thing does nothing more."""
        return self.outcome in ENDED

    @property
    def label(self) -> str:
        """What a person calls it: kind, name, and the stage, action or step."""
        noun = self.kind.replace("_", " ") if self.kind != "other" else self.detail_type or "event"
        return f"{noun} {self.name or 'without a name'}" + (f", {self.part}" if self.part else "")


def read_platform_event(
    *,
    event_id: str,
    source: str,
    detail_type: str,
    at: str,
    detail: Mapping[str, Any],
    resources: Iterable[str] = (),
    account: str = "",
    region: str = "",
    endpoints: EndpointIndex,
) -> PlatformEvent:
    """Return what an event says; ``problem`` tells what it lacks, and nothing is raised for its content.

    ``at`` is the envelope's time; it counts where the detail has no more exact one.
    """
    shape = SHAPES.get(detail_type)
    arns = tuple(resources)
    common = {"event_id": event_id, "source": source, "detail_type": detail_type, "account": account, "region": region}
    moment, clock_problem = _envelope_time(at)
    if shape is None and detail_type == API_CALL:
        return _api_call(common, moment, clock_problem, detail, endpoints)
    tags = _tags(detail.get("Tags"))
    if shape is None:
        name = _last_part(arns[0]) if arns else ""
        endpoint_name = _text(detail.get("EndpointName"))
        return PlatformEvent(
            **common,
            kind="other",
            name=_text(detail.get("EndpointName")) or name,
            status="",
            outcome="changed",
            at=moment,
            change_id=_digest("other", event_id),
            arn=arns[0] if arns else "",
            endpoint=endpoints.find(name=endpoint_name, tags=tags, account=account, region=region),
            endpoint_name=endpoint_name,
            tags=tags,
            problem=clock_problem,
        )
    return _of_shape(shape, common, moment, clock_problem, detail, arns, tags, endpoints)


def _of_shape(
    shape: EventShape,
    common: dict[str, str],
    moment: datetime,
    clock_problem: str | None,
    detail: Mapping[str, Any],
    arns: tuple[str, ...],
    tags: Mapping[str, str],
    endpoints: EndpointIndex,
) -> PlatformEvent:
    problems = [clock_problem] if clock_problem else []
    arn = _text(detail.get(shape.arn)) or (arns[0] if arns else "")
    name = _last_part(_text(detail.get(shape.name)) or arn)
    if not name:
        problems.append(f"its detail has no {shape.name}")
    status, outcome = _status(shape, detail, problems)
    run = _text(detail.get(shape.run)) or "" if shape.run else arn or name
    if shape.run and not run:
        problems.append(f"its detail has no {shape.run}")
    exact = _exact_time(detail, moment)
    endpoint_name = name if shape.kind == "endpoint" else None
    group = _text(detail.get("ModelPackageGroupName"))
    if shape.kind == "model_package" and group:
        name = f"{group}/{_text(detail.get('ModelPackageVersion')) or _last_part(arn)}"
    of_pipeline = _OF_PIPELINE.fullmatch(name)
    return PlatformEvent(
        **common,
        kind=shape.kind,
        name=name,
        status=status,
        outcome=outcome,
        at=exact,
        change_id=_change_id(shape, common["event_id"], run, status, outcome, _part(detail), exact, bool(problems)),
        run=run,
        arn=arn,
        endpoint=endpoints.find(
            name=endpoint_name,
            pipeline=name if shape.kind in {"pipeline", "pipeline_step"} else None,
            package_group=group,
            tags=tags,
            account=common["account"],
            region=common["region"],
        ),
        endpoint_name=endpoint_name,
        reason=_reason(shape, detail),
        part=_part(detail),
        in_pipeline=of_pipeline["execution"] if of_pipeline else None,
        tags=tags,
        problem="; ".join(problems) or None,
    )


def _status(shape: EventShape, detail: Mapping[str, Any], problems: list[str]) -> tuple[str, Outcome]:
    if shape.status is None:
        return "", "changed"
    status = _text(detail.get(shape.status))
    approval = _text(detail.get("ModelApprovalStatus")) if shape.kind == "model_package" else None
    if status is None and approval is None:
        problems.append(f"its detail has no {shape.status}")
        return "", "changed"
    known = {plain(name): outcome for name, outcome in shape.outcomes.items()}
    outcome = known.get(plain(status or ""))
    if shape.kind == "model_package":
        # Of a package that was made, what a person wants to know is whether it was approved.
        return (status or "", outcome) if outcome is not None else (approval or status or "", "changed")
    if outcome is None:
        problems.append(f"its {shape.status} is none that is known")
        return status or "", "changed"
    if shape.kind == "training_job" and _text(detail.get("SecondaryStatus")) == "Starting":
        outcome = "started"
    return status or "", outcome


def _reason(shape: EventShape, detail: Mapping[str, Any]) -> str | None:
    found = [_text(detail.get(name)) for name in shape.reasons]
    if shape.kind.startswith("code_pipeline"):
        result = _mapping(detail.get("execution-result"))
        found += [_text(result.get("error-code")), _text(result.get("external-execution-summary"))]
        more = _mapping(detail.get("additionalAttributes"))
        failed = more.get("failedActions")
        for action in failed if isinstance(failed, list) else ():
            facts = _mapping(action)
            said = (_text(facts.get("action")), _text(facts.get("additionalInformation")))
            found.append(": ".join(word for word in said if word))
    if shape.kind == "code_build":
        phases = _mapping(detail.get("additional-information")).get("phases")
        for phase in phases if isinstance(phases, list) else ():
            facts = _mapping(phase)
            if facts.get("phase-status") in {"FAILED", "FAULT", "TIMED_OUT"}:
                context = facts.get("phase-context")
                words = [text for text in map(str, context) if text.strip(": ")] if isinstance(context, list) else []
                found.append(f"{facts.get('phase-type')}: {' '.join(words) or facts['phase-status']}")
    told = "; ".join(text for text in found if text)
    return " ".join(told.split())[:_REASON_LIMIT] or None


def _api_call(
    common: dict[str, str],
    moment: datetime,
    clock_problem: str | None,
    detail: Mapping[str, Any],
    endpoints: EndpointIndex,
) -> PlatformEvent:
    """Return who called what from where: of the request only names, weights and counts are kept."""
    problems = [clock_problem] if clock_problem else []
    call = _text(detail.get("eventName"))
    if call is None:
        problems.append("its detail has no eventName")
    request = _mapping(detail.get("requestParameters"))
    endpoint_name = _text(request.get("endpointName"))
    config = _text(request.get("endpointConfigName"))
    named = [text for key, value in sorted(request.items()) if key.endswith(("Name", "Arn")) and (text := _text(value))]
    subject = endpoint_name or config or _text(request.get("alarmName")) or _last_part(next(iter(named), ""))
    said = [f"to the configuration {config}"] if endpoint_name and config else []
    weights = request.get("desiredWeightsAndCapacities")
    for item in weights if isinstance(weights, list) else ():
        facts = _mapping(item)
        figures = [
            f"{word} {facts[key]}"
            for key, word in (("desiredWeight", "weight"), ("desiredInstanceCount", "instances"))
            if isinstance(facts.get(key), int | float)
        ]
        said.append(f"variant {_text(facts.get('variantName')) or '?'}: {', '.join(figures)}")
    error = _text(detail.get("errorCode"))
    if error:
        said.append(f"refused: {error}")
    identity = _mapping(detail.get("userIdentity"))
    exact = _moment(detail.get("eventTime")) or moment
    return PlatformEvent(
        **common,  # type: ignore[arg-type]
        kind="api_call",
        name=subject,
        status=call or "",
        outcome="failed" if error else "changed",
        at=exact,
        change_id=_digest("api_call", _text(detail.get("eventID")) or common["event_id"]),
        arn=_text(_mapping(detail.get("responseElements")).get("endpointArn")) or "",
        endpoint=endpoints.find(
            name=endpoint_name,
            alarm=_text(request.get("alarmName")),
            account=common["account"],
            region=common["region"],
        ),
        endpoint_name=endpoint_name,
        actor=_actor(identity),
        address=_text(detail.get("sourceIPAddress")),
        reason="; ".join(said)[:_REASON_LIMIT] or None,
        problem="; ".join(problems) or None,
    )


def _actor(identity: Mapping[str, Any]) -> str | None:
    for name in ("arn", "userName", "invokedBy", "principalId", "type"):
        if (found := _text(identity.get(name))) is not None:
            return found
    return None


def _change_id(
    shape: EventShape,
    event_id: str,
    run: str,
    status: str,
    outcome: Outcome,
    part: str | None,
    at: datetime,
    is_faulty: bool,
) -> str:
    """Return what several events of one and the same change of state have in common."""
    if is_faulty or shape.kind.startswith("code_") or shape.kind == "state_machine":
        # These are sent once a change; a stage that is retried may well fail again under the same run.
        return _digest(shape.kind, event_id)
    if shape.kind in {"endpoint", "endpoint_config", "model", "model_package"}:
        # They come into the same state again and again.
        return _digest(shape.kind, run, plain(status), moment_text(at))
    return _digest(shape.kind, run, plain(status), outcome, part or "")


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()[:32]


def _envelope_time(text: str) -> tuple[datetime, str | None]:
    try:
        return parse_moment(text), None
    except (ValueError, OverflowError):
        return datetime(1970, 1, 1, tzinfo=UTC), "its time is no ISO 8601 time with an offset"


_END_TIMES = ("TrainingEndTime", "ProcessingEndTime", "TransformEndTime", "HyperParameterTuningEndTime",
              "pipelineExecutionEndTime", "executionEndTime", "stepEndTime", "endTime")  # fmt: skip


def _exact_time(detail: Mapping[str, Any], moment: datetime) -> datetime:
    """Return when the change happened, by the detail where it says so and is not far from the envelope."""
    for name in (*_END_TIMES, "LastModifiedTime"):
        found = _moment(detail.get(name))
        # Some last-modified times stand still while the state moves: an envelope's hour off is another change's.
        if found is not None and abs((found - moment).total_seconds()) < 3600:
            return found
    return moment


def _moment(value: object) -> datetime | None:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            seconds = value / _MILLISECONDS if value > 1e11 else float(value)
            return datetime.fromtimestamp(seconds, UTC)
        if isinstance(value, str):
            return parse_moment(value)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _part(detail: Mapping[str, Any]) -> str | None:
    """Return which stage, action or step it is about."""
    words = [_text(detail.get(name)) for name in ("stage", "action", "stepName")]
    return "/".join(word for word in words if word) or None


def _tags(value: object) -> dict[str, str]:
    """Return tags by key, from a list of Key and Value or from a mapping, as events have both."""
    if isinstance(value, Mapping):
        pairs: list[tuple[object, object]] = list(value.items())
    elif isinstance(value, list):
        facts = [_mapping(item) for item in value]
        pairs = [(one.get("Key", one.get("key")), one.get("Value", one.get("value"))) for one in facts]
    else:
        return {}
    return {key: text for key, text in pairs[:_TAG_LIMIT] if isinstance(key, str) and isinstance(text, str)}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip()[:_TEXT_LIMIT] or None if isinstance(value, str) else None


def _last_part(text: str) -> str:
    """Return the resource's name in an ARN; other text as it is."""
    if not text.startswith("arn:"):
        return text
    return re.split(r"[:/]", text)[-1]
