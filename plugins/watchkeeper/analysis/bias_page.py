"""A bias run as a page: how facets compare, each metric against its baseline, and what was violated."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from watchkeeper.analysis.bias_finding import BiasFinding
from watchkeeper.analysis.bias_judgement import BiasRules
from watchkeeper.analysis.bias_report import BiasMetric, BiasReport, BiasStage
from watchkeeper.analysis.bias_row import ALONE_HEADS, COMPARED_HEADS, BiasRow, bias_cells, bias_row, shift_text
from watchkeeper.analysis.dot_chart import mark
from watchkeeper.analysis.facet_group import FacetGroup, is_interval, same_value
from watchkeeper.analysis.facet_rates import rates_table
from watchkeeper.analysis.finding import Outcome
from watchkeeper.analysis.html_element import Content, Markup, element, joined, name_of
from watchkeeper.analysis.metric_meaning import meaning_of
from watchkeeper.analysis.report_page import PageFacts, legend, other_findings, page, section, table

_LISTED = 5


@dataclass(frozen=True)
class _FacetView:
    identity: str
    name: str
    value: str
    pre_training: tuple[BiasRow, ...]
    post_training: tuple[BiasRow, ...]
    group: FacetGroup | None
    baseline_group: FacetGroup | None

    @property
    def title(self) -> str:
        """Return the facet with its value: ``Sex = 0``, ``Age in (40, 90]``."""
        return f"{self.name} {'in' if self.value and is_interval(self.value) else '='} {self.value}"

    @property
    def rows(self) -> tuple[BiasRow, ...]:
        return self.pre_training + self.post_training

    @property
    def named_rows(self) -> list[tuple[str, BiasRow]]:
        """Return each row with its id in the page; names from documents are none."""
        return [(f"{self.identity}-metric-{place}", row) for place, row in enumerate(self.rows, 1)]


def bias_page(
    report: BiasReport | None,
    baseline: BiasReport | None,
    findings: Sequence[BiasFinding],
    facts: PageFacts,
    *,
    rules: BiasRules | None = None,
    groups: Sequence[FacetGroup] = (),
    baseline_groups: Sequence[FacetGroup] = (),
) -> bytes:
    """Return the page of a run as UTF-8 HTML.

    ``report`` is the window's, ``None`` where it could not be made; ``baseline`` is ``None`` for the page of a baseline
    itself. ``rules`` are those that the findings were made by. ``groups`` are the counts behind the reports
    (`groups_of`): with them the groups are compared and intervals are drawn; documents hold none.
    """
    body, rest = bias_sections(report, baseline, findings, rules=rules, groups=groups, baseline_groups=baseline_groups)
    return page("Bias report", facts, *body, other_findings(rest))


def bias_sections(
    report: BiasReport | None,
    baseline: BiasReport | None,
    findings: Sequence[BiasFinding],
    *,
    rules: BiasRules | None = None,
    groups: Sequence[FacetGroup] = (),
    baseline_groups: Sequence[FacetGroup] = (),
) -> tuple[list[Content], list[BiasFinding]]:
    """Return what a page shows of bias, and the findings that none of it shows; see `bias_page`."""
    rules = rules or BiasRules()
    views = list(_views(report, baseline, findings, rules, groups, baseline_groups))
    compared = baseline is not None
    shown = {id(row.finding) for view in views for row in view.rows}
    body: list[Content] = [_first(views), _key(views, rules.confidence, compared=compared) if views else None]
    body += [_facet(view, compared=compared) for view in views]
    return body, [each for each in findings if id(each) not in shown]


def _views(
    report: BiasReport | None,
    baseline: BiasReport | None,
    findings: Sequence[BiasFinding],
    rules: BiasRules,
    groups: Sequence[FacetGroup],
    baseline_groups: Sequence[FacetGroup],
) -> Iterator[_FacetView]:
    now, was = report or BiasReport(), baseline or BiasReport()
    for place, (name, value) in enumerate(_facet_values(now, was), 1):
        own = [each for each in findings if each.facet == name and same_value(each.facet_value, value)]
        group = _group(groups, name, value)
        yield _FacetView(
            f"facet-{place}",
            name,
            value,
            _rows(now.pre_training, was.pre_training, name, value, own, rules, group),
            _rows(now.post_training, was.post_training, name, value, own, rules, group),
            group,
            _group(baseline_groups, name, value),
        )


def _facet_values(report: BiasReport, baseline: BiasReport) -> list[tuple[str, str]]:
    """Return each facet with each value, the window's first; what only the baseline has comes last."""
    found: list[tuple[str, str]] = []
    for side in (report, baseline):
        for name, values in side.facet_values.items():
            new = [value for value in values if not any(name == n and same_value(value, v) for n, v in found)]
            found += [(name, value) for value in new]
    return found


def _rows(
    report: BiasStage | None,
    baseline: BiasStage | None,
    name: str,
    value: str,
    findings: Sequence[BiasFinding],
    rules: BiasRules,
    group: FacetGroup | None,
) -> tuple[BiasRow, ...]:
    now, was = _metrics_of(report, name, value), _metrics_of(baseline, name, value)
    return tuple(
        bias_row(metric, was.get(metric), now.get(metric), findings, rules, group)
        for metric in dict.fromkeys([*now, *was])
    )


def _metrics_of(stage: BiasStage | None, name: str, value: str) -> dict[str, BiasMetric]:
    entries = stage.facets.get(name, ()) if stage else ()
    entry = next((entry for entry in entries if same_value(entry.value_or_threshold, value)), None)
    return {metric.name: metric for metric in entry.metrics} if entry else {}


def _group(groups: Sequence[FacetGroup], name: str, value: str) -> FacetGroup | None:
    return next((group for group in groups if group.facet == name and same_value(group.value, value)), None)


def _first(views: Sequence[_FacetView]) -> Content:
    """List the violated metrics, the one furthest beyond its limit first, each with a link to its row."""
    found = [entry for view in views for entry in view.named_rows if entry[1].violated]
    if not found:
        return None
    titles = {key: view.title for view in views for key, _ in view.named_rows}
    found.sort(key=lambda entry: -entry[1].excess)
    items = [
        element(
            "li",
            element("a", name_of(titles[key]), f", {row.name}", href=f"#{key}"),
            element("span", shift_text(row), element("span", meaning_of(row.name), class_="soft")),
        )
        for key, row in found[:_LISTED]
    ]
    rest = f"The other {len(found) - _LISTED} are marked below." if len(found) > _LISTED else None
    heading = f"{len(found)} metric{'s' if len(found) > 1 else ''} beyond what is allowed"
    return section(heading, element("ul", *items, class_="first"), rest and element("p", rest), identity="first")


def _key(views: Sequence[_FacetView], confidence: float, *, compared: bool) -> Markup:
    rows = [row for view in views for row in view.rows]
    entries = [(mark(15, 10, hollow=True), "baseline")] if compared else []
    entries.append((mark(15, 10), "window" if compared else "value"))
    if any(row.violated for row in rows):
        entries.append((mark(15, 10, outcome=Outcome.VIOLATED), "window, violated"))
    if any(row.interval for row in rows):
        bracket = element("path", d="M3 5V15M3 10H27M27 5V15", class_="interval window")
        entries.append((bracket, f"{confidence * 100:g} % interval of the window's value"))
    if any(row.allowed for row in rows):
        entries.append((element("rect", x=1, y=2, width=28, height=16, rx=3, class_="allowed"), "allowed"))
    entries.append((element("line", x1=15, x2=15, y1=1, y2=19, class_="neutral"), "no bias"))
    if any(math.isinf(value) for row in rows for value in (row.dots.baseline, row.dots.window) if value is not None):
        entries.append((mark(12, 10, value=math.inf), "infinite"))
    told = element("p", "Each plot has a scale of its own; the numbers stand beside it.", class_="soft small")
    return element("div", told, legend(*entries), class_="key")


def _facet(view: _FacetView, *, compared: bool) -> Markup:
    violated, judged = sum(row.violated for row in view.rows), sum(row.judged for row in view.rows)
    count = element("p", f"{violated} of {judged} judged metrics are violated.", class_="soft") if judged else None
    rates = None
    if view.group is not None and not view.group.fault:
        answers = bool(view.post_training)
        rates = rates_table(view.group, view.baseline_group, view.title, view.identity, with_predictions=answers)
    before = view.named_rows[: len(view.pre_training)]
    after = view.named_rows[len(view.pre_training) :]
    return section(
        joined(name_of(view.title), element("span", " against all others", class_="against")),
        count,
        rates,
        _metrics("Before training: what the labels say", before, view.title, compared=compared),
        _metrics("After training: what the model makes of it", after, view.title, compared=compared),
        identity=view.identity,
    )


def _metrics(heading: str, rows: Sequence[tuple[str, BiasRow]], title: str, *, compared: bool) -> Content:
    if not rows:
        return None
    cells = [bias_cells(row, title, f"{key}-plot", compared=compared) for key, row in rows]
    heads = COMPARED_HEADS if compared else ALONE_HEADS
    caption = f"{len(rows)} metric{'s' if len(rows) > 1 else ''}, by name."
    return joined(element("h3", heading), table(heads, cells, caption, "metrics", [key for key, _ in rows]))
