"""One alarm as it shall be: what a file says laid over the standard condition."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from watchkeeper.registry.alarm_condition import (
    ALARM_CONDITIONS,
    ENDPOINT_NAMESPACE,
    GPU_CONDITIONS,
    INSTANCE_METRICS,
    INSTANCE_NAMESPACE,
    MICROSECOND_METRICS,
    AlarmCondition,
    Comparison,
    MetricSource,
    MissingData,
    Paging,
    ThresholdUnit,
)
from watchkeeper.registry.alert_spec import AlertSeverity
from watchkeeper.registry.metric_alarm_spec import THRESHOLD_FIELDS, MetricAlarmSpec, longest_evaluation
from watchkeeper.registry.spec_problems import did_you_mean

_ANOMALOUS = ("model_latency_p95", "model_latency_p99", "overhead_latency_p95")
_STANDARD_BAND = 3.0
_OWN_SAYS = "an alarm of this endpoint's own"


@dataclass(frozen=True)
class AlarmRule:
    """One alarm, whole: ``threshold`` is in ``unit``; ``None`` where ``anomaly_band`` stands for it.

    ``asked`` says that the file turns it on itself, whatever the endpoint's instance has.
    """

    condition: str
    says: str
    source: MetricSource
    metric: str
    namespace: str | None
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    unit: ThresholdUnit
    threshold: float | None
    anomaly_band: float | None
    comparison: Comparison
    minimum_invocations: int
    period_seconds: int
    evaluation_periods: int
    datapoints_to_alarm: int
    missing_data: MissingData
    page: Paging
    severity: AlertSeverity
    runbook_url: str | None
    asked: bool

    @property
    def is_standard(self) -> bool:
        """Whether it has a standard condition's name."""
        return self.condition in ALARM_CONDITIONS

    @property
    def needs_gpu(self) -> bool:
        """Whether it is made only where the instance has a GPU."""
        return self.condition in GPU_CONDITIONS and not self.asked

    def named(self, condition: str, period_seconds: int) -> "AlarmRule":
        """Return the same under another name and with another period."""
        return replace(self, condition=condition, period_seconds=period_seconds)


def alarm_rule(name: str, spec: MetricAlarmSpec | None, anomaly_detection: bool = False) -> AlarmRule | None:
    """Return the alarm of a condition, or ``None`` where there shall be none."""
    given = spec or MetricAlarmSpec()
    condition = ALARM_CONDITIONS.get(name)
    enabled = given.enabled if given.enabled is not None else condition is None or condition.standard or _says(given)
    if not enabled:
        return None
    standard = condition or _own_condition(name, given)
    threshold = next((value for field in THRESHOLD_FIELDS if (value := getattr(given, field)) is not None), None)
    band = given.anomaly_band
    if band is None and threshold is None and anomaly_detection and name in _ANOMALOUS:
        band = _STANDARD_BAND
    periods = given.evaluation_periods or standard.evaluation_periods
    points = given.datapoints_to_alarm or (
        periods if given.evaluation_periods is not None else standard.datapoints_to_alarm
    )
    return AlarmRule(
        condition=name,
        says=standard.says,
        source=standard.source,
        metric=standard.metric,
        namespace=given.namespace,
        dimensions=tuple(given.dimensions.items()),
        statistic=given.statistic or standard.statistic,
        unit=standard.unit,
        threshold=None if band is not None else standard.threshold if threshold is None else threshold,
        anomaly_band=band,
        comparison=given.comparison or standard.comparison,
        minimum_invocations=given.minimum_invocations or standard.minimum_invocations,
        period_seconds=given.period_seconds or standard.period_seconds,
        evaluation_periods=periods,
        datapoints_to_alarm=points,
        missing_data=given.missing_data or standard.missing_data,
        page=given.page or standard.page,
        severity=given.severity or standard.severity,
        runbook_url=given.runbook_url,
        asked=given.enabled is True,
    )


def alarm_faults(name: str, spec: MetricAlarmSpec) -> Iterator[str]:
    """Yield why an alarm cannot be made as a file says it; nothing where it can."""
    if spec.enabled is False:
        return
    condition = ALARM_CONDITIONS.get(name)
    if condition is None and spec.metric is None:
        known = did_you_mean(name, tuple(ALARM_CONDITIONS))
        yield f"no standard condition ({known}); an alarm of your own needs metric"
        return
    yield from _standard_faults(condition, spec) if condition else _own_faults(spec)
    given = [field for field in THRESHOLD_FIELDS if getattr(spec, field) is not None]
    wanted = f"threshold_{(condition or _own_condition(name, spec)).unit}"
    if given and given != [wanted]:
        yield f"{given[0]} is another unit than this metric's; use {wanted}"
    elif condition is None and not given and spec.anomaly_band is None:
        yield f"an alarm of your own needs {wanted} or anomaly_band"
    rule = alarm_rule(name, spec)
    if rule is not None:
        yield from _period_faults(rule)


def _own_faults(spec: MetricAlarmSpec) -> Iterator[str]:
    if spec.statistic is None:
        yield "an alarm of your own needs statistic, such as Average, Sum or p99"
    if spec.minimum_invocations is not None:
        yield "minimum_invocations is for shares of invocations only; take it out"


def _standard_faults(condition: AlarmCondition, spec: MetricAlarmSpec) -> Iterator[str]:
    own = [field for field in ("metric", "namespace", "dimensions") if getattr(spec, field)]
    if own:
        yield f"{', '.join(own)} cannot be changed for a standard condition; give the alarm a name of your own"
    computed = condition.source in {"share", "monitor"}
    if spec.anomaly_band is not None and computed:
        yield "anomaly_band is for CloudWatch's own metrics; use a threshold"
    if spec.statistic is not None and computed:
        yield f"statistic is always {condition.statistic} here; take it out"
    if spec.minimum_invocations is not None and condition.source != "share":
        yield "minimum_invocations is for shares of invocations only; take it out"


def _period_faults(rule: AlarmRule) -> Iterator[str]:
    if rule.datapoints_to_alarm > rule.evaluation_periods:
        yield f"datapoints_to_alarm {rule.datapoints_to_alarm} never happens in {rule.evaluation_periods} periods"
    longest = longest_evaluation(rule.period_seconds)
    if rule.period_seconds * rule.evaluation_periods > longest:
        yield (
            f"{rule.evaluation_periods} periods of {rule.period_seconds} s are more than the {longest // 3600} hours "
            "that CloudWatch looks back; use fewer, or periods of an hour"
        )


def _says(given: MetricAlarmSpec) -> bool:
    """Return whether a file says anything of an alarm: then it is wanted."""
    return bool(given.model_fields_set)


def _own_condition(name: str, spec: MetricAlarmSpec) -> AlarmCondition:
    metric = spec.metric or name
    ours = spec.namespace in {None, INSTANCE_NAMESPACE, ENDPOINT_NAMESPACE}
    unit: ThresholdUnit = "value"
    if ours and metric in INSTANCE_METRICS:
        unit = "percent"
    elif ours and metric in MICROSECOND_METRICS:
        unit = "milliseconds"
    return AlarmCondition(
        name, _OWN_SAYS, "own", metric, spec.statistic or "Average", unit, 0.0, missing_data="missing"
    )
