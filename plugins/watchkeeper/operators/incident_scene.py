"""What remediation knows of the fleet at a moment: alarms, events, who is being acted on, and what else goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.action_store import AttemptState
from watchkeeper.aws.alarm_hook import AlarmFacts, AlarmHook
from watchkeeper.aws.endpoint_snapshot import UNDER_WAY
from watchkeeper.aws.sagemaker_hook import EndpointHook
from watchkeeper.operators.orphaned_attempts import owner_of
from watchkeeper.registry.alarm_condition import ALARM_CONDITIONS, DAILY, INCIDENT
from watchkeeper.registry.alarm_name import AlarmName
from watchkeeper.registry.remediation_policy import Surroundings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.aws.event_inbox import InboxEvent
    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.endpoint_spec import EndpointSpec

_GOING_ON = ["queued", "running"]


@dataclass
class IncidentScene:
    """What was asked of AWS once for all endpoints.

    ``alarms`` are each endpoint's, ``faults`` what could not be asked, by the endpoint.
    """

    now: datetime
    fleet_size: int
    acting: frozenset[str] = frozenset()
    acted: frozenset[str] = frozenset()
    alarms: dict[str, list[AlarmFacts]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    @classmethod
    def look(cls, deployment: "Deployment", specs: Sequence["EndpointSpec"], now: datetime) -> "IncidentScene":
        """Ask for the alarms of all endpoints, one way to AWS after the other, and for who is being acted on."""
        scene = cls(
            now,
            max(1, len(deployment.registry.endpoints)),
            deployment.blast_radius.acting(now),
            deployment.blast_radius.acted(now),
        )
        ways: dict[tuple[Any, ...], tuple[AwsAccess, list[EndpointSpec]]] = {}
        for spec in specs:
            access = deployment.access_of(spec)
            way = (access.aws_conn_id, access.region_name, access.role_arn)
            ways.setdefault(way, (access, []))[1].append(spec)
        for access, reached in ways.values():
            try:
                scene._ask(access, reached, deployment.settings.resource_prefix)
            except Exception as error:  # noqa: BLE001 - one account that cannot be reached holds up no other
                scene.faults |= {spec.registry_id: str(error) for spec in reached}
        return scene

    def _ask(self, access: "AwsAccess", specs: Sequence["EndpointSpec"], prefix: str) -> None:
        hook = access.open(AlarmHook)
        by_endpoint: dict[str, list[AlarmFacts]] = {}
        known: dict[str, AlarmFacts] = {}
        for facts in hook.alarms(prefix=f"{prefix}/"):
            name = AlarmName.parse(facts.name, prefix)
            known[facts.name] = facts
            if name is not None:
                by_endpoint.setdefault(name.endpoint, []).append(facts)
        theirs = {spec.registry_id: whole_names(spec) for spec in specs}
        wanted = {name for names in theirs.values() for name in names if name not in known}
        known |= {facts.name: facts for facts in hook.alarms(names=sorted(wanted))} if wanted else {}
        for spec in specs:
            own = {facts.name: facts for facts in by_endpoint.get(spec.registry_id, ())}
            own |= {name: known[name] for name in theirs[spec.registry_id] if name in known}
            self.alarms[spec.registry_id] = list(own.values())

    def surroundings(self, busy: str | None) -> Surroundings:
        """Return what the policy looks at besides the endpoint itself."""
        return Surroundings(busy=busy, acting=self.acting, acted=self.acted, fleet_size=self.fleet_size)


def whole_names(spec: "EndpointSpec") -> tuple[str, ...]:
    """Return the whole names of alarms that rules of an endpoint follow.

    A condition's name is none of them: somebody else's alarm may be called ``drift``, too.
    """
    rules = () if spec.remediation is None else spec.remediation.rules
    own = () if spec.infrastructure is None else spec.infrastructure.alarms
    conditions = {*ALARM_CONDITIONS, INCIDENT, *own}
    names = dict.fromkeys(name for rule in rules for name in rule.alarms)
    return tuple(name for name in names if name.removesuffix(DAILY) not in conditions)


def events_by_endpoint(
    events: Sequence["InboxEvent"], specs: Mapping[str, "EndpointSpec"], prefix: str
) -> tuple[dict[str, list["InboxEvent"]], list["InboxEvent"]]:
    """Return events by the endpoint that they are of, and those that are of none of these endpoints."""
    followers: dict[str, list[str]] = {}
    for endpoint, spec in specs.items():
        for name in whole_names(spec):
            followers.setdefault(name, []).append(endpoint)
    found: dict[str, list[InboxEvent]] = {}
    strangers = []
    for event in events:
        alarm = alarm_of(event)
        parts = AlarmName.parse(alarm, prefix)
        ours = [parts.endpoint] if parts is not None and parts.endpoint in specs else followers.get(alarm, [])
        for endpoint in ours:
            found.setdefault(endpoint, []).append(event)
        if not ours:
            strangers.append(event)
    return found, strangers


def alarm_of(event: "InboxEvent") -> str:
    """Return the name of the alarm that an event is of; empty where it does not say."""
    name = event.detail.get("alarmName")
    return name if isinstance(name, str) else ""


def state_of(event: "InboxEvent") -> str:
    """Return the state that an event tells of; empty where it does not say."""
    state = event.detail.get("state")
    value = state.get("value") if isinstance(state, dict) else None
    return value if isinstance(value, str) else ""


def run_goes_on(context: "Context", held_by: str) -> bool:
    """Return whether the run that holds an incident is queued or running; true where that cannot be asked."""
    instance: Any = context.get("ti")
    dag_id, _, run_id = held_by.partition(" ")
    if instance is None or not run_id:
        return instance is None
    return bool(instance.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=_GOING_ON))


def why_busy(deployment: "Deployment", spec: "EndpointSpec", context: "Context") -> str | None:
    """Return why an endpoint must not be updated now, ``None`` if nothing is in the way."""
    hook = deployment.access_of(spec).open(EndpointHook)
    live = hook.live_endpoint(spec.endpoint_name)
    if live is None:
        return f"SageMaker knows no endpoint {spec.endpoint_name}"
    if live.status in UNDER_WAY:
        return f"the endpoint is {live.status}"
    retraining = spec.retraining
    for attempt in () if retraining is None else deployment.actions.attempts(spec.registry_id):
        automatic = retraining is not None and retraining.deployment.mode == "automatic"
        deploys = (attempt.state == AttemptState.APPROVED and attempt.decision is not None) or (
            attempt.state == AttemptState.COMPARED and automatic
        )
        if deploys and not attempt.dry_run and run_goes_on(context, owner_of(attempt)):
            return f"attempt {attempt.attempt_id} of retraining deploys a model"
    return None


def observe_config(deployment: "Deployment", spec: "EndpointSpec", warn: Callable[..., None]) -> None:
    """Note which configuration serves, where rolling back may have to know; a fault is a warning."""
    remediation = spec.remediation
    if remediation is None or not any("roll_back" in rule.do for rule in remediation.rules):
        return
    try:
        live = deployment.access_of(spec).open(EndpointHook).live_endpoint(spec.endpoint_name)
        if live is not None and live.status == "InService":
            deployment.config_history.observe(spec.registry_id, live.config_name, datetime.now(UTC))
    except Exception as error:  # noqa: BLE001 - the next run looks again
        warn("%s: what serves could not be noted: %s", spec.registry_id, error)
