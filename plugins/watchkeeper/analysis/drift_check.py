"""The drift check: whether a feature's distribution is further from the baseline's than its threshold allows."""

import math
from collections.abc import Mapping

from watchkeeper.analysis.column_kind import InferredType
from watchkeeper.analysis.column_state import ColumnState
from watchkeeper.analysis.constraint_set import FeatureConstraints, MonitoringConfig
from watchkeeper.analysis.dataset_statistics import LOW_CARDINALITY, FeatureStatistics
from watchkeeper.analysis.distribution_distance import (
    Distance,
    categorical_distance,
    chi_square,
    numerical_distance,
)
from watchkeeper.analysis.finding import Check, Finding, Outcome
from watchkeeper.analysis.jackson_json import java_double

CHECK = Check.BASELINE_DRIFT


def check_drift(
    column: ColumnState,
    feature: FeatureConstraints,
    config: MonitoringConfig,
    baseline: FeatureStatistics | None,
    *,
    collapsed: bool,
) -> Finding:
    """Return the drift finding of a feature that has values.

    ``collapsed`` replays the container: its distance for repeated values, no comparison of columns whose type has
    changed, and categories only up to the container's low-cardinality limit.
    """
    if baseline is None:
        return _unknown(feature, "the baseline has no statistics of this feature")
    if baseline.numerical is not None:
        return _numerical(column, feature, config, baseline, collapsed=collapsed)
    return _categorical(column, feature, config, baseline, collapsed=collapsed)


def _unknown(feature: FeatureConstraints, reason: str) -> Finding:
    return Finding(feature.name, CHECK, Outcome.NOT_EVALUATED, reason)


def _numerical(
    column: ColumnState,
    feature: FeatureConstraints,
    config: MonitoringConfig,
    baseline: FeatureStatistics,
    *,
    collapsed: bool,
) -> Finding:
    expected = baseline.numerical.quantiles if baseline.numerical else None
    if expected is None:
        return _unknown(feature, "the baseline's statistics hold no sketch of this feature")
    if column.quantiles is None or (collapsed and not column.inferred_type.is_numeric):
        return _unknown(feature, f"numbers in the baseline, {column.inferred_type} in this window")
    distance = numerical_distance(expected, column.quantiles, collapsed=collapsed)
    return _judge(feature, distance, config.comparison_method, config.comparison_threshold)


def _categorical(
    column: ColumnState,
    feature: FeatureConstraints,
    config: MonitoringConfig,
    baseline: FeatureStatistics,
    *,
    collapsed: bool,
) -> Finding:
    expected = baseline.string.categories if baseline.string else None
    if not expected:
        return _unknown(feature, "the baseline holds no categories of this feature")
    found = column.categories
    if collapsed and (column.inferred_type.is_numeric or column.distinct.estimate() > LOW_CARDINALITY):
        found = None
    if not found:
        return _unknown(
            feature,
            f"too many different values in this window, or {column.inferred_type} in place of {InferredType.STRING}",
        )
    if config.categorical_drift_method == "ChiSquared":
        return _judge_p_value(feature, expected, found, config.categorical_comparison_threshold)
    distance = categorical_distance(expected, found)
    return _judge(feature, distance, config.comparison_method, config.categorical_comparison_threshold)


def _judge(feature: FeatureConstraints, distance: Distance, method: str, limit: float) -> Finding:
    value = distance.simple if method == "Simple" else distance.robust
    drifted = value > limit
    relation = "exceeds" if drifted else "is within"
    return Finding(
        feature.name,
        CHECK,
        Outcome.VIOLATED if drifted else Outcome.SATISFIED,
        f"Baseline drift distance: {java_double(value)} {relation} threshold: {java_double(limit)}",
        value,
        limit,
        value - limit if drifted else 0.0,
        distance=value,
    )


def _judge_p_value(
    feature: FeatureConstraints, expected: Mapping[str, int], found: Mapping[str, int], limit: float
) -> Finding:
    p_value = chi_square(expected, found).p_value
    if math.isnan(p_value):
        return _unknown(feature, "fewer than two categories are large enough for a chi-square test")
    drifted = p_value < limit
    relation = "is below" if drifted else "is not below"
    return Finding(
        feature.name,
        CHECK,
        Outcome.VIOLATED if drifted else Outcome.SATISFIED,
        f"Baseline drift p-value: {java_double(p_value)} {relation} threshold: {java_double(limit)}",
        p_value,
        limit,
        # A p-value is no share: the distance of the distributions says how far they are apart.
        categorical_distance(expected, found).simple if drifted else 0.0,
    )
