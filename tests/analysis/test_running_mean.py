"""Three ways to the mean after each value: whatever is chosen, the bits are those of the loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import few
from watchkeeper.analysis.running_mean import (
    FIRST_PIECE,
    MeanFollower,
    _means_by_loop,
    _means_by_substitution,
    _solver_is_exact,
)

finite = st.floats(allow_nan=False, allow_infinity=False)


def assert_follows(values: np.ndarray, count: int, mean: float) -> None:
    with np.errstate(all="ignore"):
        means = _means_by_loop(values, count, mean)
        before = np.concatenate(([mean], means[:-1]))
        numbers = np.arange(count + 1, count + len(values) + 1, dtype=np.float64)
        totals = mean * count + np.cumsum(values)
        # The totals are a first guess only: a wrong one costs time, never a bit.
        for guess in (totals, totals * (1 + 1e-9), np.zeros_like(totals), np.full_like(totals, np.nan)):
            last, deviations, steps = MeanFollower().follow(values, guess, count, mean)
            assert np.array_equal([last], means[-1:], equal_nan=True)
            assert np.array_equal(deviations, values - before, equal_nan=True)
            assert np.array_equal(steps, (values - before) / numbers, equal_nan=True)


@pytest.mark.skipif(not _solver_is_exact(), reason="this machine's BLAS rounds otherwise, and is not used")
@few
@given(
    st.lists(st.one_of(finite, st.integers(-3, 3).map(float)), min_size=1, max_size=300),
    st.integers(0, 10**9),
    st.one_of(finite, st.just(0.0)),
)
def test_the_solver_rounds_as_the_loop(values: list[float], count: int, mean: float) -> None:
    array = np.array(values, np.float64)
    start = 0.0 if count == 0 else mean
    with np.errstate(all="ignore"):
        quickly, slowly = _means_by_substitution(array, count, start), _means_by_loop(array, count, start)
    assert np.array_equal(quickly, slowly, equal_nan=True)


@few
@given(
    st.lists(st.one_of(finite, st.integers(-3, 3).map(float)), min_size=1, max_size=300),
    st.integers(0, 10**9),
    finite,
)
def test_any_numbers_are_followed_exactly(values: list[float], count: int, mean: float) -> None:
    assert_follows(np.array(values, np.float64), count, mean if count else 0.0)


STREAMS = {
    "normal": lambda rng, size: rng.normal(50.0, 3.0, size),
    "about zero": lambda rng, size: rng.normal(0.0, 1.0, size),
    "about a power of two": lambda rng, size: rng.normal(1.0, 1e-3, size),
    "ones and zeros": lambda rng, size: rng.integers(0, 2, size).astype(np.float64),
    "constant": lambda rng, size: np.full(size, 0.1),
    "huge and tiny": lambda rng, size: rng.normal(size=size) * 10.0 ** rng.integers(-300, 300, size),
    "prices": lambda rng, size: np.round(rng.lognormal(3.0, 2.0, size), 2),
    "subnormal": lambda rng, size: rng.integers(0, 9, size) * 5e-324,
    "overflowing": lambda rng, size: rng.choice([1.7e308, -1.7e308], size),
    "with an infinity": lambda rng, size: np.where(np.arange(size) == size // 2, np.inf, rng.normal(size=size)),
}


@pytest.mark.parametrize("count", [0, FIRST_PIECE - 1, FIRST_PIECE, 40_000])
@pytest.mark.parametrize("stream", STREAMS)
def test_streams_of_all_kinds_are_followed_exactly(stream: str, count: int) -> None:
    rng = np.random.default_rng(count + len(stream))
    start = 0.0 if not count else float(STREAMS[stream](rng, 10)[0])
    assert_follows(np.asarray(STREAMS[stream](rng, 6000), np.float64), count, start)
