"""From a baseline's statistics to its constraints: the container's rules, which add no margin."""

from watchkeeper.analysis.constraint_set import ConstraintSet, FeatureConstraints, MonitoringConfig
from watchkeeper.analysis.dataset_statistics import DatasetStatistics, FeatureStatistics


def suggest_constraints(statistics: DatasetStatistics, config: MonitoringConfig | None = None) -> ConstraintSet:
    """Return what Model Monitor would demand of later data, one entry per feature in column order.

    The type and the completeness are the observed ones; numbers are non-negative if none was negative; a string
    column's domain is the set of its categories where those are written.
    """
    features = {name: _suggest(feature) for name, feature in statistics.features.items()}
    return ConstraintSet(features, config or MonitoringConfig())


def _suggest(feature: FeatureStatistics) -> FeatureConstraints:
    numbers, strings = feature.numerical, feature.string
    categories = strings.categories if strings else None
    return FeatureConstraints(
        feature.name,
        feature.inferred_type,
        feature.completeness,
        numbers.minimum >= 0 if numbers else None,
        tuple(categories) if categories else None,
    )
