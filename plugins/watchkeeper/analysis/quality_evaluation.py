"""From a quality state and a baseline to findings: one per constrained metric, and drift of labels and predictions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from watchkeeper.analysis.column_kind import InferredType
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.constraint_set import FeatureConstraints, MonitoringConfig
from watchkeeper.analysis.drift_check import check_drift
from watchkeeper.analysis.finding import Check, Finding, Outcome
from watchkeeper.analysis.jackson_json import java_double
from watchkeeper.analysis.metric_resampling import Interval, confidence_intervals
from watchkeeper.analysis.quality_attributes import ProblemType
from watchkeeper.analysis.quality_constraints import MetricConstraint, QualityConstraints
from watchkeeper.analysis.quality_metrics import ERROR_METRICS, Metric, measure
from watchkeeper.analysis.quality_state import LABEL, PREDICTION, QualityState
from watchkeeper.analysis.quality_statistics import QualityStatistics
from watchkeeper.analysis.quality_violations import violation_text

# Model Monitor computes it, constrains it, and loses it between two spellings of its name.
_LOST = "f0_5"
_SAME = 1e-9
# Of a normal distribution, 99.7 % lie within so many standard errors: the interval's confidence.
_SIGMAS = 3.0


@dataclass(frozen=True)
class QualityBaseline:
    """What a window is judged against.

    Without statistics every threshold is taken at its word, and there is no drift check.
    """

    constraints: QualityConstraints
    statistics: QualityStatistics | None = None

    def own_value(self, metric: str) -> float | None:
        """Return the value that the baseline itself had."""
        found = self.statistics.metrics.get(metric) if self.statistics else None
        return found.value if found else None

    def spread(self, metric: str) -> float:
        """Return how far chance moves the baseline's own value at the interval's confidence; 0 where that is unknown.

        A sample of 80 % of the rows without replacement varies a quarter as much as the rows themselves would, so the
        standard error is twice the standard deviation of Model Monitor's samples.
        """
        found = self.statistics.metrics.get(metric) if self.statistics else None
        return _SIGMAS * 2.0 * found.standard_deviation if found and found.standard_deviation else 0.0


def evaluate_quality(
    state: QualityState,
    baseline: QualityBaseline,
    dialect: Dialect = Dialect.EXACT,
    drift_thresholds: Mapping[str, float | None] | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> list[Finding]:
    """Return one finding per constrained metric, in the constraints' order, then those of drift.

    In the ``exact`` dialect a threshold that is the baseline's own value is violated only when the metric is further
    beyond it than its bootstrap interval and the baseline's own chance explain; a threshold that somebody set is taken
    at its word. ``compatible`` takes all at their word and never reports ``f0_5``, as Model Monitor.
    ``drift_thresholds`` are those of the features ``label`` and ``prediction``; a feature without one is not compared.
    Model Monitor has no such check: ``compatible`` has none either. ``metrics`` are the state's, where the caller has
    measured them in this dialect already.
    """
    window = _Window(state, dialect, metrics)
    findings = [
        _check_metric(name, constraint, window, baseline) for name, constraint in baseline.constraints.metrics.items()
    ]
    if dialect is Dialect.COMPATIBLE:
        return findings
    given = drift_thresholds or {}
    limits = {name: given.get(name) for name in (LABEL, PREDICTION)}
    drift = [_check_drift(name, limit, state, baseline) for name, limit in limits.items() if limit is not None]
    return findings + drift


@dataclass(frozen=True)
class _Window:
    """The window's metrics and intervals, each worked out when first asked for."""

    state: QualityState
    dialect: Dialect
    measured: Mapping[str, Metric] | None = None

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        if self.measured is not None:
            return self.measured
        return measure(self.state, most_predicted=self.dialect is Dialect.COMPATIBLE)

    @cached_property
    def intervals(self) -> Mapping[str, Interval]:
        return confidence_intervals(self.state)


def _check_metric(name: str, constraint: MetricConstraint, window: _Window, baseline: QualityBaseline) -> Finding:
    limit = constraint.threshold
    metric = window.metrics.get(name, Metric(None, reason="the window has no probabilities"))

    def skipped(reason: str) -> Finding:
        return Finding(name, constraint.operator, Outcome.NOT_EVALUATED, reason, metric.value, limit)

    value = metric.value
    if not constraint.evaluate or value is None:
        return skipped((metric.reason or "undefined") if constraint.evaluate else "switched off in the endpoint's file")
    if name == _LOST and window.dialect is Dialect.COMPATIBLE:
        return skipped("Model Monitor never reports it")
    note = f" ({metric.reason})" if metric.reason else ""
    if not constraint.is_violated_by(value):
        reason = f"{java_double(value)} is within the threshold {java_double(limit)}{note}"
        return Finding(name, constraint.operator, Outcome.SATISFIED, reason, value, limit)
    text = violation_text(name, value, metric.standard_deviation, constraint.operator, limit)
    if window.dialect is Dialect.EXACT and _is_own(constraint, baseline.own_value(name)):
        interval = window.intervals.get(name)
        if interval is None:
            return skipped("too few rows of a class to tell from chance")
        if not _is_beyond(value, interval, constraint, baseline.spread(name)):
            reason = f"{text} (within chance: {interval.lower:.4g} to {interval.upper:.4g}, and the baseline's own)"
            return Finding(name, constraint.operator, Outcome.SATISFIED, reason, value, limit)
    return Finding(name, constraint.operator, Outcome.VIOLATED, text, value, limit, _excess(name, value, limit))


def _is_own(constraint: MetricConstraint, own: float | None) -> bool:
    # A document's number may have been rounded; one that a person edited differs by more.
    close = own is not None and abs(constraint.threshold - own) <= _SAME * max(1.0, abs(own))
    return close and not constraint.stated


def _is_beyond(value: float, interval: Interval, constraint: MetricConstraint, spread: float) -> bool:
    """Say whether a value is further beyond the baseline's than the chance of both explains, added as variances."""
    nearest = interval.upper if constraint.operator is Check.LESS_THAN_THRESHOLD else interval.lower
    return abs(value - constraint.threshold) > math.hypot(nearest - value, spread)


def _excess(metric: str, value: float, limit: float) -> float:
    """Return how far beyond its limit: the difference of shares, and of errors the part by which they grew."""
    apart = abs(value - limit)
    if metric in ERROR_METRICS:
        apart = apart / abs(limit) if limit else 1.0
    return min(apart, 1.0)


def _check_drift(name: str, limit: float, state: QualityState, baseline: QualityBaseline) -> Finding:
    column = state.columns.columns.get(name) if state.columns else None
    if column is None or not column.present:
        return Finding(name, Check.BASELINE_DRIFT, Outcome.NOT_EVALUATED, "no row has a value")
    kind = InferredType.FRACTIONAL if state.problem_type is ProblemType.REGRESSION else InferredType.STRING
    features = baseline.statistics.features if baseline.statistics else {}
    config = MonitoringConfig(comparison_threshold=limit, categorical_comparison_threshold=limit)
    return check_drift(column, FeatureConstraints(name, kind), config, features.get(name), collapsed=False)
