"""The model quality monitor: the pure function from (baseline, labelled window) to findings and a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.finding import Finding, Outcome, Verdict, worst_first
from watchkeeper.analysis.merged_profile import QualityProfile
from watchkeeper.analysis.merged_reader import malformed_reason, rejected_reason
from watchkeeper.analysis.quality_constraints import with_metric_thresholds
from watchkeeper.analysis.quality_evaluation import QualityBaseline, evaluate_quality
from watchkeeper.analysis.quality_state import LABEL, PREDICTION, QualityState
from watchkeeper.analysis.quality_statistics import QualityStatistics, quality_statistics_of


@dataclass(frozen=True)
class QualityRules:
    """What an endpoint's file says about judging labelled windows.

    ``thresholds`` are laid over the baseline's (`with_metric_thresholds`). A drift threshold of ``None`` switches
    that comparison off. ``maximum_malformed_share`` holds for unreadable lines, and for rows that cannot be judged.
    """

    dialect: Dialect = Dialect.EXACT
    minimum_rows: int = 1
    maximum_malformed_share: float = 1.0
    thresholds: Mapping[str, float | None] = field(default_factory=dict)
    label_drift_threshold: float | None = 0.1
    prediction_drift_threshold: float | None = 0.1


@dataclass(frozen=True)
class QualityJudgement:
    """A verdict with its reason, the findings behind it, and the window's statistics if it had rows."""

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...] = ()
    statistics: QualityStatistics | None = None

    @property
    def worst(self) -> Finding | None:
        """The violated finding furthest beyond its limit."""
        ranked = worst_first(self.findings)
        return ranked[0] if ranked else None


def judge_quality(
    profile: QualityProfile, baseline: QualityBaseline, rules: QualityRules | None = None
) -> QualityJudgement:
    """Return the verdict of a window of merged records.

    In this order: too many malformed lines, or nothing else → ``failed``; then as `judge_quality_state`. Whether
    labels are still to come is for the caller to know.
    """
    rules = rules or QualityRules()
    too_many = profile.state is None or profile.malformed_share > rules.maximum_malformed_share
    if profile.malformed.count and too_many:
        statistics = None if profile.state is None else _statistics(profile.state, rules)
        return QualityJudgement(
            Verdict.FAILED, malformed_reason(profile, rules.maximum_malformed_share), (), statistics
        )
    if profile.state is None:
        reason = f"no labelled row, at least {rules.minimum_rows} are needed to judge"
        return QualityJudgement(Verdict.TOO_FEW, reason)
    return judge_quality_state(profile.state, baseline, rules)


def judge_quality_state(
    state: QualityState, baseline: QualityBaseline, rules: QualityRules | None = None
) -> QualityJudgement:
    """Return the verdict of a quality state alone: a merged day, or a dataset.

    In this order: another problem type than the baseline's, too many rows that cannot be judged, or nothing else
    → ``failed``; fewer than ``minimum_rows`` rows → ``too_few``; else ``violated`` or ``ok`` by the findings.
    """
    rules = rules or QualityRules()
    expected = baseline.constraints.problem_type
    if state.problem_type is not expected:
        reason = f"the window was read as {state.problem_type}, the baseline is of {expected}; make a new baseline"
        return QualityJudgement(Verdict.FAILED, reason)
    statistics = _statistics(state, rules)
    if state.rejected_count and (not state.row_count or state.rejected_share > rules.maximum_malformed_share):
        return QualityJudgement(Verdict.FAILED, rejected_reason(state, rules.maximum_malformed_share), (), statistics)
    if state.row_count < rules.minimum_rows:
        reason = f"{state.row_count} labelled rows, at least {rules.minimum_rows} are needed to judge"
        return QualityJudgement(Verdict.TOO_FEW, reason, (), statistics)
    constraints = with_metric_thresholds(baseline.constraints, rules.thresholds)
    drift = {LABEL: rules.label_drift_threshold, PREDICTION: rules.prediction_drift_threshold}
    judged = QualityBaseline(constraints, baseline.statistics)
    findings = tuple(evaluate_quality(state, judged, rules.dialect, drift, statistics.metrics))
    violated = worst_first(findings)
    evaluated = sum(finding.outcome is not Outcome.NOT_EVALUATED for finding in findings)
    if violated:
        worst = violated[0]
        reason = f"{len(violated)} of {evaluated} checks violated; worst: {worst.feature}, {worst.check}"
        return QualityJudgement(Verdict.VIOLATED, reason, findings, statistics)
    return QualityJudgement(Verdict.OK, f"{evaluated} checks satisfied", findings, statistics)


def _statistics(state: QualityState, rules: QualityRules) -> QualityStatistics:
    return quality_statistics_of(state, most_predicted=rules.dialect is Dialect.COMPATIBLE)
