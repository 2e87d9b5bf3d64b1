"""From the groups of a window and a baseline to findings: one per facet's value and metric."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from watchkeeper.analysis.bias_finding import BiasFinding, bias_finding
from watchkeeper.analysis.bias_metrics import distance_from_neutral, neutral_value
from watchkeeper.analysis.bias_report import BiasMetric, BiasReport, BiasStage, FacetMetrics, json_value
from watchkeeper.analysis.bias_resampling import bias_interval
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.facet_group import FacetGroup, same_value
from watchkeeper.analysis.finding import Outcome
from watchkeeper.analysis.metric_resampling import Interval

# These may grow beyond 1: how far beyond its limit one is, is told by how far it grew.
_UNBOUNDED = ("DCA", "DCR", "GE", "KL", "TE")


@dataclass(frozen=True)
class BiasRules:
    """What an endpoint's file says about judging bias.

    ``minimum_group_rows`` holds for a facet's value and for all others. ``thresholds`` are allowed distances from a
    metric's neutral value (0; 1 for DI, whose distance is 1 minus the smaller share by the larger); they are taken at
    their word, and ``None`` switches a metric off. ``confidence`` is how sure all checks of a window together are that
    chance alone does not violate one (each check's bootstrap interval is the wider), ``tolerance`` is added to the
    baseline's distance; both are of the ``exact`` dialect.
    """

    dialect: Dialect = Dialect.EXACT
    minimum_rows: int = 1
    minimum_group_rows: int = 1
    maximum_malformed_share: float = 1.0
    thresholds: Mapping[str, float | None] = field(default_factory=dict)
    confidence: float = 0.95
    tolerance: float = 0.0


def evaluate_bias(
    groups: Sequence[FacetGroup],
    report: BiasReport,
    baseline: BiasReport,
    rules: BiasRules,
    baseline_groups: Sequence[FacetGroup] = (),
) -> Iterator[BiasFinding]:
    """Yield one finding per facet's value and metric, in the report's order; each stage's values that only the baseline
    has come after its others.

    ``compatible`` is violated where the metric is further from 0 than the baseline's, as Clarify judges. ``exact`` goes
    by the distance from the neutral value, and is violated only where the whole bootstrap interval is further from it
    than the baseline and the tolerance (and, of ``baseline_groups``, the baseline's own chance). A threshold that
    somebody set holds in both.
    """
    evaluation = _Evaluation(groups, baseline_groups, rules, confidence_of_each(rules, report))
    stages = (
        ("predictions", report.post_training, baseline.post_training),
        ("labels", report.pre_training, baseline.pre_training),
    )
    for what, window, before in stages:
        for facet, entry in _entries(window):
            old = _same_entry(before, facet, entry)
            for metric in entry.metrics:
                yield evaluation.check(facet, entry, metric, old.metric(metric.name) if old else None)
        for facet, entry in _entries(before):
            if _same_entry(window, facet, entry) is None:
                for metric in entry.metrics:
                    place = (facet, entry.value_or_threshold, metric.name)
                    has = "row of this value of the facet" if window else f"metrics of {what}"
                    reason = f"the window has no {has}"
                    yield bias_finding(place, Outcome.NOT_EVALUATED, reason, None, metric.value)


def _entries(stage: BiasStage | None) -> list[tuple[str, FacetMetrics]]:
    return [(facet, entry) for facet, entries in (stage.facets if stage else {}).items() for entry in entries]


def _same_entry(stage: BiasStage | None, facet: str, entry: FacetMetrics) -> FacetMetrics | None:
    others = stage.facets.get(facet, ()) if stage else ()
    return next((other for other in others if same_value(other.value_or_threshold, entry.value_or_threshold)), None)


def confidence_of_each(rules: BiasRules, report: BiasReport) -> float:
    """Return the confidence of each interval, so that all of a report together have that of the rules.

    A window has dozens of metrics: at 95 % each, half of all windows would be violated by chance alone. The share that
    may be wrong is divided among those that have no threshold of their own (Bonferroni 1936).
    """
    checks = sum(
        metric.name not in rules.thresholds
        for stage in report.stages
        for _, entry in _entries(stage)
        for metric in entry.metrics
    )
    return 1 - (1 - rules.confidence) / max(checks, 1)


class _Evaluation:
    def __init__(
        self, groups: Sequence[FacetGroup], baseline_groups: Sequence[FacetGroup], rules: BiasRules, confidence: float
    ) -> None:
        self._groups = {(group.facet, group.value): group for group in groups}
        self._before = baseline_groups
        self._rules = rules
        self._confidence = confidence

    def check(self, facet: str, entry: FacetMetrics, metric: BiasMetric, past: BiasMetric | None) -> BiasFinding:
        """Return the finding of one metric beside the baseline's."""
        group = self._groups[facet, entry.value_or_threshold]
        place = (facet, group.value, metric.name)
        threshold = self._rules.thresholds.get(metric.name)
        limit = threshold if threshold is not None else past.value if past else None
        reason = self._unable(group, metric, past)
        value = metric.value
        if reason or value is None or limit is None:
            return bias_finding(place, Outcome.NOT_EVALUATED, reason or "undefined", value, limit)
        if threshold is not None:
            return _by_threshold(place, value, threshold)
        if self._rules.dialect is Dialect.COMPATIBLE:
            return _by_size(place, value, limit)
        return self._by_interval(group, place, value, limit)

    def _unable(self, group: FacetGroup, metric: BiasMetric, past: BiasMetric | None) -> str | None:
        """Return why a metric is not judged, ``None`` where it is."""
        thresholds, fewest = self._rules.thresholds, self._rules.minimum_group_rows
        if metric.name in thresholds and thresholds[metric.name] is None:
            return "switched off in the endpoint's file"
        if group.fault or not group.facet_rows:
            return group.fault or f"no row has {group.facet} {group.value}"
        for rows, who in ((group.facet_rows, "in the facet"), (group.other_rows, "outside the facet")):
            if rows < fewest:
                return f"{rows} rows {who}, at least {fewest} are needed to judge"
        if metric.value is None:
            return metric.error or "undefined"
        return None if metric.name in thresholds else _unknown(past)

    def _by_interval(self, group: FacetGroup, place: tuple[str, str, str], value: float, limit: float) -> BiasFinding:
        name = place[2]
        distance = distance_from_neutral(name, value)
        allowed = distance_from_neutral(name, limit) + self._rules.tolerance
        if distance <= allowed:
            reason = f"{_text(value)} is no further from {neutral_value(name):g} than {_text(limit)}"
            return bias_finding(place, Outcome.SATISFIED, reason, value, limit)
        interval = bias_interval(group, name, self._confidence)
        if interval is None:
            reason = "too few rows to tell from chance"
            return bias_finding(place, Outcome.NOT_EVALUATED, reason, value, limit)
        text = violation_text(value, limit)
        slack = self._slack(group, name, limit)
        if not _is_beyond(distance, nearest_distance(name, interval), allowed, slack):
            whose = ", and the baseline's own" if slack else ""
            reason = f"{text} (within chance: {interval.lower:.4g} to {interval.upper:.4g}{whose})"
            return bias_finding(place, Outcome.SATISFIED, reason, value, limit)
        return bias_finding(place, Outcome.VIOLATED, text, value, limit, _excess(name, distance, allowed))

    def _slack(self, group: FacetGroup, metric: str, limit: float) -> float:
        """Return how much further from the neutral value chance may take the baseline's own metric; 0 if unknown."""
        same = (g for g in self._before if g.facet == group.facet and same_value(g.value, group.value))
        before = next(same, None)
        interval = None if before is None else bias_interval(before, metric, self._confidence)
        if interval is None:
            return 0.0
        furthest = max(distance_from_neutral(metric, end) for end in (interval.lower, interval.upper))
        return max(0.0, furthest - distance_from_neutral(metric, limit))


def _is_beyond(distance: float, nearest: float, allowed: float, slack: float) -> bool:
    """Say whether a distance is further beyond what is allowed than the chance of both explains, added as variances."""
    if math.isinf(distance):
        return nearest > allowed + slack
    return distance - allowed > math.hypot(distance - nearest, slack)


def nearest_distance(metric: str, interval: Interval) -> float:
    """Return the distance from the neutral value of the interval's point nearest to it; 0 if it lies within."""
    if interval.lower <= neutral_value(metric) <= interval.upper:
        return 0.0
    return min(distance_from_neutral(metric, end) for end in (interval.lower, interval.upper))


def _unknown(past: BiasMetric | None) -> str | None:
    if past is None:
        return "the baseline does not have this metric of the facet's value"
    return (past.error or "undefined in the baseline") if past.value is None else None


def _by_size(place: tuple[str, str, str], value: float, limit: float) -> BiasFinding:
    if abs(value) > abs(limit):
        excess = _excess(place[2], abs(value), abs(limit))
        return bias_finding(place, Outcome.VIOLATED, violation_text(value, limit), value, limit, excess)
    reason = f"{_text(value)} is no further from 0 than {_text(limit)}"
    return bias_finding(place, Outcome.SATISFIED, reason, value, limit)


def _by_threshold(place: tuple[str, str, str], value: float, threshold: float) -> BiasFinding:
    distance = distance_from_neutral(place[2], value)
    neutral = f"{neutral_value(place[2]):g}"
    if distance > threshold:
        reason = f"{_text(value)} is {_text(distance)} from {neutral}, at most {threshold:g} is allowed"
        excess = _excess(place[2], distance, threshold)
        return bias_finding(place, Outcome.VIOLATED, reason, value, threshold, excess)
    reason = f"{_text(value)} is within {threshold:g} of {neutral}"
    return bias_finding(place, Outcome.SATISFIED, reason, value, threshold)


def violation_text(value: float, limit: float) -> str:
    """Return the description of a violation in Clarify's words."""
    return f"Metric value {_text(value)} doesn't meet the baseline constraint requirement {_text(limit)}"


def _text(value: float) -> str:
    return str(json_value(value))


def _excess(metric: str, distance: float, allowed: float) -> float:
    """Return how far beyond its limit, as a share: the difference, or for unbounded metrics the part they grew by."""
    if math.isinf(distance):
        return 1.0
    apart = distance - allowed
    return min(apart / distance if metric in _UNBOUNDED else apart, 1.0)
