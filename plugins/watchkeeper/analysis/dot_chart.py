"""A metric as dots on a line: its baseline, its window with the interval, what is allowed, where there is no bias."""

import math
from dataclasses import dataclass

from watchkeeper.analysis.finding import Outcome
from watchkeeper.analysis.html_element import Markup, element, joined
from watchkeeper.analysis.number_scale import NumberScale, scale_around
from watchkeeper.analysis.number_text import number_text

_WIDTH, _HEIGHT = 300, 54
_LEFT, _RIGHT, _LINE = 22.0, _WIDTH - 22.0, 20.0


@dataclass(frozen=True)
class Dots:
    """What is drawn; ``None`` where there is nothing to draw. Bounds and values may be infinite."""

    baseline: float | None
    window: float | None
    neutral: float | None = 0.0
    interval: tuple[float, float] | None = None
    allowed: tuple[float, float] | None = None
    outcome: Outcome | None = None


def svg(width: float, height: float, *content: Markup, title: str, description: str, identity: str) -> Markup:
    """Return a picture with its title and description for those who do not see it; ``identity`` is unique in a page."""
    return element(
        "svg",
        element("title", title, id=f"{identity}-title"),
        element("desc", description, id=f"{identity}-desc"),
        *content,
        role="img",
        width=width,
        height=height,
        viewBox=f"0 0 {width:g} {height:g}",
        aria_labelledby=f"{identity}-title {identity}-desc",
    )


def dot_chart(dots: Dots, title: str, description: str, identity: str) -> Markup:
    """Return the dot plot as an SVG of 300 × 54; each plot has a scale of its own, with round ticks."""
    scale = scale_around(_shown(dots), _LEFT, _RIGHT)
    return svg(
        _WIDTH,
        _HEIGHT,
        _band(dots, scale),
        _axis(scale),
        _neutral(dots, scale),
        _interval(dots, scale),
        _shift(dots, scale),
        mark(scale.at(dots.baseline), _LINE, hollow=True, value=dots.baseline)
        if dots.baseline is not None
        else Markup(""),
        mark(scale.at(dots.window), _LINE, outcome=dots.outcome, value=dots.window)
        if dots.window is not None
        else Markup(""),
        title=title,
        description=description,
        identity=identity,
    )


def mark(
    x: float, y: float, *, hollow: bool = False, outcome: Outcome | None = None, value: float | None = 0.0
) -> Markup:
    """Return a value's mark: hollow ring for a baseline, filled disc for a window, diamond where it is violated.

    An infinite value is an arrow head that points out of the plot.
    """
    kind = "baseline" if hollow else "violated" if outcome is Outcome.VIOLATED else "window"
    if value is not None and math.isinf(value):
        way = 1 if value > 0 else -1
        points = f"{x - way * 4:g},{y - 8:g} {x + way * 10:g},{y:g} {x - way * 4:g},{y + 8:g}"
        return element("polygon", points=points, class_=f"mark {kind}")
    if kind == "violated":
        points = f"{x:.2f},{y - 9:g} {x + 9:.2f},{y:g} {x:.2f},{y + 9:g} {x - 9:.2f},{y:g}"
        return element("polygon", points=points, class_="mark violated")
    return element("circle", cx=x, cy=y, r=6.5 if hollow else 6, class_=f"mark {kind}")


def _shown(dots: Dots) -> list[float]:
    """Return what the scale must hold: all but a bound so far off that it would press everything else together."""
    neutral = dots.neutral or 0.0
    single = (dots.baseline, dots.window, dots.neutral, *(dots.interval or ()))
    shown = [value for value in single if value is not None and math.isfinite(value)]
    reach = 2 * max((abs(value - neutral) for value in shown), default=math.inf)
    return shown + [bound for bound in dots.allowed or () if abs(bound - neutral) <= reach or not reach]


def _band(dots: Dots, scale: NumberScale) -> Markup:
    if dots.allowed is None:
        return Markup("")
    low, high = scale.at(dots.allowed[0]), scale.at(dots.allowed[1])
    # A range of one value is still to be seen.
    width = max(high - low, 2)
    return element("rect", x=min(low, _RIGHT - 2), y=_LINE - 14, width=width, height=28, rx=3, class_="allowed")


def _axis(scale: NumberScale) -> Markup:
    line = element("line", x1=_LEFT - 8, x2=_RIGHT + 8, y1=_LINE, y2=_LINE, class_="axis")
    ticks = []
    for tick in scale.ticks(4):
        x = scale.at(tick)
        ticks.append(element("line", x1=x, x2=x, y1=_LINE - 3, y2=_LINE + 3, class_="axis"))
        ticks.append(element("text", tick_text(tick), x=x, y=_HEIGHT - 4, text_anchor="middle", class_="tick"))
    return joined(line, *ticks)


def tick_text(value: float) -> str:
    """Return a round number in as few characters as it needs."""
    text = f"{value:g}" if abs(value) > 1e-12 else "0"
    return text.replace("-", "\u2212")


def _neutral(dots: Dots, scale: NumberScale) -> Markup:
    if dots.neutral is None:
        return Markup("")
    x = scale.at(dots.neutral)
    return element("line", x1=x, x2=x, y1=_LINE - 16, y2=_LINE + 16, class_="neutral")


def _interval(dots: Dots, scale: NumberScale) -> Markup:
    if dots.interval is None:
        return Markup("")
    low, high = (scale.at(bound) for bound in dots.interval)
    path = (
        f"M{low:.2f} {_LINE - 6:g}V{_LINE + 6:g}M{low:.2f} {_LINE:g}H{high:.2f}M{high:.2f} {_LINE - 6:g}V{_LINE + 6:g}"
    )
    return element("path", d=path, class_=f"interval {'violated' if dots.outcome is Outcome.VIOLATED else 'window'}")


def _shift(dots: Dots, scale: NumberScale) -> Markup:
    if dots.baseline is None or dots.window is None:
        return Markup("")
    start, end = scale.at(dots.baseline), scale.at(dots.window)
    if abs(end - start) < 16:
        return Markup("")
    kind = "violated" if dots.outcome is Outcome.VIOLATED else "window"
    way = 1 if end > start else -1
    return element("line", x1=start + way * 6.5, x2=end - way * 5, y1=_LINE, y2=_LINE, class_=f"shift {kind}")


def described(dots: Dots) -> str:
    """Return in a sentence what the plot shows."""
    parts = [
        "no baseline value" if dots.baseline is None else f"baseline {number_text(dots.baseline)}",
        "no window value" if dots.window is None else f"window {number_text(dots.window)}",
    ]
    if dots.interval is not None:
        parts.append(f"interval {number_text(dots.interval[0])} to {number_text(dots.interval[1])}")
    if dots.allowed is not None:
        parts.append(f"allowed {number_text(dots.allowed[0])} to {number_text(dots.allowed[1])}")
    if dots.neutral is not None:
        parts.append(f"no bias at {number_text(dots.neutral)}")
    if dots.outcome is not None:
        parts.append(dots.outcome.replace("_", " "))
    return ", ".join(parts)
