"""Our alarms in CloudWatch: found by their names' prefix, a hundred a call, and owned by the mark they carry."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.alarm_hook import AlarmFacts, AlarmHook
from watchkeeper.aws.owner_mark import DEPLOYMENT_TAG, OwnerMark
from watchkeeper.aws.resource_holder import each, prefixes
from watchkeeper.aws.resource_plan import FoundResource, ResourceChange, ResourceKind
from watchkeeper.registry.alarm_name import AlarmName

if TYPE_CHECKING:
    from watchkeeper.aws.client_access import AwsAccess
    from watchkeeper.aws.resource_place import ResourcePlace

_ACTION_LISTS = ("AlarmActions", "OKActions", "InsufficientDataActions")
_SHARED = ("AlarmName", "AlarmDescription", "ActionsEnabled", *_ACTION_LISTS)
_COMPOSITE_FIELDS = (*_SHARED, "AlarmRule", "ActionsSuppressor")
_METRIC_FIELDS = (
    *_SHARED,
    "Namespace",
    "MetricName",
    "Dimensions",
    "Statistic",
    "ExtendedStatistic",
    "Period",
    "Unit",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ThresholdMetricId",
    "ComparisonOperator",
    "TreatMissingData",
    "Metrics",
)


@dataclass(frozen=True)
class AlarmHolder:
    """Metric alarms and composite ones.

    ``DescribeAlarms`` does not answer with tags, and asking for them is one call an alarm. So a description ends with
    the owner's mark, which comes with the listing. Tags are written too, when an alarm is made, and are asked for only
    of what is to be changed or pruned: both have to say the same.
    """

    resource_prefix: str
    deployment: str
    kinds: tuple[ResourceKind, ...] = ("metric_alarm", "composite_alarm")

    def find(
        self, access: "AwsAccess", place: "ResourcePlace", scopes: frozenset[str] | None
    ) -> Iterator[FoundResource]:
        """Yield all alarms whose names are of our form."""
        hook = access.open(AlarmHook)
        for prefix in prefixes(self.resource_prefix, "/", scopes):
            for alarm in hook.alarms(prefix=prefix):
                name = AlarmName.parse(alarm.name, self.resource_prefix)
                if name is not None:
                    yield _found(alarm, name, place)

    def tagged_owner(self, access: "AwsAccess", found: FoundResource) -> str | None:
        """Return the deployment that an alarm's tags name. One call."""
        return access.open(AlarmHook).alarm_tags(found.arn).get(DEPLOYMENT_TAG)

    def bring_about(self, changes: Sequence[ResourceChange], access: "AwsAccess") -> Iterator[str]:
        """Put and delete alarms; yield what failed."""
        hook = access.open(AlarmHook)

        def act(change: ResourceChange) -> None:
            if change.action == "prune":
                hook.delete_alarms([change.name])
                return
            request = {**change.body, "Tags": OwnerMark(self.deployment, change.scope).tags}
            put = hook.put_composite_alarm if change.kind == "composite_alarm" else hook.put_alarm
            put(request)

        return each(changes, act)


def _found(alarm: AlarmFacts, name: AlarmName, place: "ResourcePlace") -> FoundResource:
    kind: ResourceKind = "composite_alarm" if alarm.is_composite else "metric_alarm"
    body = alarm_body(alarm.request)
    mark = OwnerMark.read(body.get("AlarmDescription", ""))
    return FoundResource(kind, alarm.name, name.endpoint, body, mark.deployment if mark else None, place, alarm.arn)


def alarm_body(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return an alarm as it is compared: what our requests say, with lists that CloudWatch leaves out when empty."""
    names = _COMPOSITE_FIELDS if "AlarmRule" in request else _METRIC_FIELDS
    body = {name: request[name] for name in names if request.get(name) not in (None, "")}
    body["ActionsEnabled"] = request.get("ActionsEnabled", True)
    body |= {name: list(request.get(name) or ()) for name in _ACTION_LISTS}
    if "AlarmRule" in request:
        return body
    if "ExtendedStatistic" in body:
        body.pop("Statistic", None)
    if "Metrics" in body:
        body["Metrics"] = [_query(item) for item in body["Metrics"]]
        for name in ("Namespace", "MetricName", "Dimensions", "Statistic", "Period", "Unit"):
            body.pop(name, None)
    else:
        body["Dimensions"] = _sorted(body.get("Dimensions", ()))
    if "ThresholdMetricId" in body:
        body.pop("Threshold", None)
    return body


def _query(item: Mapping[str, Any]) -> dict[str, Any]:
    query = {"ReturnData": True, **{name: value for name, value in item.items() if value is not None}}
    if "MetricStat" in query:
        stat = dict(query["MetricStat"])
        stat["Metric"] = {**stat["Metric"], "Dimensions": _sorted(stat["Metric"].get("Dimensions", ()))}
        query["MetricStat"] = stat
    return query


def _sorted(dimensions: Any) -> list[dict[str, str]]:
    return sorted(
        ({"Name": item["Name"], "Value": item["Value"]} for item in dimensions), key=lambda item: item["Name"]
    )
