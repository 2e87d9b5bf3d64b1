"""Alarms on the absence of what has never been there: they would go off at once, so they are not made yet."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.monitor_metrics import run_namespace
from watchkeeper.aws.resource_place import ResourcePlace
from watchkeeper.errors import WatchkeeperError
from watchkeeper.registry.alarm_condition import ENDPOINT_NAMESPACE, HEARTBEAT, SILENCE
from watchkeeper.registry.alarm_name import FLEET, AlarmName

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.fleet_spec import FleetSpec


def absent_alarms(
    specs: "Iterable[EndpointSpec]",
    places: Mapping[str, ResourcePlace],
    fleet: "FleetSpec",
    resource_prefix: str,
    metrics_namespace: str,
    home: "AwsAccess",
    tell: Callable[[str], object],
) -> frozenset[str]:
    """Return the names of standard alarms on absence that are not to be made yet.

    Those are heartbeats of DAGs that have not run, and ``invocations_missing`` of endpoints that nobody has called, in
    the two weeks that CloudWatch remembers. An alarm that is there stays, and one that a file names is made at once.
    Where CloudWatch cannot be asked what there has been, that is told, and what is not there yet is not made: a
    throttled call is no reason to page everybody.
    """
    section = fleet.infrastructure
    unheard: dict[ResourcePlace, dict[str, str]] = {ResourcePlace(): {}}
    for spec in specs:
        wanted, place = spec.wanted_infrastructure, places.get(spec.registry_id)
        if wanted is not None and place is not None and SILENCE not in wanted.alarms:
            names = (str(AlarmName(resource_prefix, spec.registry_id, one, SILENCE)) for one in spec.variants)
            unheard.setdefault(place, {}).update(dict.fromkeys(names, spec.endpoint_name))
    beats = {
        str(AlarmName(resource_prefix, FLEET, dag_id, HEARTBEAT)): dag_id
        for dag_id in section.silences()
        if dag_id not in section.heartbeats
    }
    absent: set[str] = set()
    for place, named in unheard.items():
        hook = place.access(home).open(CloudWatchHook)
        called = _heard(hook, ENDPOINT_NAMESPACE, "Invocations", "EndpointName", tell) if named else frozenset()
        silent = {name for name, endpoint_name in named.items() if endpoint_name not in called}
        if place.is_home and beats:
            beating = _heard(hook, run_namespace(metrics_namespace), "Heartbeat", "Dag", tell)
            silent |= {name for name, dag_id in beats.items() if dag_id not in beating}
        absent |= silent - {alarm.name for alarm in hook.alarms(names=sorted(silent))}
    return frozenset(absent)


def _heard(
    hook: CloudWatchHook, namespace: str, metric: str, dimension: str, tell: Callable[[str], object]
) -> frozenset[str]:
    """Return the values of a dimension for which a metric had a point in the last two weeks; none if it is not told."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        parts = [part for item in hook.list_metrics(namespace, metric) for part in item["Dimensions"]]
    except (ClientError, BotoCoreError, WatchkeeperError) as error:
        tell(f"alarms on the absence of {metric} are not made anew: {' '.join(str(error).split())}")
        return frozenset()
    return frozenset(part["Value"] for part in parts if part["Name"] == dimension)
