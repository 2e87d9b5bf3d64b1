"""The alarms of one endpoint, and of our DAGs, as CloudWatch takes them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.monitor_metrics import run_namespace, schedule_dimensions, summary_namespace
from watchkeeper.aws.owner_mark import OwnerMark
from watchkeeper.aws.resource_plan import Resource
from watchkeeper.registry.alarm_condition import (
    DAILY,
    ENDPOINT_NAMESPACE,
    HEARTBEAT,
    INCIDENT,
    INSTANCE_METRICS,
    INSTANCE_NAMESPACE,
    MICROSECOND_METRICS,
)
from watchkeeper.registry.alarm_name import ALL_VARIANTS, FLEET, AlarmName
from watchkeeper.registry.infrastructure_count import LOOKED_AT
from watchkeeper.registry.instance_type import cpu_count, gpu_count
from watchkeeper.registry.monitor_spec import MONITOR_NAMES
from watchkeeper.registry.runbook_pages import alarm_runbook

if TYPE_CHECKING:
    from watchkeeper.aws.endpoint_shape import VariantShape
    from watchkeeper.aws.resource_place import PlaceIdentity, ResourcePlace
    from watchkeeper.registry.alarm_rule import AlarmRule
    from watchkeeper.registry.capture_window import Period
    from watchkeeper.registry.endpoint_spec import EndpointSpec

#: CloudWatch's limits.
_LONGEST_RULE, _MOST_CHILDREN = 10_240, 100
_DAY_SECONDS, _MOST_DAYS = 86_400, 7
_MISSING = {"missing": "missing", "breaching": "breaching", "not_breaching": "notBreaching", "ignore": "ignore"}
_UNIT_WORDS = {"percent": " %", "milliseconds": " ms", "count": "", "distance": "", "value": ""}
_SUMMED_OVER_CORES, _SUMMED_OVER_GPUS = "CPUUtilization", ("GPUUtilization", "GPUMemoryUtilization")


@dataclass(frozen=True)
class AlarmContext:
    """What all alarms of a deployment share; ``absent`` names those that are not made yet."""

    resource_prefix: str
    deployment: str
    metrics_namespace: str
    runbooks_url: str | None = None
    absent: frozenset[str] = frozenset()

    def mark(self, scope: str) -> OwnerMark:
        """Return the mark of what is for one endpoint, or for the fleet."""
        return OwnerMark(self.deployment, scope)


@dataclass(frozen=True)
class AlarmSet:
    """Alarms of one scope; ``held`` names those that are declared and cannot be worked out at the moment."""

    resources: tuple[Resource, ...] = ()
    notes: tuple[str, ...] = ()
    held: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Watched:
    """What an alarm watches: one metric, or metric math over several."""

    namespace: str = ""
    metric: str = ""
    dimensions: tuple[tuple[str, str], ...] = ()
    expression: str = ""
    parts: tuple[tuple[str, "_Watched"], ...] = ()


def endpoint_alarms(
    spec: "EndpointSpec",
    shapes: "dict[str, VariantShape] | None",
    context: AlarmContext,
    here: "ResourcePlace",
    home: "ResourcePlace",
    identities: "dict[ResourcePlace, PlaceIdentity]",
    topic_arn: str | None,
) -> AlarmSet:
    """Return an endpoint's alarms and its incidents: instance and traffic where it is, monitors' verdicts at home.

    ``shapes`` says what its variants run on; ``None`` where SageMaker knows no such endpoint.
    """
    section = spec.wanted_infrastructure
    if section is None:
        return AlarmSet()
    fixed = section.instance_type
    notes: list[str] = []
    held: set[str] = set()
    found: list[tuple[AlarmRule, Resource]] = []
    for rule in section.alarm_rules():
        for variant in (ALL_VARIANTS,) if rule.dimensions else spec.variants:
            name = str(AlarmName(context.resource_prefix, spec.registry_id, variant, rule.condition))
            if name in context.absent:
                notes.append(f"{name} is made when the endpoint has been called once")
                continue
            if rule.source == "monitor":
                for one, watched in _verdict_rules(rule, spec, variant, context):
                    found.append((one, _alarm(one, spec, variant, watched, 1.0, context, home)))
                continue
            factor, why = _factor(rule, (shapes or {}).get(variant), fixed)
            if why:
                notes.append(f"{name} is left as it is: {why}")
                held.add(name)
            elif factor is not None:
                found.append((rule, _alarm(rule, spec, variant, _watched(rule, spec, variant), factor, context, here)))
    paging = (section.incident.enabled and section.incident.notify) or any(rule.page == "itself" for rule, _ in found)
    actions = {
        place: _topic(topic_arn, identity, notes, spec.registry_id) if paging else ()
        for place, identity in identities.items()
    }
    finished = [
        replace(resource, body=_with_actions(resource.body, actions[resource.place] if rule.page == "itself" else ()))
        for rule, resource in found
    ]
    for place in dict.fromkeys(resource.place for resource in finished if section.incident.enabled):
        children = [resource.name for rule, resource in found if rule.page == "incident" and resource.place == place]
        told = actions[place] if section.incident.notify else ()
        finished += _incident(spec, children, told, context, place, notes)
    return AlarmSet(tuple(finished), tuple(dict.fromkeys(notes)), frozenset(held))


def heartbeat_alarms(
    silences: dict[str, int],
    context: AlarmContext,
    owner: str,
    identity: "PlaceIdentity",
    topic_arn: str | None,
) -> AlarmSet:
    """Return an alarm for each of our DAGs that goes off when no run has come to its end for so many minutes."""
    notes: list[str] = []
    told = _topic(topic_arn, identity, notes, FLEET)
    found = []
    for dag_id, minutes in sorted(silences.items()):
        period, periods = (3600, minutes // 60) if minutes >= 60 and not minutes % 60 else (60, minutes)
        name = AlarmName(context.resource_prefix, FLEET, dag_id, HEARTBEAT)
        if str(name) in context.absent:
            notes.append(f"{name} is made when the DAG has run once")
            continue
        text = (
            f"No run of the DAG {dag_id} came to its end for {minutes} minutes. Severity: critical. Owner: {owner}. "
            f"Runbook: {alarm_runbook(context.runbooks_url, HEARTBEAT)}"
        )
        body = {
            "AlarmName": str(name),
            "AlarmDescription": context.mark(FLEET).described(text),
            "Namespace": run_namespace(context.metrics_namespace),
            "MetricName": "Heartbeat",
            "Dimensions": [{"Name": "Dag", "Value": dag_id}],
            "Statistic": "Sum",
            "Period": period,
            "EvaluationPeriods": periods,
            "DatapointsToAlarm": periods,
            "Threshold": 1.0,
            "ComparisonOperator": "LessThanThreshold",
            "TreatMissingData": "breaching",
        }
        found.append(Resource("metric_alarm", str(name), FLEET, _with_actions(body, told)))
    return AlarmSet(tuple(found), tuple(notes))


def _factor(rule: "AlarmRule", shape: "VariantShape | None", fixed: str | None) -> tuple[float | None, str]:
    """Return what a threshold is multiplied with to be in the metric's own unit.

    ``None`` for an alarm that this variant cannot have; a sentence where nothing is known that tells.
    """
    if rule.source != "instance" and rule.metric not in INSTANCE_METRICS:
        return (1000.0 if rule.metric in MICROSECOND_METRICS and rule.unit == "milliseconds" else 1.0), ""
    if shape is not None and shape.is_serverless:
        return None, ""
    instance_type = fixed or (shape.instance_type if shape else None)
    gpus_matter = rule.needs_gpu or rule.metric in _SUMMED_OVER_GPUS
    if instance_type is None and (gpus_matter or rule.metric == _SUMMED_OVER_CORES):
        return None, "its instance type is unknown; put the endpoint in service or write infrastructure.instance_type"
    if gpus_matter:
        gpus = gpu_count(instance_type or "")
        return (float(max(gpus, 1)) if gpus or not rule.needs_gpu else None), ""
    if rule.metric == _SUMMED_OVER_CORES:
        cores = cpu_count(instance_type or "")
        unknown = f"nothing is known of instance type {instance_type}; write threshold by an alarm of your own"
        return (None, unknown) if cores is None else (float(cores), "")
    return 1.0, ""


def _watched(rule: "AlarmRule", spec: "EndpointSpec", variant: str) -> _Watched:
    of_variant = (("EndpointName", spec.endpoint_name), ("VariantName", variant))
    if rule.source == "share":
        errors = _Watched(ENDPOINT_NAMESPACE, rule.metric, of_variant)
        calls = _Watched(ENDPOINT_NAMESPACE, "Invocations", of_variant)
        # Few calls say nothing: one error in three would be a share of 33 %.
        share = f"IF(invocations >= {rule.minimum_invocations}, 100 * FILL(errors, 0) / invocations, 0)"
        return _Watched(expression=share, parts=(("errors", errors), ("invocations", calls)))
    standard = INSTANCE_NAMESPACE if rule.metric in INSTANCE_METRICS else ENDPOINT_NAMESPACE
    return _Watched(rule.namespace or standard, rule.metric, rule.dimensions or of_variant)


def _verdict_rules(
    rule: "AlarmRule", spec: "EndpointSpec", variant: str, context: AlarmContext
) -> "Iterator[tuple[AlarmRule, _Watched]]":
    """Yield an alarm for the monitors that judge hours, if any do, and one for those that judge days only."""
    groups: dict[Period, list[_Watched]] = {}
    for monitor in LOOKED_AT.get(rule.condition, MONITOR_NAMES):
        periods = spec.periods_of(monitor)
        if periods:
            period: Period = "hourly" if "hourly" in periods else "daily"
            dimensions = schedule_dimensions(spec.registry_id, spec.endpoint_name, variant, monitor, period)
            namespace = summary_namespace(context.metrics_namespace, monitor)
            pairs = tuple((item["Name"], item["Value"]) for item in dimensions)
            groups.setdefault(period, []).append(_Watched(namespace, rule.metric, pairs))
    for period in sorted(groups, reverse=True):
        one = rule
        if period == "daily":
            name = f"{rule.condition}{DAILY}" if "hourly" in groups else rule.condition
            days = min(rule.evaluation_periods, _MOST_DAYS)
            one = replace(
                rule.named(name, max(rule.period_seconds, _DAY_SECONDS)),
                evaluation_periods=days,
                datapoints_to_alarm=min(rule.datapoints_to_alarm, days),
            )
        yield one, _sum(groups[period])


def _sum(watched: list[_Watched]) -> _Watched:
    if len(watched) == 1:
        return watched[0]
    parts = tuple((f"m{number}", one) for number, one in enumerate(watched, start=1))
    # SUM passes over what is missing: a monitor that has not judged yet hides no other's violations.
    return _Watched(expression=f"SUM([{', '.join(name for name, _ in parts)}])", parts=parts)


def _alarm(
    rule: "AlarmRule",
    spec: "EndpointSpec",
    variant: str,
    watched: _Watched,
    factor: float,
    context: AlarmContext,
    place: "ResourcePlace",
) -> Resource:
    name = str(AlarmName(context.resource_prefix, spec.registry_id, variant, rule.condition))
    above = rule.comparison == "above"
    body: dict[str, Any] = {
        "AlarmName": name,
        "AlarmDescription": context.mark(spec.registry_id).described(_text(rule, spec, variant, context)),
        "EvaluationPeriods": rule.evaluation_periods,
        "DatapointsToAlarm": rule.datapoints_to_alarm,
        "TreatMissingData": _MISSING[rule.missing_data],
    }
    if rule.threshold is not None:
        body["Threshold"] = float(rule.threshold * factor)
        body["ComparisonOperator"] = "GreaterThanOrEqualToThreshold" if above else "LessThanThreshold"
    if rule.anomaly_band is not None:
        body["ThresholdMetricId"] = "band"
        body["ComparisonOperator"] = "GreaterThanUpperThreshold" if above else "LessThanLowerThreshold"
        # The model is trained by CloudWatch when the alarm is made.
        expected = f"ANOMALY_DETECTION_BAND(observed, {rule.anomaly_band:g})"
        body["Metrics"] = [
            _query("observed", watched, rule, returned=True),
            {"Id": "band", "Expression": expected, "Label": "expected", "ReturnData": True},
        ]
    elif watched.expression:
        body["Metrics"] = [
            *(_query(name, part, rule, returned=False) for name, part in watched.parts),
            {"Id": "watched", "Expression": watched.expression, "Label": rule.condition, "ReturnData": True},
        ]
    else:
        body |= {**_metric(watched), "Period": rule.period_seconds}
        body["ExtendedStatistic" if rule.statistic.startswith("p") else "Statistic"] = rule.statistic
    return Resource("metric_alarm", name, spec.registry_id, body, place)


def _query(name: str, watched: _Watched, rule: "AlarmRule", *, returned: bool) -> dict[str, Any]:
    stat = {"Metric": _metric(watched), "Period": rule.period_seconds, "Stat": rule.statistic}
    return {"Id": name, "MetricStat": stat, "ReturnData": returned}


def _metric(watched: _Watched) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in sorted(watched.dimensions)]
    return {"Namespace": watched.namespace, "MetricName": watched.metric, "Dimensions": dimensions}


def _text(rule: "AlarmRule", spec: "EndpointSpec", variant: str, context: AlarmContext) -> str:
    if rule.threshold is None:
        limit = f"{rule.anomaly_band:g} standard deviations off what is expected"
    else:
        limit = f"{'at least' if rule.comparison == 'above' else 'below'} {rule.threshold:g}{_UNIT_WORDS[rule.unit]}"
    what = rule.says if rule.source != "own" else f"{rule.statistic} of {rule.metric}"
    few = f", with {rule.minimum_invocations} invocations or more" if rule.minimum_invocations else ""
    return (
        f"{spec.registry_id}, {variant}: {what} {limit}{few}, in {rule.datapoints_to_alarm} of "
        f"{rule.evaluation_periods} periods of {rule.period_seconds} s. Severity: {rule.severity}. "
        f"Owner: {spec.owner}. Runbook: {rule.runbook_url or alarm_runbook(context.runbooks_url, rule.condition)}"
    )


def _with_actions(body: "dict[str, Any] | Any", topics: tuple[str, ...]) -> dict[str, Any]:
    """Return an alarm that tells these topics of its state; without any it acts on nothing by itself."""
    return {
        **body,
        "ActionsEnabled": bool(topics),
        "AlarmActions": list(topics),
        "OKActions": list(topics),
        "InsufficientDataActions": [],
    }


def _incident(
    spec: "EndpointSpec",
    children: list[str],
    topics: tuple[str, ...],
    context: AlarmContext,
    place: "ResourcePlace",
    notes: list[str],
) -> Iterator[Resource]:
    if not children:
        return
    name = str(AlarmName(context.resource_prefix, spec.registry_id, ALL_VARIANTS, INCIDENT))
    rule = " OR ".join(f'ALARM("{child}")' for child in sorted(children))
    if len(children) > _MOST_CHILDREN or len(rule) > _LONGEST_RULE:
        notes.append(f"{name} cannot follow {len(children)} alarms; take some out with page: nobody, or split the file")
        return
    text = (
        f"{spec.registry_id}: at least one of {len(children)} alarms is on. Severity: {spec.alerts.severity}. Owner: "
        f"{spec.owner}. Runbook: {spec.alerts.runbook_url or alarm_runbook(context.runbooks_url, INCIDENT)}"
    )
    body = {
        "AlarmName": name,
        "AlarmDescription": context.mark(spec.registry_id).described(text),
        "AlarmRule": rule,
    }
    yield Resource("composite_alarm", name, spec.registry_id, _with_actions(body, topics), place)


def _topic(topic_arn: str | None, identity: "PlaceIdentity", notes: list[str], scope: str) -> tuple[str, ...]:
    """Return the topic as an alarm's action, or nothing with a note on why CloudWatch cannot tell it."""
    if topic_arn is None:
        notes.append("no topic is set for some alarms, of which CloudWatch tells nobody; set WATCHKEEPER_TOPIC_ARN")
        return ()
    if topic_arn.endswith(".fifo"):
        notes.append(f"{scope}: CloudWatch cannot tell {topic_arn}, which is a FIFO topic; name a standard one")
        return ()
    if topic_arn.split(":")[3] != identity.region:
        notes.append(f"{scope}: CloudWatch in {identity.region} cannot tell {topic_arn} of another region")
        return ()
    return (topic_arn,)
