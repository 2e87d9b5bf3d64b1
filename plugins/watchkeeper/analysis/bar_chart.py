"""Shares as bars: the window filled, the baseline hollow, on one scale for all rows of a table."""

from watchkeeper.analysis.dot_chart import svg, tick_text
from watchkeeper.analysis.html_element import Markup, element
from watchkeeper.analysis.number_scale import NumberScale

_WIDTH, _HEIGHT = 400, 34


def rate_bar(
    window: float | None, baseline: float | None, *, facet: bool, title: str, description: str, identity: str
) -> Markup:
    """Return a group's share in 0..1 as a bar, with the baseline's share as an upright line across it."""
    scale = NumberScale(0, 1, 4, _WIDTH - 4)
    marks = [element("rect", x=4, y=9, width=_WIDTH - 8, height=16, rx=3, class_="track")]
    if window is not None:
        kind = "window" if facet else "others"
        width = max(scale.at(window) - 4, 1)
        marks.append(element("rect", x=4, y=9, width=width, height=16, rx=3, class_=f"bar {kind}"))
    if baseline is not None:
        x = scale.at(baseline)
        marks.append(element("line", x1=x, x2=x, y1=3, y2=31, class_="was"))
    return svg(_WIDTH, _HEIGHT, *marks, title=title, description=description, identity=identity)


def share_bars(
    baseline: float | None,
    window: float | None,
    most: float,
    *,
    strong: bool,
    title: str,
    description: str,
    identity: str,
) -> Markup:
    """Return a feature's share at the baseline over that in the window; ``most`` is the share that fills the width."""
    scale = NumberScale(0, max(most, 1e-9), 2, _WIDTH - 2)
    kind = "violated" if strong else "window"
    both = baseline is not None and window is not None
    marks = [
        element("rect", x=2, y=y, width=_long(scale, share), height=12, rx=2, class_=f"bar {tone}")
        for share, y, tone in ((baseline, 3 if both else 11, "baseline"), (window, 18 if both else 11, kind))
        if share is not None
    ]
    return svg(_WIDTH, _HEIGHT, *marks, title=title, description=description, identity=identity)


def _long(scale: NumberScale, share: float) -> float:
    # A share that is tiny is there all the same.
    return max(scale.at(share) - scale.left, 1.0)


def threshold_bar(
    value: float, threshold: float, *, violated: bool, title: str, description: str, identity: str
) -> Markup:
    """Return a score in 0..1 as a bar with its threshold: what is below it is a violation."""
    width = 420
    scale = NumberScale(0, 1, 4, width - 24)
    kind = "violated" if violated else "window"
    limit = scale.at(threshold)
    return svg(
        width,
        54,
        element("rect", x=4, y=8, width=width - 28, height=18, rx=3, class_="track"),
        element("rect", x=limit, y=8, width=max(scale.right - limit, 2), height=18, rx=3, class_="allowed"),
        element("rect", x=4, y=8, width=max(scale.at(value) - 4, 1), height=18, rx=3, class_=f"bar {kind}"),
        element("line", x1=limit, x2=limit, y1=2, y2=32, class_="limit"),
        element("text", "0", x=4, y=48, class_="tick"),
        element("text", f"threshold {tick_text(threshold)}", x=limit, y=48, text_anchor="middle", class_="tick"),
        title=title,
        description=description,
        identity=identity,
    )
