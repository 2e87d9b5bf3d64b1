"""The six checks of Model Monitor's data quality: from a window's state and a baseline to findings."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from watchkeeper.analysis.chance import SIGNIFICANCE, chance_of_misses
from watchkeeper.analysis.column_kind import InferredType
from watchkeeper.analysis.column_state import CATEGORY_LIMIT, ColumnState
from watchkeeper.analysis.constraint_set import ConstraintSet, FeatureConstraints, MonitoringConfig
from watchkeeper.analysis.dataset_state import DatasetState
from watchkeeper.analysis.dataset_statistics import DatasetStatistics, FeatureStatistics
from watchkeeper.analysis.drift_check import check_drift
from watchkeeper.analysis.finding import Check, Finding, Outcome
from watchkeeper.analysis.jackson_json import java_double


class Dialect(StrEnum):
    """How a rule is read: as AWS's container does, quirks included, or as it is meant."""

    COMPATIBLE = "compatible"
    EXACT = "exact"


# A column that the baseline does not know is "extra" when at least this share of the rows has it.
_EXTRA_SHARE = 0.5


@dataclass(frozen=True)
class Baseline:
    """What a window is judged against; without statistics there is no drift check and no tolerance for chance."""

    constraints: ConstraintSet
    statistics: DatasetStatistics | None = None

    def statistics_of(self, feature: str) -> FeatureStatistics | None:
        """Return the baseline's statistics of one feature, if it has them."""
        return self.statistics.features.get(feature) if self.statistics else None


def evaluate_constraints(state: DatasetState, baseline: Baseline, dialect: Dialect = Dialect.EXACT) -> list[Finding]:
    """Return one finding per feature and check that applies, features in the constraints' order.

    When columns are missing or extra, only that is judged: the features' checks are not evaluated, and say so.
    In the ``exact`` dialect a share may miss its limit by what chance explains (see `chance_of_misses`) where the
    limit is the baseline's own; a limit that somebody set is taken at its word.
    """
    constraints = baseline.constraints
    state = named_by_position(state, constraints)
    columns = _column_findings(state, constraints) if constraints.config.evaluate_constraints else []
    if any(finding.outcome is Outcome.VIOLATED for finding in columns):
        reason = "not evaluated, because the columns are not those of the baseline"
        skipped = [
            Finding(name, check, Outcome.NOT_EVALUATED, reason)
            for name, feature in constraints.features.items()
            for check in _checks_of(feature, constraints.config_of(name))
        ]
        return columns + skipped
    findings = list(columns)
    for name, feature in constraints.features.items():
        config = constraints.config_of(name)
        column = state.columns.get(name)
        if not config.evaluate_constraints:
            reason = "switched off by evaluate_constraints"
            findings += [Finding(name, c, Outcome.NOT_EVALUATED, reason) for c in _checks_of(feature, config)]
        elif column is not None:
            findings += _evaluate_feature(column, feature, config, baseline.statistics_of(name), dialect)
    return findings


def named_by_position(state: DatasetState, constraints: ConstraintSet) -> DatasetState:
    """Return ``state`` under the constraints' names where it has only positions, but as many as there are features.

    That is how Model Monitor maps columns. Without it no check would find its column, and all would seem well. Fields
    that are divided otherwise between output and input than the endpoint's file says are as many, and not the same.
    """
    by_position = state.positional and not state.is_divided_otherwise
    if by_position and len(state.columns) == len(constraints.features):
        return state.renamed(tuple(constraints.features))
    return state


def _checks_of(feature: FeatureConstraints, config: MonitoringConfig) -> Iterator[Check]:
    if feature.inferred_type is not InferredType.UNKNOWN:
        yield Check.DATA_TYPE
    if feature.completeness is not None:
        yield Check.COMPLETENESS
    if feature.domains is not None:
        yield Check.CATEGORICAL_VALUES
    if config.perform_comparison and (feature.inferred_type.is_numeric or feature.domains is not None):
        yield Check.BASELINE_DRIFT


def _column_findings(state: DatasetState, constraints: ConstraintSet) -> list[Finding]:
    expected, found = len(constraints.features), len(state.columns)
    if state.is_divided_otherwise:
        outputs = sum(name.startswith("output_") for name in state.columns)
        reason = (
            f"The {found} fields are divided otherwise than the endpoint's file says: {outputs} of them are output "
            f"and {found - outputs} input"
        )
        name, check = "Divided columns", Check.EXTRA_COLUMN
        return [Finding(name, check, Outcome.VIOLATED, reason, float(found), float(expected), excess=1.0)]
    if state.positional:
        check = Check.MISSING_COLUMN if found < expected else Check.EXTRA_COLUMN
        return [_column_violation("Missing columns" if found < expected else "Extra columns", check, found, expected)]
    missing = [name for name in constraints.features if _is_absent(state, name)]
    findings = [_column_violation(name, Check.MISSING_COLUMN, found, expected) for name in missing]
    for name in state.columns.keys() - constraints.features.keys():
        share = state.columns[name].present / state.row_count
        if share >= _EXTRA_SHARE:
            findings.append(_column_violation(name, Check.EXTRA_COLUMN, found, expected))
        elif share:
            reason = f"a column the baseline does not have, in {share:.2%} of the rows"
            findings.append(Finding(name, Check.EXTRA_COLUMN, Outcome.NOT_EVALUATED, reason, share, _EXTRA_SHARE))
    return sorted(findings, key=lambda finding: (finding.check, finding.feature))


def _is_absent(state: DatasetState, name: str) -> bool:
    # A JSON record that lacks a key has no value there; the column is missing when no record has it at all.
    return name not in state.columns


def _column_violation(name: str, check: Check, found: int, expected: int) -> Finding:
    kind = "missing" if check is Check.MISSING_COLUMN else "extra"
    reason = (
        f"There are {kind} columns in current dataset. Number of columns in current dataset: {found}, "
        f"Number of columns in baseline constraints: {expected}"
    )
    return Finding(name, check, Outcome.VIOLATED, reason, float(found), float(expected), excess=1.0)


def _evaluate_feature(
    column: ColumnState,
    feature: FeatureConstraints,
    config: MonitoringConfig,
    baseline: FeatureStatistics | None,
    dialect: Dialect,
) -> Iterator[Finding]:
    for check in _checks_of(feature, config):
        if check is Check.COMPLETENESS:
            yield _check_completeness(column, feature, baseline, dialect)
        elif not column.present:
            yield Finding(feature.name, check, Outcome.NOT_EVALUATED, "no row has a value")
        elif check is Check.DATA_TYPE:
            yield _check_data_type(column, feature, config, baseline, dialect)
        elif check is Check.CATEGORICAL_VALUES:
            yield _check_categories(column, feature, config, baseline, dialect)
        else:
            yield check_drift(column, feature, config, baseline, collapsed=dialect is Dialect.COMPATIBLE)


def _percent(share: float) -> str:
    return f"{java_double(share * 100)}%"


def _judge_share(
    feature: str,
    check: Check,
    hits: int,
    size: int,
    limit: float,
    reason: str,
    chance: tuple[int, int] | None,
) -> Finding:
    """Compare ``hits / size`` with ``limit``; ``chance`` is the baseline's (misses, size) where it may excuse some."""
    share = hits / size
    outcome = Outcome.SATISFIED if share >= limit else Outcome.VIOLATED
    if outcome is Outcome.VIOLATED and chance is not None:
        likelihood = chance_of_misses(size - hits, size, *chance)
        if likelihood >= SIGNIFICANCE:
            reason += f" (within what chance explains: {likelihood:.3g})"
            outcome = Outcome.SATISFIED
    excess = limit - share if outcome is Outcome.VIOLATED else 0.0
    return Finding(feature, check, outcome, reason, share, limit, excess)


def _check_completeness(
    column: ColumnState, feature: FeatureConstraints, baseline: FeatureStatistics | None, dialect: Dialect
) -> Finding:
    limit = 1.0 if feature.completeness is None else feature.completeness
    size = column.present + column.missing
    reason = (
        f"Completeness requirement is not met. Expected completeness: {_percent(limit)}. "
        f"Observed: Only {_percent(column.completeness)} of data is complete."
        if column.completeness < limit
        else f"{_percent(column.completeness)} of data is complete."
    )
    shown = baseline is not None and limit == baseline.completeness and "completeness" not in feature.stated
    own = shown and dialect is Dialect.EXACT
    chance = (baseline.missing, baseline.present + baseline.missing) if own and baseline else None
    return _judge_share(feature.name, Check.COMPLETENESS, column.present, size, limit, reason, chance)


def _check_data_type(
    column: ColumnState,
    feature: FeatureConstraints,
    config: MonitoringConfig,
    baseline: FeatureStatistics | None,
    dialect: Dialect,
) -> Finding:
    expected, limit = feature.inferred_type, config.datatype_check_threshold
    # Any text is a string; the container, though, counts text that looks like a number or boolean as a miss.
    lenient = expected is InferredType.STRING and dialect is Dialect.EXACT
    hits = column.present if lenient else column.kinds.count_of(expected)
    share = hits / column.present
    reason = (
        f"Data type match requirement is not met. Expected data type: {expected}, Expected match: {_percent(limit)}. "
        f"Observed: Only {_percent(share)} of data is {expected}."
        if share < limit
        else f"{_percent(share)} of data is {expected}."
    )
    chance = None if "datatype_check_threshold" in feature.stated else _excuse(limit, baseline, dialect)
    return _judge_share(feature.name, Check.DATA_TYPE, hits, column.present, limit, reason, chance)


def _excuse(limit: float, baseline: FeatureStatistics | None, dialect: Dialect) -> tuple[int, int] | None:
    """Return the baseline's (misses, size) where the limit is "all of them", as the baseline's values all were."""
    if dialect is Dialect.EXACT and limit >= 1.0 and baseline is not None and baseline.present:
        return 0, baseline.present
    return None


def _check_categories(
    column: ColumnState,
    feature: FeatureConstraints,
    config: MonitoringConfig,
    baseline: FeatureStatistics | None,
    dialect: Dialect,
) -> Finding:
    domain, limit = frozenset(feature.domains or ()), config.domain_content_threshold
    name, check = feature.name, Check.CATEGORICAL_VALUES
    if column.categories is None:
        strangers = CATEGORY_LIMIT + 1 - len(domain)
        reason = (
            f"more than {CATEGORY_LIMIT} different values, at least {strangers} of them outside the baseline's domain"
        )
        outcome = Outcome.VIOLATED if limit >= 1.0 and strangers > 0 else Outcome.NOT_EVALUATED
        excess = strangers / column.present if outcome is Outcome.VIOLATED else 0.0
        return Finding(name, check, outcome, reason, None, limit, excess)
    hits = sum(count for value, count in column.categories.items() if value in domain)
    share = hits / column.present
    reason = (
        f"Value: {java_double(share)} does not meet the constraint requirement! "
        f"Expected {_percent(limit)} of data in the baseline's domain of {len(domain)} values."
        if share < limit
        else f"{_percent(share)} of data is in the baseline's domain."
    )
    chance = None if "domain_content_threshold" in feature.stated else _excuse(limit, baseline, dialect)
    return _judge_share(name, check, hits, column.present, limit, reason, chance)
