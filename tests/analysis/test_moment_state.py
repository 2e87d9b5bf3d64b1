import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import quick
from watchkeeper.analysis.moment_state import MomentBuilder, MomentState

finite = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-1e9, 1e9, allow_subnormal=False)


def moments(values: list[float], *cuts: int) -> MomentState:
    builder = MomentBuilder()
    for part in np.split(np.array(values, np.float64), sorted(cuts)):
        builder.update(part)
    state = builder.freeze()
    assert state is not None
    return state


def by_the_book(values: list[float]) -> tuple[float, float, float]:
    """Sum, mean and second moment as Spark's formula gives them, value by value."""
    total, mean, second = 0.0, 0.0, 0.0
    for count, value in enumerate(values, 1):
        total += value
        delta = value - mean
        step = delta / count
        mean += step
        second += delta * (delta - step)
    return total, mean, second


@quick
@given(st.lists(finite, min_size=1, max_size=60), st.data())
def test_one_pass_in_any_pieces_is_the_formula_bit_for_bit(values: list[float], data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=4))
    state = moments(values, *cuts)
    found = (state.total, state.mean, state.second_moment)
    assert np.array_equal(found, by_the_book(values), equal_nan=True)
    assert (state.count, state.minimum, state.maximum) == (len(values), min(values), max(values))


@quick
@given(st.lists(moderate, min_size=2, max_size=60), st.data())
def test_any_split_merges_to_the_whole(values: list[float], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(values) - 1))
    merged, whole = moments(values[:cut]).merge(moments(values[cut:])), moments(values)
    size = math.fsum(map(abs, values)) + 1e-300
    squares = math.fsum(value * value for value in values) + 1e-300
    assert (merged.count, merged.minimum, merged.maximum) == (whole.count, whole.minimum, whole.maximum)
    assert merged.total == pytest.approx(whole.total, rel=0, abs=1e-12 * size)
    assert merged.mean == pytest.approx(whole.mean, rel=0, abs=1e-12 * size)
    assert merged.second_moment == pytest.approx(whole.second_moment, rel=0, abs=1e-12 * squares)


def test_large_splits_merge_to_twelve_digits() -> None:
    values = np.random.default_rng(3).normal(40.0, 7.0, 50_000)
    parts = [moments(part.tolist()) for part in np.array_split(values, 24)]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    whole = moments(values.tolist())
    for field in ("total", "mean", "second_moment", "standard_deviation"):
        assert getattr(merged, field) == pytest.approx(getattr(whole, field), rel=1e-12)
    assert merged.standard_deviation == pytest.approx(float(np.std(values)), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e15, 1e150])
def test_a_long_stream_is_the_formula_bit_for_bit(scale: float) -> None:
    rng = np.random.default_rng(11)
    values = rng.normal(1.0, 3.0, 30_000) * scale
    values[rng.integers(0, 30_000, 3000)] = 0.0
    state = moments(values.tolist(), 5, 10_000, 25_000)
    assert (state.total, state.mean, state.second_moment) == by_the_book(values.tolist())


def test_infinities_are_values() -> None:
    state = moments([1.0, math.inf, 2.0])
    assert (state.total, state.minimum, state.maximum) == (math.inf, 1.0, math.inf)
    assert math.isnan(state.standard_deviation)


def test_no_value_is_none_and_not_zero() -> None:
    builder = MomentBuilder()
    builder.update(np.empty(0))
    assert builder.freeze() is None
