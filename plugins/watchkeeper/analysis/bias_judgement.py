"""The bias monitor: the pure function from (baseline, labelled window) to findings and a verdict."""

from dataclasses import dataclass

from watchkeeper.analysis.bias_evaluation import BiasRules, evaluate_bias
from watchkeeper.analysis.bias_finding import BiasFinding
from watchkeeper.analysis.bias_profile import BiasProfile
from watchkeeper.analysis.bias_report import BiasReport, groups_of, report_of_groups
from watchkeeper.analysis.bias_state import BiasState
from watchkeeper.analysis.facet_group import FacetGroup
from watchkeeper.analysis.finding import Finding, Outcome, Verdict, worst_first
from watchkeeper.analysis.merged_reader import malformed_reason, rejected_reason

__all__ = ["BiasJudgement", "BiasRules", "judge_bias", "judge_bias_state"]


@dataclass(frozen=True)
class BiasJudgement:
    """A verdict with its reason, the findings behind it, and the window's report if it had rows."""

    verdict: Verdict
    reason: str
    findings: tuple[BiasFinding, ...] = ()
    report: BiasReport | None = None

    @property
    def worst(self) -> Finding | None:
        """The violated finding furthest beyond its limit."""
        ranked = worst_first(self.findings)
        return ranked[0] if ranked else None


def judge_bias(
    profile: BiasProfile,
    baseline: BiasReport,
    rules: BiasRules | None = None,
    *,
    baseline_state: BiasState | None = None,
) -> BiasJudgement:
    """Return the verdict of a window of merged records.

    In this order: too many malformed lines, or nothing else → ``failed``; then as `judge_bias_state`. Whether labels
    are still to come is for the caller to know.
    """
    rules = rules or BiasRules()
    too_many = profile.state is None or profile.malformed_share > rules.maximum_malformed_share
    if profile.malformed.count and too_many:
        return BiasJudgement(Verdict.FAILED, malformed_reason(profile, rules.maximum_malformed_share))
    if profile.state is None:
        reason = f"no labelled row, at least {rules.minimum_rows} are needed to judge"
        return BiasJudgement(Verdict.TOO_FEW, reason)
    return judge_bias_state(profile.state, baseline, rules, baseline_state=baseline_state)


def judge_bias_state(
    state: BiasState,
    baseline: BiasReport,
    rules: BiasRules | None = None,
    *,
    baseline_state: BiasState | None = None,
) -> BiasJudgement:
    """Return the verdict of a bias state alone: a merged day, or a dataset.

    In this order: too many rows that cannot be judged, or nothing else → ``failed``; fewer than ``minimum_rows`` rows
    → ``too_few``; no positive label or prediction at all, or a facet's column without any value → ``failed``; no check
    that could be evaluated → ``too_few``; else ``violated`` or ``ok`` by the findings. ``baseline_state`` are the
    baseline's own rows, where they are known: its numbers are then given the chance that they have, too.
    """
    rules = rules or BiasRules()
    if state.rejected_count and (not state.row_count or state.rejected_share > rules.maximum_malformed_share):
        return BiasJudgement(Verdict.FAILED, rejected_reason(state, rules.maximum_malformed_share))
    groups, label = groups_of(state, baseline)
    report = report_of_groups(state, groups, label)
    if state.row_count < rules.minimum_rows:
        reason = f"{state.row_count} labelled rows, at least {rules.minimum_rows} are needed to judge"
        return BiasJudgement(Verdict.TOO_FEW, reason, (), report)
    fault = _fault(state, groups)
    if fault:
        return BiasJudgement(Verdict.FAILED, fault, (), report)
    before = groups_of(baseline_state, baseline)[0] if baseline_state is not None else []
    findings = tuple(evaluate_bias(groups, report, baseline, rules, before))
    evaluated = sum(finding.outcome is not Outcome.NOT_EVALUATED for finding in findings)
    if not evaluated:
        reason = f"no check could be evaluated: {findings[0].reason}" if findings else "no metric is asked for"
        return BiasJudgement(Verdict.TOO_FEW, reason, findings, report)
    violated = worst_first(findings)
    if violated:
        reason = f"{len(violated)} of {evaluated} checks violated; worst: {violated[0].feature}, {violated[0].check}"
        return BiasJudgement(Verdict.VIOLATED, reason, findings, report)
    return BiasJudgement(Verdict.OK, f"{evaluated} checks satisfied", findings, report)


def dataset_fault(state: BiasState) -> str | None:
    """Return why no window could be compared with a dataset: what would fail a window, or no facet divides its rows."""
    groups, _ = groups_of(state)
    fault = _fault(state, groups)
    if fault is None and groups and all(group.empty for group in groups):
        told = ", ".join(f"{group.facet}={group.value} ({group.empty})" for group in groups[:5])
        return f"no facet divides its {state.row_count} rows: {told}"
    return fault


def _fault(state: BiasState, groups: list[FacetGroup]) -> str | None:
    """Return what is wrong with the whole window, told from its counts."""
    for facet, column in zip(state.attributes.facets, state.facets, strict=True):
        if not column.present:
            return f"none of {state.row_count} rows has a value of the facet {facet.name}: is it still sent?"
    cells = next((group.cells for group in groups if not group.fault), None)
    if cells is not None and not cells[:, 1].any() and not cells[:, :, 1].any():
        answers = "labels and predictions" if state.attributes.has_predictions else "labels"
        return f"none of the {answers} of {state.row_count} rows is positive: check label_values_or_threshold"
    return None
