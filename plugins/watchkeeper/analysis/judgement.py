"""A monitor: the pure function from (baseline, captured window) to findings and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from watchkeeper.analysis.capture_profile import CaptureProfile
from watchkeeper.analysis.constraint_evaluation import Baseline, Dialect, evaluate_constraints, named_by_position
from watchkeeper.analysis.constraint_set import with_overrides
from watchkeeper.analysis.dataset_state import DatasetState
from watchkeeper.analysis.dataset_statistics import DatasetStatistics, statistics_of
from watchkeeper.analysis.finding import Finding, Outcome, Verdict, worst_first


@dataclass(frozen=True)
class JudgementRules:
    """What an endpoint's file says about judging a window.

    ``thresholds`` and ``features`` are laid over the baseline's constraints (see `with_overrides`).
    """

    dialect: Dialect = Dialect.EXACT
    minimum_rows: int = 1
    maximum_malformed_share: float = 1.0
    sampling_percentage: float = 100.0
    gap_share: float = 0.5
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    exclude: Sequence[str] = ()


@dataclass(frozen=True)
class Judgement:
    """A verdict with its reason, the findings behind it, and the window's statistics if it had rows."""

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...] = ()
    statistics: DatasetStatistics | None = None

    @property
    def worst(self) -> Finding | None:
        """The violated finding furthest beyond its limit."""
        ranked = worst_first(self.findings)
        return ranked[0] if ranked else None


def judge(
    profile: CaptureProfile,
    baseline: Baseline,
    rules: JudgementRules | None = None,
    *,
    invocations: float | None = None,
) -> Judgement:
    """Return the verdict of a window from its captures, its baseline and the endpoint's rules.

    ``invocations`` is what the endpoint's own metric counted in the window, ``None`` if unknown. In this order:
    too many malformed lines, or nothing else → ``failed``; less than ``gap_share`` of the sampled invocations
    captured → ``capture_gap``; no row → ``no_traffic``; fewer than ``minimum_rows`` rows → ``too_few``; else
    ``violated`` or ``ok`` by the findings.
    """
    rules = rules or JudgementRules()
    too_many = profile.state is None or profile.malformed_share > rules.maximum_malformed_share
    if profile.malformed.count and too_many:
        return Judgement(Verdict.FAILED, _malformed_reason(profile, rules), (), _statistics(profile))
    missing = judge_traffic(profile.line_count, profile.row_count, rules, invocations)
    if missing is not None:
        return Judgement(*missing, (), _statistics(profile))
    assert profile.state is not None  # noqa: S101 - without a row there was no traffic
    return judge_state(profile.state, baseline, rules)


def judge_traffic(
    line_count: int, row_count: int, rules: JudgementRules, invocations: float | None
) -> tuple[Verdict, str] | None:
    """Return ``capture_gap`` or ``no_traffic`` and why, or ``None`` where capture kept what it should."""
    expected = None if invocations is None else invocations * rules.sampling_percentage / 100
    # A malformed line was captured too; that it cannot be read is another matter.
    if expected and line_count < rules.gap_share * expected:
        reason = (
            f"captured {line_count} of about {expected:.0f} invocations "
            f"({invocations:.0f} counted by the endpoint, sampling {rules.sampling_percentage:g} %)"
        )
        return Verdict.CAPTURE_GAP, reason
    if row_count:
        return None
    known = (
        "its invocations are unknown" if invocations is None else f"the endpoint counted {invocations:.0f} invocations"
    )
    return Verdict.NO_TRAFFIC, f"no row was captured, {known}"


def judge_state(state: DatasetState, baseline: Baseline, rules: JudgementRules | None = None) -> Judgement:
    """Return the verdict of a dataset state alone: a merged day, or plain data."""
    rules = rules or JudgementRules()
    statistics = statistics_of(state)
    if state.row_count < rules.minimum_rows:
        reason = f"{state.row_count} rows, at least {rules.minimum_rows} are needed to judge"
        return Judgement(Verdict.TOO_FEW, reason, (), statistics)
    constraints = with_overrides(baseline.constraints, rules.thresholds, rules.features)
    state = named_by_position(state, constraints)
    if not state.positional:
        state = state.without(rules.exclude)
        constraints = constraints.without(rules.exclude)
    findings = tuple(evaluate_constraints(state, Baseline(constraints, baseline.statistics), rules.dialect))
    violated = worst_first(findings)
    if violated:
        worst = violated[0]
        reason = f"{len(violated)} of {_evaluated(findings)} checks violated; worst: {worst.feature}, {worst.check}"
        return Judgement(Verdict.VIOLATED, reason, findings, statistics)
    return Judgement(Verdict.OK, f"{_evaluated(findings)} checks satisfied", findings, statistics)


def _statistics(profile: CaptureProfile) -> DatasetStatistics | None:
    return statistics_of(profile.state) if profile.state else None


def _evaluated(findings: Sequence[Finding]) -> int:
    return sum(finding.outcome is not Outcome.NOT_EVALUATED for finding in findings)


def _malformed_reason(profile: CaptureProfile, rules: JudgementRules) -> str:
    reason, count = next(iter(profile.malformed.reasons.items()))
    limit = f"at most {rules.maximum_malformed_share:.1%} allowed" if profile.state else "no row could be read"
    return (
        f"{profile.malformed.count} of {profile.line_count} captured lines are malformed "
        f"({profile.malformed_share:.1%}, {limit}); most often ({count}): {reason}"
    )
