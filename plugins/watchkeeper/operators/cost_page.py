"""The cost report as a page for people: all together first, then each endpoint, the dearest first."""

from typing import TYPE_CHECKING

from watchkeeper.analysis.bar_chart import share_bars
from watchkeeper.analysis.html_element import Content, Markup, element, joined, name_of
from watchkeeper.analysis.report_page import PageFacts, page, section, table

if TYPE_CHECKING:
    from watchkeeper.aws.cost_store import CostReport, EndpointCost

_HEADS = ("Endpoint", "Predicted above found", "Predicted", "Found", "Ceiling")
_ITEM_HEADS = ("What", "Predicted above found", "Predicted", "Found", "Quantity found")
_FLEET_CAPTION = (
    "USD a month for all endpoints together, in the region of the deployment: tiers and what an account has free are "
    "taken off. Found: what was counted, and by the traffic that was seen what nobody counts."
)
_CAPTION = "USD a month for each by itself, without what an account has free; the dearest first."


def cost_page(report: "CostReport") -> bytes:
    """Return the page as UTF-8. It holds names, counts and amounts, no captured value."""
    notes = (
        ("Month", report.month),
        ("As of", report.made_at),
        ("Prices of", report.prices_of),
        ("Predicted", f"{report.fleet.predicted_usd:,.2f} {report.currency} a month"),
        ("Found", f"{report.fleet.actual_usd:,.2f} {report.currency} a month"),
        ("Ceiling", "none" if report.fleet.ceiling_usd is None else f"{report.fleet.ceiling_usd:,.2f}"),
    )
    facts = PageFacts("All endpoints", notes=notes, reason=report.fleet.exceeds or "", footnote="Made by Watchkeeper.")
    dearest = sorted(report.endpoints, key=lambda one: (-max(one.predicted_usd, one.actual_usd), one.endpoint))
    told = [one for one in dearest if one.steps or one.exceeds or one.notes]
    return page(
        "Cost of watching",
        facts,
        _items(report.fleet),
        _endpoints(dearest),
        section("What ceilings say", *(map(_verdict, told)), identity="ceilings") if told else None,
        _sentences("What could not be counted", report.problems, "problems"),
        _sentences("Housekeeping", report.housekeeping, "housekeeping"),
    )


def _items(fleet: "EndpointCost") -> Content:
    before = {line.item: line for line in fleet.predicted}
    after = {line.item: line for line in fleet.actual}
    items = sorted(
        {**before, **after}, key=lambda item: -max(line[item].usd for line in (before, after) if item in line)
    )
    most = max((line.usd for line in (*fleet.predicted, *fleet.actual)), default=0.0)
    rows = []
    for item in items:
        was, now = before.get(item), after.get(item)
        amount = f"{now.quantity:,.1f} {now.unit}" if now else "none"
        bars = _bars(was.usd if was else None, now.usd if now else None, most, item, is_item=True, exceeds=False)
        rows.append((_words(item), bars, _usd(was.usd if was else 0.0), _usd(now.usd if now else 0.0), amount))
    if not rows:
        return section("All together", element("p", "Nothing costs anything yet."), identity="all")
    return section(
        "All together", table(_ITEM_HEADS, rows, _FLEET_CAPTION, "features", [""] * len(rows)), identity="all"
    )


def _endpoints(costs: "list[EndpointCost]") -> Content:
    most = max((max(one.predicted_usd, one.actual_usd) for one in costs), default=0.0)
    rows = [
        (
            joined(element("b", name_of(one.endpoint)), element("span", name_of(one.owner), class_="meaning")),
            _bars(
                one.predicted_usd, one.actual_usd, most, one.endpoint, is_item=False, exceeds=one.exceeds is not None
            ),
            _usd(one.predicted_usd),
            _usd(one.actual_usd),
            "none" if one.ceiling_usd is None else _usd(one.ceiling_usd),
        )
        for one in costs
    ]
    if not rows:
        return None
    return section("Endpoint by endpoint", table(_HEADS, rows, _CAPTION, "features", [""] * len(rows)), identity="each")


def _verdict(cost: "EndpointCost") -> Markup:
    sentences = [*cost.notes, *([cost.exceeds] if cost.exceeds else [])]
    return element(
        "div",
        element("h3", name_of(cost.endpoint)),
        element("ul", *(element("li", sentence) for sentence in dict.fromkeys(sentences))),
    )


def _sentences(heading: str, sentences: tuple[str, ...], identity: str) -> Content:
    if not sentences:
        return None
    return section(heading, element("ul", *(element("li", one) for one in sentences)), identity=identity)


def _bars(before: float | None, after: float | None, most: float, name: str, *, is_item: bool, exceeds: bool) -> Markup:
    known = ", ".join(
        f"{word} {value:,.2f} USD" for word, value in (("predicted", before), ("found", after)) if value is not None
    )
    identity = f"bar-{'item' if is_item else 'endpoint'}-{name.encode().hex()}"
    return share_bars(
        before,
        after,
        most,
        strong=exceeds,
        title=_words(name) if is_item else name,
        description=f"{known} a month",
        identity=identity,
    )


def _words(item: str) -> str:
    return item.removesuffix("_gb").replace("_", " ") + (" GB" if item.endswith("_gb") else "")


def _usd(amount: float) -> str:
    return f"{amount:,.2f}"
