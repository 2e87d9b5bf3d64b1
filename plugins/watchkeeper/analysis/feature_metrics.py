"""Model Monitor's CloudWatch metrics of a window: names and figures per feature."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from watchkeeper.analysis.dataset_statistics import DatasetStatistics
from watchkeeper.analysis.finding import Finding
from watchkeeper.analysis.metric_name import metric_name

# CloudWatch takes nothing beyond this.
_LARGEST_VALUE = 2.0**360


@dataclass(frozen=True)
class StatisticSet:
    """Sum, extremes and number of the values that a metric summarises."""

    sample_count: float
    total: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class FeatureMetric:
    """One metric of one feature: a single value or a statistic set."""

    name: str
    value: float | StatisticSet


def drift_distances(findings: Iterable[Finding]) -> dict[str, float]:
    """Return the distance of every feature whose distribution was compared by one (a p-value is none)."""
    return {finding.feature: finding.distance for finding in findings if finding.distance is not None}


def feature_metrics(statistics: DatasetStatistics, distances: Mapping[str, float]) -> Iterator[FeatureMetric]:
    """Yield ``feature_data_{f}``, ``feature_non_null_{f}`` and ``feature_baseline_drift_{f}`` for each feature.

    The first is a statistic set of a numeric feature's values, the second its completeness, the third its distance
    from the baseline where that was evaluated. What CloudWatch could not take (not finite, too large) is left out;
    names that it could not take are mapped (`metric_name`).
    """
    for feature in statistics.features.values():
        numbers = feature.numerical
        if numbers is not None and all(map(_is_sendable, (numbers.total, numbers.minimum, numbers.maximum))):
            figures = StatisticSet(float(feature.present), numbers.total, numbers.minimum, numbers.maximum)
            yield FeatureMetric(metric_name(f"feature_data_{feature.name}"), figures)
        if feature.present + feature.missing:
            yield FeatureMetric(metric_name(f"feature_non_null_{feature.name}"), feature.completeness)
    for name, distance in distances.items():
        if _is_sendable(distance):
            yield FeatureMetric(metric_name(f"feature_baseline_drift_{name}"), distance)


def _is_sendable(value: float) -> bool:
    return math.isfinite(value) and abs(value) < _LARGEST_VALUE
