"""The bias monitor: the pure function from (baseline, labelled window) to findings and a verdict."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from watchkeeper.analysis.bias_finding import BiasFinding, bias_finding
from watchkeeper.analysis.bias_metrics import distance_from_neutral, neutral_value
from watchkeeper.analysis.bias_profile import BiasProfile
from watchkeeper.analysis.bias_report import BiasMetric, BiasReport, groups_of, json_value, report_of_groups
from watchkeeper.analysis.bias_resampling import bias_interval
from watchkeeper.analysis.bias_state import BiasState
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.facet_group import FacetGroup, same_value
from watchkeeper.analysis.finding import Finding, Outcome, Verdict, worst_first
from watchkeeper.analysis.metric_resampling import Interval

# These may grow beyond 1: how far beyond its limit one is, is told by how far it grew.
_UNBOUNDED = ("DCA", "DCR", "GE", "KL", "TE")


@dataclass(frozen=True)
class BiasRules:
    """What an endpoint's file says about judging bias.

    ``minimum_group_rows`` holds for a facet's value and for all others. ``thresholds`` are allowed distances from a
    metric's neutral value (0; 1 for DI, whose distance is 1 minus the smaller share by the larger); they are taken at
    their word, and ``None`` switches a metric off. ``confidence`` is that of all bootstrap intervals together,
    ``tolerance`` is added to the baseline's distance; both are of the ``exact`` dialect.
    """

    dialect: Dialect = Dialect.EXACT
    minimum_rows: int = 1
    minimum_group_rows: int = 1
    maximum_malformed_share: float = 1.0
    thresholds: Mapping[str, float | None] = field(default_factory=dict)
    confidence: float = 0.95
    tolerance: float = 0.0


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


def judge_bias(profile: BiasProfile, baseline: BiasReport, rules: BiasRules | None = None) -> BiasJudgement:
    """Return the verdict of a window of merged records.

    In this order: too many malformed lines, or nothing else → ``failed``; then as `judge_bias_state`. Whether labels
    are still to come is for the caller to know.
    """
    rules = rules or BiasRules()
    too_many = profile.state is None or profile.malformed_share > rules.maximum_malformed_share
    if profile.malformed.count and too_many:
        return BiasJudgement(Verdict.FAILED, _malformed_reason(profile, rules))
    if profile.state is None:
        reason = f"no labelled row, at least {rules.minimum_rows} are needed to judge"
        return BiasJudgement(Verdict.TOO_FEW, reason)
    return judge_bias_state(profile.state, baseline, rules)


def judge_bias_state(state: BiasState, baseline: BiasReport, rules: BiasRules | None = None) -> BiasJudgement:
    """Return the verdict of a bias state alone: a merged day, or a dataset.

    In this order: too many rows that cannot be judged, or nothing else → ``failed``; fewer than ``minimum_rows`` rows
    → ``too_few``; no positive label or prediction at all, or a facet's column without any value → ``failed``; no check
    that could be evaluated → ``too_few``; else ``violated`` or ``ok`` by the findings.
    """
    rules = rules or BiasRules()
    if state.rejected_count and (not state.row_count or state.rejected_share > rules.maximum_malformed_share):
        return BiasJudgement(Verdict.FAILED, _rejected_reason(state, rules))
    groups, label = groups_of(state, baseline)
    report = report_of_groups(state, groups, label)
    if state.row_count < rules.minimum_rows:
        reason = f"{state.row_count} labelled rows, at least {rules.minimum_rows} are needed to judge"
        return BiasJudgement(Verdict.TOO_FEW, reason, (), report)
    fault = _fault(state, groups)
    if fault:
        return BiasJudgement(Verdict.FAILED, fault, (), report)
    findings = tuple(evaluate_bias(groups, report, baseline, for_each_check(rules, report)))
    evaluated = sum(finding.outcome is not Outcome.NOT_EVALUATED for finding in findings)
    if not evaluated:
        reason = f"no check could be evaluated: {findings[0].reason}" if findings else "no metric is asked for"
        return BiasJudgement(Verdict.TOO_FEW, reason, findings, report)
    violated = worst_first(findings)
    if violated:
        reason = f"{len(violated)} of {evaluated} checks violated; worst: {violated[0].feature}, {violated[0].check}"
        return BiasJudgement(Verdict.VIOLATED, reason, findings, report)
    return BiasJudgement(Verdict.OK, f"{evaluated} checks satisfied", findings, report)


def for_each_check(rules: BiasRules, report: BiasReport) -> BiasRules:
    """Return rules whose confidence is that of each interval, so that all of a report together have the given one.

    A window has dozens of metrics: at 95 % each, one in twenty would be violated by chance alone. The share that may
    be wrong is divided among them (Bonferroni 1936).
    """
    count = sum(len(entry.metrics) for stage in report.stages for entries in stage.facets.values() for entry in entries)
    return replace(rules, confidence=1 - (1 - rules.confidence) / max(count, 1))


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


def evaluate_bias(
    groups: list[FacetGroup], report: BiasReport, baseline: BiasReport, rules: BiasRules
) -> Iterator[BiasFinding]:
    """Yield one finding per facet's value and metric, in the report's order, then those that only the baseline has.

    ``compatible`` is violated where the metric is further from 0 than the baseline's, as Clarify judges. ``exact`` goes
    by the distance from the neutral value, and is violated only where the whole bootstrap interval is further from it
    than the baseline and the tolerance. A threshold that somebody set holds in both.
    """
    by_place = {(group.facet, group.value): group for group in groups}
    pairs = ((report.post_training, baseline.post_training), (report.pre_training, baseline.pre_training))
    for window, before in pairs:
        known = dict(before.facets) if before else {}
        for facet, entries in (window.facets if window else {}).items():
            for entry in entries:
                value = entry.value_or_threshold
                old = next((o for o in known.get(facet, ()) if same_value(o.value_or_threshold, value)), None)
                for metric in entry.metrics:
                    past = old.metric(metric.name) if old else None
                    yield _check(by_place[facet, value], metric, past, rules)
        for facet, gone in known.items():
            seen = [entry.value_or_threshold for entry in (window.facets.get(facet, ()) if window else ())]
            for entry in gone:
                if not any(same_value(entry.value_or_threshold, value) for value in seen):
                    for metric in entry.metrics:
                        place = (facet, entry.value_or_threshold, metric.name)
                        reason = "the window has no row of this value of the facet"
                        yield bias_finding(place, Outcome.NOT_EVALUATED, reason, None, metric.value)


def _check(group: FacetGroup, metric: BiasMetric, past: BiasMetric | None, rules: BiasRules) -> BiasFinding:
    name, value = metric.name, metric.value
    place = (group.facet, group.value, name)
    threshold = rules.thresholds.get(name)
    before = past.value if past else None
    limit = before if threshold is None else threshold
    reason = _unable(group, metric, past, rules)
    if reason or value is None or limit is None:
        return bias_finding(place, Outcome.NOT_EVALUATED, reason or "undefined", value, limit)
    if threshold is not None:
        return _by_threshold(place, value, threshold)
    if rules.dialect is Dialect.COMPATIBLE:
        beyond = abs(value) > abs(limit)
        reason = violation_text(value, limit) if beyond else f"{_text(value)} is no further from 0 than {_text(limit)}"
        distances = (abs(value), abs(limit))
        return bias_finding(place, _outcome(beyond), reason, value, limit, _excess(name, *distances) if beyond else 0.0)
    return _by_interval(group, place, value, limit, rules)


def _unable(group: FacetGroup, metric: BiasMetric, past: BiasMetric | None, rules: BiasRules) -> str | None:
    """Return why a metric is not judged, ``None`` where it is."""
    if metric.name in rules.thresholds and rules.thresholds[metric.name] is None:
        return "switched off in the endpoint's file"
    if group.fault or not group.facet_rows:
        return group.fault or f"no row has {group.facet} {group.value}"
    for rows, who in ((group.facet_rows, "in the facet"), (group.other_rows, "outside the facet")):
        if rows < rules.minimum_group_rows:
            return f"{rows} rows {who}, at least {rules.minimum_group_rows} are needed to judge"
    if metric.value is None:
        return metric.error or "undefined"
    return None if metric.name in rules.thresholds else _unknown(past)


def _unknown(past: BiasMetric | None) -> str | None:
    if past is None:
        return "the baseline does not have this metric of the facet's value"
    return (past.error or "undefined in the baseline") if past.value is None else None


def _by_threshold(place: tuple[str, str, str], value: float, threshold: float) -> BiasFinding:
    distance = distance_from_neutral(place[2], value)
    neutral = f"{neutral_value(place[2]):g}"
    if distance > threshold:
        reason = f"{_text(value)} is {_text(distance)} from {neutral}, at most {threshold:g} is allowed"
        excess = _excess(place[2], distance, threshold)
        return bias_finding(place, Outcome.VIOLATED, reason, value, threshold, excess)
    reason = f"{_text(value)} is within {threshold:g} of {neutral}"
    return bias_finding(place, Outcome.SATISFIED, reason, value, threshold)


def _by_interval(
    group: FacetGroup, place: tuple[str, str, str], value: float, limit: float, rules: BiasRules
) -> BiasFinding:
    name = place[2]
    distance, allowed = distance_from_neutral(name, value), distance_from_neutral(name, limit) + rules.tolerance
    if distance <= allowed:
        reason = f"{_text(value)} is no further from {neutral_value(name):g} than {_text(limit)}"
        return bias_finding(place, Outcome.SATISFIED, reason, value, limit)
    interval = bias_interval(group, name, rules.confidence)
    if interval is None:
        reason = "too few rows to tell from chance"
        return bias_finding(place, Outcome.NOT_EVALUATED, reason, value, limit)
    if nearest_distance(name, interval) <= allowed:
        reason = f"{violation_text(value, limit)} (within chance: {interval.lower:.4g} to {interval.upper:.4g})"
        return bias_finding(place, Outcome.SATISFIED, reason, value, limit)
    return bias_finding(
        place, Outcome.VIOLATED, violation_text(value, limit), value, limit, _excess(name, distance, allowed)
    )


def nearest_distance(metric: str, interval: Interval) -> float:
    """Return the distance from the neutral value of the interval's point nearest to it; 0 if it lies within."""
    if interval.lower <= neutral_value(metric) <= interval.upper:
        return 0.0
    return min(distance_from_neutral(metric, end) for end in (interval.lower, interval.upper))


def violation_text(value: float, limit: float) -> str:
    """Return the description of a violation in Clarify's words."""
    return f"Metric value {_text(value)} doesn't meet the baseline constraint requirement {_text(limit)}"


def _text(value: float) -> str:
    return str(json_value(value))


def _outcome(violated: bool) -> Outcome:
    return Outcome.VIOLATED if violated else Outcome.SATISFIED


def _excess(metric: str, distance: float, allowed: float) -> float:
    """Return how far beyond its limit, as a share: the difference, or for unbounded metrics the part they grew by."""
    if math.isinf(distance):
        return 1.0
    apart = distance - allowed
    return min(apart / distance if metric in _UNBOUNDED else apart, 1.0)


def _malformed_reason(profile: BiasProfile, rules: BiasRules) -> str:
    reason, count = next(iter(profile.malformed.reasons.items()))
    limit = f"at most {rules.maximum_malformed_share:.1%} allowed" if profile.state else "no row could be read"
    return (
        f"{profile.malformed.count} of {profile.line_count} merged lines are malformed "
        f"({profile.malformed_share:.1%}, {limit}); most often ({count}): {reason}"
    )


def _rejected_reason(state: BiasState, rules: BiasRules) -> str:
    reason, count = max(state.rejected.items(), key=lambda item: item[1])
    rows = state.row_count + state.rejected_count
    limit = f"at most {rules.maximum_malformed_share:.1%} allowed" if state.row_count else "none is left"
    return (
        f"{state.rejected_count} of {rows} labelled rows cannot be judged "
        f"({state.rejected_share:.1%}, {limit}); most often ({count}): {reason}"
    )
