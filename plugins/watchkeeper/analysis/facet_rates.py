"""How a facet compares with all others: shares of positive labels and predictions, as bars."""

from collections.abc import Iterator
from dataclasses import dataclass

from watchkeeper.analysis.bar_chart import rate_bar
from watchkeeper.analysis.facet_group import FacetGroup
from watchkeeper.analysis.html_element import Content, Markup, element, joined, name_of
from watchkeeper.analysis.number_text import share_text
from watchkeeper.analysis.report_page import table


@dataclass(frozen=True)
class PositiveRate:
    """How many of a group's rows are positive."""

    positive_count: int
    row_count: int

    @property
    def share(self) -> float | None:
        """Return positives by rows, ``None`` without rows."""
        return self.positive_count / self.row_count if self.row_count else None


def positive_rate(group: FacetGroup, *, facet: bool, predictions: bool) -> PositiveRate:
    """Return the rate of the facet's rows, or of all others, by labels or by predictions."""
    cells = group.cells[int(facet)]
    positive = cells[:, 1] if predictions else cells[1, :]
    return PositiveRate(int(positive.sum()), int(cells.sum()))


def rates_table(
    window: FacetGroup, baseline: FacetGroup | None, title: str, identity: str, *, with_predictions: bool
) -> Markup:
    """Return the table with its bars; ``title`` is the facet with its value."""
    heads = ["Group", "Share that is positive", "Window", "Baseline", "Positive rows"]
    caption = "From 0 to 100 %. Filled bars: the window. Upright lines: the baseline."
    if baseline is None:
        heads = ["Group", "Share that is positive", "Share", "Positive rows"]
        caption = "From 0 to 100 %."
    rows = list(_rows(window, baseline, title, identity, with_predictions=with_predictions))
    return joined(
        element("h3", "How the groups compare"),
        table(heads, [cells for _, cells in rows], caption, "rates", [key for key, _ in rows]),
    )


def _rows(
    window: FacetGroup, baseline: FacetGroup | None, title: str, identity: str, *, with_predictions: bool
) -> Iterator[tuple[str, list[Content]]]:
    for what in ("labels", "predictions") if with_predictions else ("labels",):
        for facet in (True, False):
            now = positive_rate(window, facet=facet, predictions=what == "predictions")
            was = positive_rate(baseline, facet=facet, predictions=what == "predictions") if baseline else None
            key = f"{identity}-{what}-{'facet' if facet else 'others'}"
            who = title if facet else "all others"
            told = f"window {_text(now)}" if was is None else f"window {_text(now)}, baseline {_text(was)}"
            bar = rate_bar(
                now.share,
                was.share if was else None,
                facet=facet,
                title=f"Positive {what} of {who}",
                description=told,
                identity=f"{key}-bar",
            )
            name = joined(element("b", name_of(who)), element("span", f"positive {what}", class_="meaning"))
            shares = [_share(now)] if was is None else [_share(now), _share(was)]
            yield key, [name, bar, *shares, f"{now.positive_count:,} of {now.row_count:,}"]


def _text(rate: PositiveRate) -> str:
    return "no rows" if rate.share is None else share_text(rate.share)


def _share(rate: PositiveRate) -> Markup:
    if rate.share is None:
        return element("span", "no rows", class_="soft")
    return element("data", share_text(rate.share), value=repr(rate.share))
