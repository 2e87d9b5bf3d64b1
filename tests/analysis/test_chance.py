import time

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import quick
from watchkeeper.analysis.chance import SIGNIFICANCE, chance_of_misses


@quick
@given(st.integers(1, 3000), st.integers(1, 3000), st.data())
def test_it_is_the_upper_tail_of_the_hypergeometric_distribution(
    window: int, baseline: int, data: st.DataObject
) -> None:
    window_misses = data.draw(st.integers(0, window))
    baseline_misses = data.draw(st.integers(0, baseline))
    truth = scipy.stats.hypergeom(window + baseline, window_misses + baseline_misses, window).sf(window_misses - 1)
    found = chance_of_misses(window_misses, window, baseline_misses, baseline)
    assert found == pytest.approx(truth, rel=1e-6, abs=1e-250)
    assert 0 <= found <= 1


def test_more_misses_are_less_likely() -> None:
    chances = [chance_of_misses(misses, 100, 5, 1000) for misses in range(20)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == 1.0


def test_one_odd_row_is_chance_and_a_column_of_them_is_not() -> None:
    assert chance_of_misses(1, 288, 0, 2333) > SIGNIFICANCE
    assert chance_of_misses(288, 288, 0, 2333) < SIGNIFICANCE
    assert chance_of_misses(3, 30, 0, 100_000) < SIGNIFICANCE


@pytest.mark.parametrize(
    ("misses", "size", "before", "baseline"),
    [(500_000, 1_000_000, 100_000, 1_000_000), (10**6, 10**6, 0, 10**6), (500_500, 10**6, 500_000, 10**6)],
)
def test_millions_of_rows_take_no_time(misses: int, size: int, before: int, baseline: int) -> None:
    started = time.process_time()
    assert 0 <= chance_of_misses(misses, size, before, baseline) <= 1
    assert time.process_time() - started < 0.5
