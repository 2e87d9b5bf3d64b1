"""An attribution run as a page: what drives each label, at the baseline and in the window, and how far that moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from watchkeeper.analysis.attribution_drift import FeatureDrift, feature_drifts, top_driver
from watchkeeper.analysis.attribution_report import AttributionReport, LabelAttribution
from watchkeeper.analysis.bar_chart import share_bars, threshold_bar
from watchkeeper.analysis.dot_chart import tick_text
from watchkeeper.analysis.finding import Finding, Outcome
from watchkeeper.analysis.html_element import Content, Markup, element, joined, name_of
from watchkeeper.analysis.number_text import change_text, number, number_text, share_text
from watchkeeper.analysis.rank_chart import rank_chart
from watchkeeper.analysis.report_page import PageFacts, legend, other_findings, outcome_badge, page, section, table

_DRAWN = 30
_RANKED = 10
_NDCG = (
    "NDCG compares the window's order of features with the baseline's: 1 is the same order, and what moves at the top "
    "weighs most."
)
Values = Mapping[str, float]


def attribution_page(
    report: AttributionReport | None,
    baseline: AttributionReport | None,
    findings: Sequence[Finding],
    facts: PageFacts,
) -> bytes:
    """Return the page of a run as UTF-8 HTML.

    ``report`` is the window's, ``None`` where it could not be made; ``baseline`` is ``None`` for the page of a baseline
    itself. A finding belongs to the label that it names, with NDCG as what was observed and its threshold as limit.
    """
    body, rest = attribution_sections(report, baseline, findings)
    return page("Feature attribution report", facts, *body, other_findings(rest))


def attribution_sections(
    report: AttributionReport | None, baseline: AttributionReport | None, findings: Sequence[Finding]
) -> tuple[list[Content], list[Finding]]:
    """Return what a page shows of attributions, and the findings that none of it shows; see `attribution_page`."""
    views = [
        _LabelView(name, _values(before), _values(after), _of(findings, name))
        for name, before, after in _pairs(report, baseline)
    ]
    body: list[Content] = [_label(view, f"label-{place}") for place, view in enumerate(views, 1)]
    return body, [finding for finding in findings if all(finding is not view.finding for view in views)]


@dataclass(frozen=True)
class _LabelView:
    name: str
    before: Values | None
    after: Values | None
    finding: Finding | None

    @property
    def drifts(self) -> list[FeatureDrift]:
        """Return all features by their rank at the baseline, then those that are new."""
        drifts = feature_drifts(self.before or {}, self.after or {})
        last = len(drifts) + 1
        return sorted(drifts, key=lambda each: (each.rank_before or last, each.rank_after or last, each.feature))

    @property
    def compared(self) -> bool:
        return self.before is not None

    @property
    def new_driver(self) -> str | None:
        """Return the window's top driver, where it was another one at the baseline."""
        first, now = top_driver(self.before or {}), top_driver(self.after or {})
        return now if first and first != now else None


def _pairs(
    report: AttributionReport | None, baseline: AttributionReport | None
) -> list[tuple[str, LabelAttribution | None, LabelAttribution | None]]:
    """Return each label with its baseline and its window; two reports of one label each are of the same one."""
    before, after = baseline.labels if baseline else {}, report.labels if report else {}
    if len(before) == len(after) == 1:
        ((name, was),), (now,) = before.items(), after.values()
        return [(name, was, now)]
    return [(name, before.get(name), after.get(name)) for name in dict.fromkeys([*before, *after])]


def _values(found: LabelAttribution | None) -> Values | None:
    return found.global_shap_values if found else None


def _of(findings: Sequence[Finding], label: str) -> Finding | None:
    return next((finding for finding in findings if finding.feature == label), None)


def _label(view: _LabelView, identity: str) -> Markup:
    return section(
        joined(element("span", "Label ", class_="against"), name_of(view.name)),
        element("p", _driver(view), class_="driver"),
        element("div", _score(view, identity), _ranks(view, identity), class_="pair") if view.compared else None,
        element("h3", "Share of all attribution, feature by feature"),
        _key(view),
        _features(view, identity),
        identity=identity,
    )


def _driver(view: _LabelView) -> Content:
    first, now = top_driver(view.before or {}), top_driver(view.after or {})
    if view.after is None:
        was = joined(" At the baseline, the top driver was ", _named(first), ".") if first else None
        return joined("The window has no attributions for this label.", was)
    if now is None:
        return "Nothing drives this label: all attributions are zero."
    if first is None:
        return joined("The top driver is ", _named(now), ".")
    if first == now:
        return joined("The top driver is ", _named(now), ", as at the baseline.")
    return joined("The top driver moved from ", _named(first), " to ", _named(now), ".")


def _named(feature: str) -> Markup:
    return element("b", name_of(feature))


def _score(view: _LabelView, identity: str) -> Markup:
    finding = view.finding
    head = element("p", "Order of features, NDCG", class_="soft small")
    about = element("p", _NDCG, class_="soft")
    if finding is None or finding.observed is None:
        told = finding.reason if finding else "It was not judged."
        badge = element("p", outcome_badge(finding.outcome if finding else None))
        return element("div", head, badge, element("p", told), about)
    badge = outcome_badge(finding.outcome)
    score = element("p", number(finding.observed), class_="score")
    if finding.limit is None:
        return element("div", head, score, element("p", badge), about)
    side = (
        f"{'below' if finding.observed < finding.limit else 'at or above'} the threshold of {tick_text(finding.limit)}"
    )
    bar = threshold_bar(
        finding.observed,
        finding.limit,
        violated=finding.outcome is Outcome.VIOLATED,
        title=f"NDCG of {view.name}",
        description=f"{number_text(finding.observed)}, {side}",
        identity=f"{identity}-score",
    )
    chance = finding.outcome is Outcome.SATISFIED and finding.observed < finding.limit
    why = element("p", finding.reason) if chance else None
    return element("div", head, score, element("p", badge, f" {side}"), bar, why, about)


def _ranks(view: _LabelView, identity: str) -> Content:
    if view.after is None:
        return None
    drifts = view.drifts
    moved = sum(each.rank_before != each.rank_after for each in drifts)
    told = f"{moved} of {len(drifts)} features changed their rank"
    title = f"Ranks of {view.name} at the baseline and in the window"
    chart = rank_chart(
        drifts, min(_RANKED, len(drifts)), title, f"{told}; the table has all ranks", f"{identity}-ranks"
    )
    caption = f"Ranks at the baseline (left) and in the window (right); thickest, the first of either. {told}."
    return element("figure", element("figcaption", caption), chart)


def _key(view: _LabelView) -> Content:
    if not view.compared:
        return None
    entries = [(_swatch("baseline"), "baseline"), (_swatch("window"), "window")]
    if view.new_driver is not None:
        entries.append((_swatch("violated"), "window, the new top driver"))
    return legend(*entries)


def _swatch(kind: str) -> Markup:
    return element("rect", x=2, y=4, width=26, height=12, rx=2, class_=f"bar {kind}")


def _features(view: _LabelView, identity: str) -> Markup:
    drifts = view.drifts
    most = max((share for each in drifts for share in (each.share_before, each.share_after) if share), default=1.0)
    heads = [
        "Feature",
        "Share of all attribution",
        "Rank",
        *(("Baseline", "Window", "Change") if view.compared else ("Share",)),
    ]
    ids = [f"{identity}-feature-{place}" for place in range(1, len(drifts) + 1)]
    rows = [
        _cells(view, each, most, key if place < _DRAWN else None)
        for place, (each, key) in enumerate(zip(drifts, ids, strict=True))
    ]
    caption = (
        f"{len(drifts)} features, by rank{' at the baseline' if view.compared else ''}. Small: the attribution itself."
    )
    if len(rows) > _DRAWN:
        caption += f" The first {_DRAWN} are drawn."
    return table(heads, rows, caption, "features", ids)


def _cells(view: _LabelView, each: FeatureDrift, most: float, identity: str | None) -> list[Content]:
    cells: list[Content] = [_named(each.feature), _bars(view, each, most, identity), _rank(each)]
    if view.compared:
        cells.append(_share(each.share_before, view.before, each.feature))
    cells.append(_share(each.share_after, view.after, each.feature))
    if view.compared:
        known = each.share_before is not None and each.share_after is not None
        cells.append(element("span", change_text(each.share_change), class_="rank") if known else "")
    return cells


def _bars(view: _LabelView, each: FeatureDrift, most: float, identity: str | None) -> Content:
    if identity is None:
        return None
    told = f"window {_told(each.share_after)}"
    return share_bars(
        each.share_before,
        each.share_after,
        most,
        strong=each.feature == view.new_driver,
        title=each.feature,
        description=f"baseline {_told(each.share_before)}, {told}" if view.compared else told,
        identity=f"{identity}-bars",
    )


def _told(share: float | None) -> str:
    return "not there" if share is None else share_text(share)


def _rank(each: FeatureDrift) -> Content:
    """Return ``1 → 5`` with how far that is; up is towards rank 1."""
    before, after = each.rank_before, each.rank_after
    if before is None or after is None:
        return element("span", str(before or after), class_="rank")
    way = f"▲ {before - after} up" if before > after else f"▼ {after - before} down" if before < after else "same"
    return joined(element("span", f"{before} → {after}", class_="rank"), element("small", way))


def _share(share: float | None, values: Values | None, feature: str) -> Content:
    if share is None or values is None:
        return element("span", "not there", class_="soft")
    exact = element("data", share_text(share), value=repr(float(share)))
    return joined(exact, element("small", number(values[feature])))
