import math
import re

import pytest

from watchkeeper.analysis.dot_chart import Dots, described, dot_chart
from watchkeeper.analysis.finding import Outcome


def chart(dots: Dots) -> str:
    return dot_chart(dots, "DPL", described(dots), "p")


def test_what_is_there_is_drawn_and_nothing_else() -> None:
    bare = chart(Dots(None, 0.2, None))
    assert bare.count('class="mark window"') == 1
    assert not any(kind in bare for kind in ("mark baseline", "interval", "allowed", "neutral", "shift"))
    full = chart(Dots(0.1, 0.4, 0.0, (0.3, 0.5), (-0.1, 0.1), Outcome.VIOLATED))
    assert all(f'class="{kind}"' in full for kind in ("mark baseline", "mark violated", "allowed", "neutral"))
    assert all(f'class="{kind} violated"' in full for kind in ("interval", "shift"))


def test_a_violation_differs_in_shape_not_only_in_colour() -> None:
    satisfied = chart(Dots(0.1, 0.4, outcome=Outcome.SATISFIED))
    violated = chart(Dots(0.1, 0.4, outcome=Outcome.VIOLATED))
    assert re.search(r'<circle [^>]*class="mark window"', satisfied)
    assert re.search(r'<polygon [^>]*class="mark violated"', violated)


@pytest.mark.parametrize(("value", "way"), [(math.inf, 1), (-math.inf, -1)])
def test_an_infinite_value_points_out_of_the_plot(value: float, way: int) -> None:
    dots = Dots(0.5, value, outcome=Outcome.VIOLATED)
    (points,) = re.findall(r'points="([^"]*)" class="mark violated"', chart(dots))
    corners = [float(pair.split(",")[0]) for pair in points.split()]
    assert (corners[1] - corners[0]) * way > 0
    assert all(0 <= corner <= 300 for corner in corners)


def test_a_far_bound_does_not_press_the_values_together() -> None:
    near = chart(Dots(0.18, 0.12, 1.0))
    far = chart(Dots(0.18, 0.12, 1.0, allowed=(0.18, 1 / 0.18)))
    ring = r'<circle cx="([\d.]+)"[^>]*class="mark baseline"'
    assert re.findall(ring, far) == re.findall(ring, near)
    assert 'class="allowed"' in far


def test_all_equal_values_have_a_plot_too() -> None:
    assert "nan" not in chart(Dots(0.0, 0.0, 0.0, (0.0, 0.0), (0.0, 0.0), Outcome.SATISFIED))


def test_the_description_tells_all_that_is_drawn() -> None:
    dots = Dots(0.25, -math.inf, 0.0, (-1.0, 2.0), (-0.25, 0.25), Outcome.VIOLATED)
    assert described(dots) == (
        "baseline 0.2500, window −∞, interval −1 to 2, allowed −0.2500 to 0.2500, no bias at 0, violated"
    )
    assert described(Dots(None, None, None)) == "no baseline value, no window value"
