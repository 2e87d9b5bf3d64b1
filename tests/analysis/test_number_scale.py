import math

import pytest
from hypothesis import given
from hypothesis.strategies import floats, lists

from watchkeeper.analysis.number_scale import scale_around

numbers = floats(-1e9, 1e9)


@given(lists(numbers, max_size=8))
def test_every_value_lies_within_the_plot(values: list[float]) -> None:
    scale = scale_around(values, 10, 310)
    assert all(10 < scale.at(value) < 310 for value in values)
    assert (scale.at(-math.inf), scale.at(math.inf)) == (10, 310)


@given(lists(numbers, min_size=2, max_size=8))
def test_order_is_kept(values: list[float]) -> None:
    scale = scale_around(values, 0, 100)
    places = [scale.at(value) for value in sorted(values)]
    assert places == sorted(places)


@given(lists(numbers, max_size=8))
def test_there_are_a_few_ticks_within_the_scale(values: list[float]) -> None:
    scale = scale_around(values, 0, 100)
    ticks = scale.ticks(4)
    assert 1 <= len(ticks) <= 6
    span = scale.high - scale.low
    assert all(scale.low - span * 1e-6 <= tick <= scale.high + span * 1e-6 for tick in ticks)


def test_ticks_are_round() -> None:
    assert scale_around([-0.28, 0.37], 0, 100).ticks(4) == pytest.approx([-0.2, 0, 0.2, 0.4])


def test_what_is_not_finite_does_not_stretch_the_scale() -> None:
    assert scale_around([0, 1, math.inf, math.nan], 0, 1) == scale_around([0, 1], 0, 1)
