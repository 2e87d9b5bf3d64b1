"""Ranks before and after as a slope chart: which features moved past which."""

from collections.abc import Sequence
from dataclasses import dataclass

from watchkeeper.analysis.dot_chart import svg
from watchkeeper.analysis.html_element import Markup, element

_WIDTH, _STEP, _TOP = 380, 24, 14
_LEFT, _RIGHT = 150, 230
_NAME_LENGTH = 18


@dataclass(frozen=True)
class RankShift:
    """A feature's rank at the baseline and in the window, from 1; ``None`` where it is not there."""

    feature: str
    before: int | None
    after: int | None


def rank_chart(shifts: Sequence[RankShift], shown: int, title: str, description: str, identity: str) -> Markup:
    """Return the chart of the first ``shown`` ranks of both sides; a feature that leaves them runs out at the foot."""
    beyond = shown + 1
    kept = [shift for shift in shifts if min(shift.before or beyond, shift.after or beyond) <= shown]
    marks = []
    for shift in sorted(kept, key=lambda shift: _tone(shift) != "slope"):
        before, after = min(shift.before or beyond, beyond), min(shift.after or beyond, beyond)
        path = f"M{_LEFT + 6} {_y(before)}C{_LEFT + 40} {_y(before)} {_RIGHT - 40} {_y(after)} {_RIGHT - 6} {_y(after)}"
        marks.append(element("path", d=path, class_=_tone(shift)))
    for shift in kept:
        if shift.before is not None and shift.before <= shown:
            marks.append(_name(shift.before, shift.feature, _LEFT, "end"))
        if shift.after is not None and shift.after <= shown:
            marks.append(_name(shift.after, shift.feature, _RIGHT, "start"))
    height = _y(beyond if any(_leaves(shift, shown) for shift in kept) else shown) + _TOP
    return svg(_WIDTH, height, *marks, title=title, description=description, identity=identity)


def _leaves(shift: RankShift, shown: int) -> bool:
    return max(shift.before or shown + 1, shift.after or shown + 1) > shown


def _tone(shift: RankShift) -> str:
    if shift.before == shift.after:
        return "slope"
    return "slope top" if 1 in {shift.before, shift.after} else "slope moved"


def _y(rank: int) -> int:
    return _TOP + (rank - 1) * _STEP


def _name(rank: int, feature: str, x: float, anchor: str) -> Markup:
    name = feature if len(feature) <= _NAME_LENGTH else f"{feature[: _NAME_LENGTH - 1]}…"
    text = f"{name}  {rank}" if anchor == "end" else f"{rank}  {name}"
    weight = "name first" if rank == 1 else "name"
    return element("text", text, x=x, y=_y(rank) + 4.5, text_anchor=anchor, class_=weight)
