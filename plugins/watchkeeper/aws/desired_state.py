"""All that AWS shall hold by the endpoint files and the fleet's file: worked out from them and from what is live."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watchkeeper.aws.alarm_requests import AlarmContext, endpoint_alarms, heartbeat_alarms
from watchkeeper.aws.dashboard_body import endpoint_dashboard, fleet_dashboard
from watchkeeper.aws.dashboard_holder import dashboard_name
from watchkeeper.aws.event_rule_holder import (
    ALARMS,
    API_CALLS,
    PLATFORM,
    EventQueue,
    alarm_pattern,
    api_call_pattern,
    event_rule,
    platform_pattern,
    queue_permission,
    rule_arn,
    rule_name,
)
from watchkeeper.aws.lifecycle_rules import expiry, rule_start
from watchkeeper.aws.log_retention import ENDPOINT_GROUPS, retention
from watchkeeper.aws.mute_rule_holder import mute_rules
from watchkeeper.aws.resource_place import PlaceBook, PlaceIdentity, ResourcePlace
from watchkeeper.aws.resource_plan import Resource
from watchkeeper.registry.alarm_condition import DAILY, INCIDENT
from watchkeeper.registry.alarm_name import FLEET

if TYPE_CHECKING:
    from watchkeeper.aws.endpoint_shape import EndpointShape
    from watchkeeper.registry.deployment_settings import DeploymentSettings
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.fleet_spec import FleetSpec

HOME = ResourcePlace()


@dataclass
class DesiredState:
    """What shall be, gathered scope by scope.

    ``notes`` say what was left out and why. ``held`` names what is declared and cannot be worked out at the moment:
    scopes and things that are left as they are. ``places`` are all that were spoken of.
    """

    resources: list[Resource] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    places: dict[ResourcePlace, PlaceIdentity] = field(default_factory=dict)
    captures: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def paging_alarms(self, place: ResourcePlace, scope: str | None = None) -> list[str]:
        """Return the names of the alarms that tell somebody by themselves."""
        return [
            resource.name
            for resource in self.resources
            if resource.kind in {"metric_alarm", "composite_alarm"}
            and resource.body["ActionsEnabled"]
            and resource.place == place
            and scope in {None, resource.scope}
        ]


@dataclass(frozen=True)
class Declaration:
    """What the files say, and how AWS is reached: all that a desired state is made from.

    ``absent`` names alarms on what has never been there, which are not made yet. ``buckets`` says through which place
    each bucket of captures is reached.
    """

    settings: "DeploymentSettings"
    fleet: "FleetSpec"
    places: PlaceBook
    absent: frozenset[str] = frozenset()
    buckets: Mapping[str, ResourcePlace] = field(default_factory=dict)

    @property
    def deployment(self) -> str:
        """The value of our tag: ``bucket/prefix``."""
        return deployment_tag(self.settings)

    @property
    def alarm_context(self) -> AlarmContext:
        """What all alarms share."""
        given = self.settings
        return AlarmContext(
            given.resource_prefix, self.deployment, given.metrics_namespace, given.runbooks_url, self.absent
        )


def deployment_tag(settings: "DeploymentSettings") -> str:
    """Return what the tag of everything that a deployment owns says."""
    return f"{settings.bucket}/{settings.prefix}"


def capture_bucket(spec: "EndpointSpec") -> str:
    """Return the bucket that an endpoint's captures lie in."""
    return spec.capture.s3_uri.removeprefix("s3://").partition("/")[0]


def bucket_places(
    specs: "Iterable[EndpointSpec]", places: Mapping[str, ResourcePlace], home_bucket: str
) -> dict[str, ResourcePlace]:
    """Return through which one place each bucket is reached: home if any endpoint there uses it, else the first.

    A bucket is the same from everywhere, and endpoints of several accounts and regions may share one.
    """
    found = {home_bucket: HOME}
    known = [(places[spec.registry_id], spec) for spec in specs if spec.registry_id in places]
    for place, spec in sorted(known, key=lambda item: not item[0].is_home):
        found.setdefault(capture_bucket(spec), place)
    return found


def add_endpoint(
    state: DesiredState,
    spec: "EndpointSpec",
    shape: "EndpointShape | None",
    place: ResourcePlace,
    given: Declaration,
) -> None:
    """Add what is for one endpoint; ``shape`` is ``None`` where SageMaker knows no such endpoint."""
    section = spec.wanted_infrastructure
    if section is None:
        return
    settings, home = given.settings, given.places.identity(HOME)
    state.places |= {HOME: home, place: given.places.identity(place)}
    here = state.places[place]
    if shape is None:
        state.notes.append(f"{spec.registry_id}: SageMaker in {here.region} knows no endpoint {spec.endpoint_name}")
    topic = section.incident.topic_arn or spec.alerts.topic_arn or settings.topic_arn
    identities = {HOME: home, place: here}
    variants = shape.variants if shape else None
    alarms = endpoint_alarms(spec, variants, given.alarm_context, place, HOME, identities, topic)
    state.resources += alarms.resources
    state.notes += alarms.notes
    state.held |= alarms.held
    for where in dict.fromkeys((place, HOME)):
        names = state.paging_alarms(where, spec.registry_id)
        state.resources += mute_rules(
            section.mute_windows, names, spec.registry_id, settings.resource_prefix, given.deployment, where
        )
    if section.dashboard:
        arns = [_alarm_arn(alarm, identities) for alarm in alarms.resources if alarm.place == HOME or here == home]
        body = endpoint_dashboard(spec, arns, given.deployment, settings.metrics_namespace, home.region, here.region)
        name = dashboard_name(settings.resource_prefix, spec.registry_id)
        state.resources.append(Resource("dashboard", name, spec.registry_id, body))
    if section.log_retention_days is not None:
        group = f"{ENDPOINT_GROUPS}{spec.endpoint_name}"
        state.resources.append(retention(group, section.log_retention_days, spec.registry_id, place))
    days = section.capture_retention_days or given.fleet.infrastructure.lifecycle.capture_days
    if days is not None:
        bucket, _, folder = spec.capture.s3_uri.removeprefix("s3://").partition("/")
        prefix = "/".join((*([folder] if folder else []), spec.endpoint_name, ""))
        start, where = rule_start(settings.resource_prefix, given.deployment), given.buckets.get(bucket, place)
        state.resources.append(expiry(bucket, prefix, days, "captures", spec.registry_id, start, where))
    if section.manage_capture and shape is not None and shape.capture_differences:
        state.captures[spec.registry_id] = shape.capture_differences


def add_fleet(
    state: DesiredState,
    specs: "Iterable[EndpointSpec]",
    place_of: "Callable[[EndpointSpec], ResourcePlace]",
    given: Declaration,
) -> None:
    """Add what is for the whole fleet; after all endpoints, since it speaks of their alarms."""
    section, settings = given.fleet.infrastructure, given.settings
    home = given.places.identity(HOME)
    state.places[HOME] = home
    silences = section.silences()
    topic = section.topic_arn or settings.topic_arn
    beats = heartbeat_alarms(silences, given.alarm_context, section.owner, home, topic)
    state.resources += beats.resources
    state.notes += beats.notes
    for place in state.places:
        names = state.paging_alarms(place)
        state.resources += mute_rules(
            section.mute_windows, names, FLEET, settings.resource_prefix, given.deployment, place
        )
    watched = [spec for spec in specs if spec.wanted_infrastructure is not None]
    if section.dashboard:
        regions = {spec.registry_id: state.places[place_of(spec)].region for spec in watched}
        incidents = [
            one for one in state.resources if one.kind == "composite_alarm" and state.places[one.place] == home
        ]
        arns = [_alarm_arn(one, state.places) for one in (*beats.resources, *incidents)]
        body = fleet_dashboard(
            watched, regions, silences, arns, given.deployment, settings.metrics_namespace, home.region
        )
        state.resources.append(Resource("dashboard", dashboard_name(settings.resource_prefix, FLEET), FLEET, body))
    state.resources += [
        retention(group, days, FLEET, HOME) for group, days in sorted(section.log_retention_days.items())
    ]
    start = rule_start(settings.resource_prefix, given.deployment)
    kept = section.lifecycle
    lasting = {"reports": kept.report_days, "states": kept.state_days, "merged": kept.merged_days}
    for what, days in (lasting | {"plans": kept.plan_days}).items():
        if days is not None:
            prefix = f"{settings.prefix}/{what}/" if settings.prefix else f"{what}/"
            state.resources.append(expiry(settings.bucket, prefix, days, what, FLEET, start, HOME))
    _add_events(state, given, home, _followed_by_name(watched))


def _add_events(state: DesiredState, given: Declaration, home: PlaceIdentity, others: Iterable[str]) -> None:
    section, settings = given.fleet.infrastructure.event_sources, given.settings
    prefix = settings.resource_prefix
    wanted = []
    if section.alarms:
        wanted.append((ALARMS, settings.alarm_queue_url, alarm_pattern(prefix, others), "alarms' changes of state"))
    if section.services:
        wanted.append((PLATFORM, settings.event_queue_url, platform_pattern(section.services), "platform events"))
    if section.api_calls:
        wanted.append((API_CALLS, settings.event_queue_url, api_call_pattern(), "calls that change endpoints"))
    senders: dict[EventQueue, list[str]] = {}
    for what, url, pattern, words in wanted:
        if url is None:
            state.notes.append(f"rule {rule_name(prefix, what)} is left out: the settings name no queue for {words}")
            continue
        queue, name = EventQueue.of(url, home), rule_name(prefix, what)
        senders.setdefault(queue, []).append(rule_arn(home, name))
        why = f"Hands {words} to Watchkeeper."
        state.resources.append(event_rule(name, pattern, queue.target, why, given.deployment, HOME))
        for place in state.places:
            if place.is_home:
                continue
            role = given.fleet.infrastructure.event_bus_role_arn
            if role is None:
                state.notes.append(
                    f"{words} of {place} do not reach us: set infrastructure.event_bus_role_arn, with which "
                    "EventBridge hands them on"
                )
                continue
            bus = f"arn:{home.partition}:events:{home.region}:{home.account}:event-bus/default"
            target = {"Arn": bus, "RoleArn": role}
            state.resources.append(event_rule(name, pattern, target, why, given.deployment, place))
    state.resources += [queue_permission(queue, rules, prefix) for queue, rules in senders.items()]


def _followed_by_name(specs: "Iterable[EndpointSpec]") -> set[str]:
    """Return the alarms of others that remediation rules follow, by their whole names."""
    found: set[str] = set()
    for spec in specs:
        rules = spec.wanted_infrastructure.alarm_rules() if spec.wanted_infrastructure else ()
        own = {name for rule in rules for name in (rule.condition, f"{rule.condition}{DAILY}")} | {INCIDENT}
        followed = spec.remediation.rules if spec.remediation else ()
        found |= {name for rule in followed for name in rule.alarms} - own
    return found


def _alarm_arn(alarm: Resource, identities: Mapping[ResourcePlace, PlaceIdentity]) -> str:
    identity = identities[alarm.place]
    return f"arn:{identity.partition}:cloudwatch:{identity.region}:{identity.account}:alarm:{alarm.name}"
