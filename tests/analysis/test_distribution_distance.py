"""Distances against deequ's own unit values, true distributions and scipy."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.analysis.strategies import quick
from watchkeeper.analysis.distribution_distance import categorical_distance, chi_square, numerical_distance
from watchkeeper.analysis.quantile_sketch import QuantileSketch, QuantileSketchBuilder


def sketch(values) -> QuantileSketch:
    builder = QuantileSketchBuilder()
    builder.update(np.array(values, np.float64))
    made = builder.freeze()
    assert made is not None
    return made


small = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=40)


@quick
@given(small, small)
def test_the_exact_distance_is_that_of_kolmogorov_and_smirnov(left: list[float], right: list[float]) -> None:
    found = numerical_distance(sketch(left), sketch(right))
    points = sorted({*left, *right})
    shares = [[sum(value <= point for value in side) / len(side) for point in points] for side in (left, right)]
    assert found.simple == pytest.approx(max(abs(one - two) for one, two in zip(*shares, strict=True)), abs=1e-12)
    assert (found.baseline_size, found.window_size) == (len(left), len(right))


@quick
@given(small, small)
def test_distances_are_symmetric_bounded_and_zero_for_the_same(left: list[float], right: list[float]) -> None:
    for collapsed in (False, True):
        there = numerical_distance(sketch(left), sketch(right), collapsed=collapsed)
        back = numerical_distance(sketch(right), sketch(left), collapsed=collapsed)
        assert there.simple == pytest.approx(back.simple, abs=1e-15)
        assert 0 <= there.robust <= there.simple <= 1
        assert numerical_distance(sketch(left), sketch(left), collapsed=collapsed).simple == 0


def test_the_collapsed_distance_is_blind_to_repeats() -> None:
    before, after = sketch([0.0] * 90 + [1.0] * 10), sketch([0.0] * 10 + [1.0] * 90)
    blind = numerical_distance(before, after, collapsed=True)
    assert (blind.simple, blind.baseline_size, blind.window_size) == (0.0, 2, 2)
    assert numerical_distance(before, after).simple == pytest.approx(0.8)


def test_a_collapsed_value_has_the_weight_of_its_highest_level() -> None:
    two_levels = QuantileSketch((np.array([1.0, 2.0]), np.array([1.0, 1.0])), (1, 0), (0, 0))
    found = numerical_distance(two_levels, sketch([1.0, 2.0]), collapsed=True)
    # Of the value 1 only one item counts, of weight 2: 2/3 against 1/2.
    assert (found.baseline_size, found.window_size) == (3, 2)
    assert found.simple == pytest.approx(2 / 3 - 1 / 2)


def test_continuous_columns_are_alike_in_both_readings() -> None:
    rng = np.random.default_rng(4)
    before, after = rng.uniform(0, 1, 1000), rng.uniform(0.2, 1.2, 1000)
    found = [numerical_distance(sketch(before), sketch(after), collapsed=c) for c in (False, True)]
    assert found[0] == found[1]
    assert found[0].simple == pytest.approx(0.2, abs=0.05)
    assert found[0].robust == pytest.approx(found[0].simple - 1.8 * math.sqrt(2000 / 1e6))


def test_categorical_distance_has_deequs_unit_values() -> None:
    found = categorical_distance(
        {"a": 10, "b": 20, "c": 25, "d": 10, "e": 5}, {"a": 11, "b": 20, "c": 25, "d": 10, "e": 10}
    )
    assert found.simple == pytest.approx(0.06015037593984962, rel=1e-15)
    assert found.robust == 0.0
    assert categorical_distance({"a": 1000}, {"b": 1000}).simple == 1.0
    assert categorical_distance({"a": 1000}, {"b": 1000}).robust == pytest.approx(1 - 1.8 * math.sqrt(0.002))


counts = st.lists(st.integers(20, 500), min_size=3, max_size=8)


@quick
@given(counts, st.data())
def test_chi_square_is_scipys_where_nothing_is_regrouped(expected: list[int], data: st.DataObject) -> None:
    observed = data.draw(st.lists(st.integers(100, 500), min_size=len(expected), max_size=len(expected)))
    names = [f"c{i}" for i in range(len(expected))]
    scaled = np.array(expected) * (sum(observed) / sum(expected))
    assume(scaled.min() >= 5)
    found = chi_square(dict(zip(names, expected, strict=True)), dict(zip(names, observed, strict=True)))
    truth = scipy.stats.chisquare(observed, scaled)
    assert found.statistic == pytest.approx(truth.statistic, rel=1e-9, abs=1e-9)
    assert found.p_value == pytest.approx(truth.pvalue, rel=1e-7, abs=1e-300)


def test_chi_square_joins_the_smallest_categories() -> None:
    baseline, window = {"a": 100, "b": 80, "c": 3, "d": 2}, {"a": 90, "b": 85, "c": 6, "d": 4}
    # Two of four expect fewer than 5, which is more than a fifth: d joins c, which then is large enough.
    assert chi_square(baseline, window) == chi_square({"a": 100, "b": 80, "cd": 5}, {"a": 90, "b": 85, "cd": 10})


def test_chi_square_tolerates_a_fifth_of_small_categories() -> None:
    baseline = {"a": 100, "b": 100, "c": 100, "d": 100, "e": 4}
    window = {"a": 95, "b": 105, "c": 100, "d": 100, "e": 4}
    truth = scipy.stats.chisquare(list(window.values()), list(baseline.values()))
    assert chi_square(baseline, window).p_value == pytest.approx(truth.pvalue, rel=1e-9)


def test_of_two_categories_each_must_expect_ten() -> None:
    assert math.isnan(chi_square({"a": 100, "b": 9}, {"a": 90, "b": 19}).p_value)
    assert not math.isnan(chi_square({"a": 100, "b": 10}, {"a": 90, "b": 20}).p_value)


def test_new_categories_do_not_count_in_a_chi_square_test() -> None:
    baseline = {"a": 100, "b": 100}
    assert chi_square(baseline, {"a": 50, "b": 50, "new": 900}) == chi_square(baseline, {"a": 50, "b": 50})


@pytest.mark.parametrize(("baseline", "window"), [({"a": 50}, {"a": 50}), ({"a": 50, "b": 50}, {"new": 9})])
def test_too_few_categories_cannot_be_tested(baseline: dict[str, int], window: dict[str, int]) -> None:
    found = chi_square(baseline, window)
    assert math.isnan(found.p_value)
    assert math.isnan(found.statistic)
