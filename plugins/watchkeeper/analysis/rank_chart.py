"""Ranks before and after as a slope chart: which features moved past which."""

from collections.abc import Sequence

from watchkeeper.analysis.attribution_drift import FeatureDrift
from watchkeeper.analysis.dot_chart import svg
from watchkeeper.analysis.html_element import Markup, element

_WIDTH, _STEP, _TOP = 380, 24, 14
_LEFT, _RIGHT = 150, 230
_NAME_LENGTH = 18


def rank_chart(drifts: Sequence[FeatureDrift], shown: int, title: str, description: str, identity: str) -> Markup:
    """Return the chart of the first ``shown`` features of both sides; what leaves them runs out at the foot.

    Features of equal rank stand below each other, in the order given.
    """
    before = _places([each.rank_before for each in drifts], shown)
    after = _places([each.rank_after for each in drifts], shown)
    lines, names, height = [], [], shown
    for each, left, right in zip(drifts, before, after, strict=True):
        if min(left, right) >= shown:
            continue
        tone = _tone(each)
        path = f"M{_LEFT + 6} {_y(left)}C{_LEFT + 40} {_y(left)} {_RIGHT - 40} {_y(right)} "
        lines.append((tone != "slope", element("path", d=f"{path}{_RIGHT - 6} {_y(right)}", class_=tone)))
        height = max(height, left + 1, right + 1)
        if left < shown:
            names.append(_name(f"{_short(each.feature)}  {each.rank_before}", _LEFT, left, "end"))
        if right < shown:
            names.append(_name(f"{each.rank_after}  {_short(each.feature)}", _RIGHT, right, "start"))
    # Those that moved lie on top.
    slopes = [line for _, line in sorted(lines, key=lambda entry: entry[0])]
    size = _TOP + (height - 1) * _STEP + _TOP
    return svg(_WIDTH, size, *slopes, *names, title=title, description=description, identity=identity)


def _places(ranks: Sequence[int | None], shown: int) -> list[int]:
    """Return each feature's place from 0, ``shown`` for one that is not among them."""
    order = sorted((rank, feature) for feature, rank in enumerate(ranks) if rank is not None)
    places = [shown] * len(ranks)
    for place, (_, feature) in enumerate(order[:shown]):
        places[feature] = place
    return places


def _tone(each: FeatureDrift) -> str:
    if each.rank_before == each.rank_after:
        return "slope"
    return "slope top" if 1 in {each.rank_before, each.rank_after} else "slope moved"


def _y(place: int) -> int:
    return _TOP + place * _STEP


def _short(feature: str) -> str:
    return feature if len(feature) <= _NAME_LENGTH else f"{feature[: _NAME_LENGTH - 1]}…"


def _name(text: str, x: float, place: int, anchor: str) -> Markup:
    return element("text", text, x=x, y=_y(place) + 4.5, text_anchor=anchor, class_="name")
