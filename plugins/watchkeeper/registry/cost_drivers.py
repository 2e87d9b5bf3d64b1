"""What watching an endpoint makes and does in a month, told from its file alone. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchkeeper.registry.bias_spec import BIAS_METRICS
from watchkeeper.registry.cost_estimate import (
    BYTES_PER_GB,
    DAYS_PER_MONTH,
    HOURS_PER_MONTH,
    CostDrivers,
    counted_drivers,
    total_drivers,
)
from watchkeeper.registry.cost_spec import CostAssumptions, CostSpec
from watchkeeper.registry.fleet_cost_spec import RetentionSpec
from watchkeeper.registry.model_quality_spec import METRIC_NAMES
from watchkeeper.registry.monitor_spec import LABEL_MONITORS, MONITOR_NAMES, MonitorName

if TYPE_CHECKING:
    from watchkeeper.registry.capture_window import Period
    from watchkeeper.registry.endpoint_spec import EndpointSpec

INVOCATIONS_PER_HOUR = 1000.0
BYTES_PER_RECORD = 2000.0
FEATURES = 50
#: What is never deleted is priced as it stands after a year.
KEPT_FOR_EVER_DAYS = 365.0
WINDOWS_PER_MONTH: dict["Period", float] = {"hourly": HOURS_PER_MONTH, "daily": DAYS_PER_MONTH}
#: Metrics of a window's summary at most, for each variant and schedule.
SUMMARY_METRICS: dict[MonitorName, int] = {"data_quality": 5, "model_quality": 6, "bias": 6, "explainability": 6}
#: Requests of one window's analysis and report, each copied to its revision, with the guards of metrics.
_PUTS_PER_WINDOW, _GETS_PER_WINDOW = 14.0, 12.0
#: Bytes of a window's documents without its columns; all are kept twice, in the revision's folder too.
_REPORT_BYTES = 10_000.0
_COPIES = 2.0


@dataclass(frozen=True)
class _SketchSize:
    """Bytes of a column's sketch: it grows with the rows until it is full."""

    empty: float
    of_row: float
    full: float

    def of(self, rows: float) -> float:
        """Return the bytes for so many rows."""
        return min(self.empty + self.of_row * rows, self.full)


#: Measured on numeric columns of four decimals.
_STATISTICS, _STATE = _SketchSize(1_800.0, 8.4, 36_000.0), _SketchSize(600.0, 3.1, 14_000.0)
#: Rolled up: statistics of drift and of completeness over all features, and how many have drifted.
ROLLED_UP_FEATURE_METRICS = 3


@dataclass(frozen=True)
class ObservedTraffic:
    """What CloudWatch and the ledger say of an endpoint's traffic, for each variant; ``None`` for what is unknown."""

    invocations_per_hour: float | None = None
    bytes_per_record: float | None = None


@dataclass(frozen=True)
class KeptDays:
    """How many days captures and logs are kept, by what infrastructure declares; ``None`` for ever."""

    captures: float | None = None
    logs: float | None = None


def predicted_drivers(
    spec: "EndpointSpec",
    retention: RetentionSpec | None = None,
    *,
    infrastructure: Mapping[str, float] | None = None,
    kept: KeptDays | None = None,
    observed: ObservedTraffic | None = None,
) -> CostDrivers:
    """Return what an endpoint makes and does in a month, by its file.

    ``infrastructure`` counts what AWS holds for it: alarms and dashboards, by the names of ``CostDrivers``.
    ``observed`` stands in for assumptions that the file leaves out. Storage is what has gathered when the first of it
    is deleted.
    """
    cost = spec.cost or CostSpec()
    traffic = _traffic(spec, cost.assumptions, observed)
    parts = [
        counted_drivers(infrastructure or {}),
        _captures(spec, traffic, kept or KeptDays(), retention or RetentionSpec()),
        _retraining(spec, cost.assumptions),
        *(
            _monitor(spec, cost, traffic, monitor, period, retention or RetentionSpec())
            for monitor in MONITOR_NAMES
            for period in spec.periods_of(monitor)
        ),
    ]
    return total_drivers(parts)


@dataclass(frozen=True)
class _Traffic:
    """Of one variant, a month."""

    invocations: float
    captured: float
    captured_bytes: float
    files: float
    features: int
    hours_share: float


def _traffic(spec: "EndpointSpec", given: CostAssumptions, observed: ObservedTraffic | None) -> _Traffic:
    seen = observed or ObservedTraffic()
    hourly = _first(given.invocations_per_hour, seen.invocations_per_hour, INVOCATIONS_PER_HOUR)
    length = _first(given.bytes_per_record, seen.bytes_per_record, BYTES_PER_RECORD)
    invocations = hourly * HOURS_PER_MONTH
    captured = invocations * spec.capture.sampling_percentage / 100
    files = min(given.capture_files_per_hour * HOURS_PER_MONTH * given.traffic_hours_share, captured)
    return _Traffic(
        invocations, captured, captured * length, files, feature_count(spec, given), given.traffic_hours_share
    )


def feature_count(spec: "EndpointSpec", given: CostAssumptions) -> int:
    """Return how many columns are captured."""
    named = len(spec.capture.input_columns or ()) + len(spec.capture.output_columns or ())
    return given.features or named or FEATURES


def own_metric_count(spec: "EndpointSpec", monitor: MonitorName) -> int:
    """Return how many of Model Monitor's own metrics one schedule of a monitor publishes, however many variants."""
    cost = spec.cost or CostSpec()
    rolled = cost.roll_up_metrics
    features = feature_count(spec, cost.assumptions)
    monitors = spec.monitors
    if monitor == "data_quality":
        count = ROLLED_UP_FEATURE_METRICS if rolled else 3 * features
        return count if monitors.data_quality.publish_feature_metrics else 0
    if monitor == "model_quality" and monitors.model_quality is not None:
        # Each beside that of the best constant classifier, and the violations.
        count = 2 * len(METRIC_NAMES[monitors.model_quality.problem_type]) + 1
        return count if monitors.model_quality.publish_model_metrics else 0
    if monitor == "bias" and monitors.bias is not None:
        groups = sum(max(1, len(facet.values_or_threshold)) for facet in monitors.bias.facets)
        groups = max(1, groups + len(monitors.bias.intersections))
        count = len(BIAS_METRICS) * (1 if rolled else groups)
        return count if monitors.bias.publish_bias_metrics else 0
    if monitor == "explainability" and monitors.explainability is not None:
        count = 2 if rolled else features + 1
        return count if monitors.explainability.publish_attribution_metrics else 0
    return 0


def _monitor(
    spec: "EndpointSpec",
    cost: CostSpec,
    traffic: _Traffic,
    monitor: MonitorName,
    period: "Period",
    retention: RetentionSpec,
) -> CostDrivers:
    """Return what one schedule of a monitor takes; only windows with traffic count where empty ones are skipped."""
    variants, windows = len(spec.variants), WINDOWS_PER_MONTH[period]
    if cost.skip_empty_windows and period == "hourly" and monitor not in LABEL_MONITORS:
        windows *= traffic.hours_share
    series = SUMMARY_METRICS[monitor] * variants + own_metric_count(spec, monitor)
    judged = windows * variants * (2 if monitor in LABEL_MONITORS else 1)  # once pending, once ripe
    rows = traffic.captured / WINDOWS_PER_MONTH[period]
    columns = _STATISTICS.of(rows) * traffic.features if monitor == "data_quality" else 0.0
    stored = judged * _COPIES * (_REPORT_BYTES + columns) * _months(retention.reports)
    if monitor == "data_quality" and period == "hourly":
        stored += judged * _STATE.of(rows) * traffic.features * _months(retention.states)
    hours: dict[str, float] = {}
    if monitor == "explainability" and spec.explainability.model.is_shadow:
        shadow, given = spec.explainability.model.shadow, cost.assumptions
        kind = (shadow and shadow.instance_type) or given.shadow_instance_type
        count = shadow.instance_count if shadow else 1
        hours[f"hosting/{kind}"] = windows * variants * count * given.shadow_minutes_per_window / 60
    return CostDrivers(
        # Metered by the hour in which a metric gets a point: a daily one is charged for one hour in 24.
        custom_metrics=series * windows / HOURS_PER_MONTH,
        metric_requests=judged + series * windows / 1000,
        s3_puts=judged * _PUTS_PER_WINDOW,
        s3_gets=judged * _GETS_PER_WINDOW + (traffic.files * variants if period == "hourly" else 0),
        s3_stored_gb=stored / BYTES_PER_GB,
        instance_hours=hours,
    )


def _captures(spec: "EndpointSpec", traffic: _Traffic, kept: KeptDays, retention: RetentionSpec) -> CostDrivers:
    variants = len(spec.variants)
    stored = traffic.captured_bytes * _months(kept.captures)
    listed = 0.0
    labels = spec.ground_truth
    if labels is not None and labels.enabled:
        stored += traffic.captured_bytes * _months(retention.merged)
        # Each hourly run looks at each day of the horizon.
        listed = labels.horizon_days * HOURS_PER_MONTH
    logged = traffic.invocations * (spec.cost or CostSpec()).assumptions.log_bytes_per_invocation * variants
    return CostDrivers(
        s3_stored_gb=stored * variants / BYTES_PER_GB,
        s3_puts=(traffic.files + listed) * variants,
        log_ingested_gb=logged / BYTES_PER_GB,
        log_stored_gb=logged * _months(kept.logs) / BYTES_PER_GB,
    )


def _retraining(spec: "EndpointSpec", given: CostAssumptions) -> CostDrivers:
    rules = spec.retraining
    if rules is None or rules.mode == "dry_run":
        return CostDrivers()
    kind = rules.parameters.get("InstanceType") or given.training_instance_type
    return CostDrivers(instance_hours={f"training/{kind}": rules.maximum_per_month * given.training_hours_per_attempt})


def _months(days: float | None) -> float:
    return (KEPT_FOR_EVER_DAYS if days is None else days) / DAYS_PER_MONTH


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)
