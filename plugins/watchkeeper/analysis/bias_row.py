"""One bias metric of one facet on a page: what it says, its baseline and its window, and what came of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from watchkeeper.analysis.bias_finding import BiasFinding
from watchkeeper.analysis.bias_judgement import BiasRules
from watchkeeper.analysis.bias_metrics import distance_from_neutral, neutral_value
from watchkeeper.analysis.bias_report import BiasMetric
from watchkeeper.analysis.bias_resampling import bias_interval
from watchkeeper.analysis.constraint_evaluation import Dialect
from watchkeeper.analysis.dot_chart import Dots, described, dot_chart
from watchkeeper.analysis.facet_group import FacetGroup
from watchkeeper.analysis.finding import Outcome
from watchkeeper.analysis.html_element import Content, Markup, element, joined
from watchkeeper.analysis.metric_meaning import meaning_of
from watchkeeper.analysis.metric_resampling import Interval
from watchkeeper.analysis.number_text import number, number_text
from watchkeeper.analysis.report_page import outcome_badge

_NEVER_NEGATIVE = frozenset({"DI", "GE", "JS", "KL", "KS", "LP", "TVD"})

COMPARED_HEADS = ("Metric", "Baseline to window", "Baseline", "Window", "Allowed", "Outcome")
ALONE_HEADS = ("Metric", "Value", "Value in numbers")


@dataclass(frozen=True)
class BiasRow:
    """A metric of a facet; ``None`` where there is no such thing.

    ``interval`` is the window value's, ``allowed`` the range in which it would not be violated.
    """

    name: str
    baseline: BiasMetric | None
    window: BiasMetric | None
    finding: BiasFinding | None = None
    interval: tuple[float, float] | None = None
    allowed: tuple[float, float] | None = None

    @property
    def violated(self) -> bool:
        """Say whether the window is beyond what is allowed."""
        return self.finding is not None and self.finding.outcome is Outcome.VIOLATED

    @property
    def judged(self) -> bool:
        """Say whether the window was held against the baseline."""
        return self.finding is not None and self.finding.outcome is not Outcome.NOT_EVALUATED

    @property
    def excess(self) -> float:
        """Return how far the window is beyond what is allowed, 0..1."""
        return self.finding.excess if self.finding else 0.0

    @property
    def dots(self) -> Dots:
        """Return what there is to draw."""
        return Dots(
            self.baseline.value if self.baseline else None,
            self.window.value if self.window else None,
            neutral_value(self.name),
            self.interval,
            self.allowed,
            self.finding.outcome if self.finding else None,
        )


def bias_row(
    name: str,
    baseline: BiasMetric | None,
    window: BiasMetric | None,
    findings: Sequence[BiasFinding],
    rules: BiasRules,
    group: FacetGroup | None,
) -> BiasRow:
    """Return the row of a metric; its interval is the bootstrap's that the ``exact`` dialect judges by."""
    finding = next((each for each in findings if each.metric == name), None)
    interval = None
    if group is not None and finding is not None and rules.dialect is Dialect.EXACT and window is not None:
        known = window.value is not None and math.isfinite(window.value)
        interval = bias_interval(group, name, rules.confidence) if known else None
    ends = drawn_interval(name, interval) if interval else None
    judged = finding is not None and finding.outcome is not Outcome.NOT_EVALUATED
    allowed = allowed_range(name, baseline.value if baseline else None, rules) if judged else None
    return BiasRow(name, baseline, window, finding, ends, allowed)


def drawn_interval(metric: str, interval: Interval) -> tuple[float, float]:
    """Return an interval as it is drawn: that of a distance, which the bootstrap gives a sign, by its size."""
    if metric not in _NEVER_NEGATIVE:
        return interval.lower, interval.upper
    sizes = abs(interval.lower), abs(interval.upper)
    return (0.0 if interval.lower < 0 < interval.upper else min(sizes), max(sizes))


def allowed_range(metric: str, baseline: float | None, rules: BiasRules) -> tuple[float, float] | None:
    """Return the values of a metric that its rule lets pass without asking for chance; ``None`` for no limit."""
    threshold = rules.thresholds.get(metric)
    if threshold is not None:
        distance = threshold
    elif baseline is None or metric in rules.thresholds:
        return None
    elif rules.dialect is Dialect.COMPATIBLE:
        return (0.0 if metric in _NEVER_NEGATIVE else -abs(baseline), abs(baseline))
    else:
        distance = distance_from_neutral(metric, baseline) + rules.tolerance
    if metric == "DI":
        return (1 - distance, 1 / (1 - distance)) if distance < 1 else (0.0, math.inf)
    return (0.0 if metric in _NEVER_NEGATIVE else -distance, distance)


def bias_cells(row: BiasRow, facet: str, identity: str, *, compared: bool) -> list[Content]:
    """Return the cells of a metric's row: its name with its meaning, the plot, and the numbers."""
    cells = [_name(row), _plot(row, facet, identity)]
    if not compared:
        return [*cells, _value(row.window)]
    judged = joined(outcome_badge(row.finding.outcome if row.finding else None), _why(row))
    window = joined(_value(row.window), _interval(row))
    return [*cells, _value(row.baseline), window, _allowed(row), judged]


def _name(row: BiasRow) -> Markup:
    """Clarify's descriptions end with the abbreviation, which stands before them here."""
    metric = row.window or row.baseline
    plain = metric.description.removesuffix(f"({row.name})").strip() if metric else ""
    return joined(element("b", row.name), f" {plain}", element("span", meaning_of(row.name), class_="meaning"))


def _plot(row: BiasRow, facet: str, identity: str) -> Content:
    dots = row.dots
    if dots.baseline is None and dots.window is None:
        return element("span", "nothing to plot", class_="soft")
    return dot_chart(dots, f"{row.name} of {facet}", described(dots), identity)


def _value(metric: BiasMetric | None) -> Content:
    if metric is None:
        return element("span", "not there", class_="soft")
    if metric.value is None:
        why = element("span", metric.error, class_="why") if metric.error else None
        return joined(element("span", "none", class_="soft"), why)
    return number(metric.value)


def _interval(row: BiasRow) -> Content:
    return element("small", _range(row.interval)) if row.interval else None


def _allowed(row: BiasRow) -> Content:
    return _range(row.allowed) if row.allowed else element("span", "not limited", class_="soft")


def _range(ends: tuple[float, float]) -> str:
    return f"{number_text(ends[0])} to {number_text(ends[1])}"


def _why(row: BiasRow) -> Content:
    """A reason is told where the numbers beside it do not tell it already."""
    value = row.dots.window
    if row.judged and not row.violated and row.allowed and value is not None:
        beyond = not row.allowed[0] <= value <= row.allowed[1]
        return element("span", "beyond, but within chance", class_="why") if beyond else None
    if row.finding is None or row.judged or not row.finding.reason:
        return None
    return element("span", row.finding.reason, class_="why")


def shift_text(row: BiasRow) -> Content:
    """Return what a violated metric did: from where to where, and what would have been allowed."""
    before, now = row.dots.baseline, row.dots.window
    if before is None or now is None:
        return f"{row.finding.reason}. " if row.finding else None
    allowed = f", allowed {_range(row.allowed)}" if row.allowed else ""
    return joined(element("b", f"{number_text(before)} → {number_text(now)}"), f"{allowed}. ")
