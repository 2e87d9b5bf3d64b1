"""The sketch against a plain one, written value by value from deequ's rules, and against true ranks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import few
from watchkeeper.analysis.quantile_sketch import QuantileSketch, QuantileSketchBuilder, _capacity


class PlainSketch:
    """deequ's ``QuantileNonSample``, slowly."""

    def __init__(self) -> None:
        self.levels: list[list[float]] = [[]]
        self.compactions = [0]
        self.offsets = [0]

    @staticmethod
    def capacity(level: int) -> int:
        return 2 * (math.ceil(2048 * 0.64**level / 2) + 1)

    def total(self) -> int:
        return sum(self.capacity(level) for level in range(len(self.levels)))

    def size(self) -> int:
        return sum(map(len, self.levels))

    def add(self, value: float) -> None:
        self.levels[0].append(value)
        if self.size() > self.total():
            self.condense()

    def grow(self) -> None:
        self.levels.append([])
        self.compactions.append(0)
        self.offsets.append(0)

    def condense(self) -> None:
        level = next(h for h, items in enumerate(self.levels) if len(items) >= self.capacity(h))
        if level == len(self.levels) - 1:
            self.grow()
        items = self.levels[level]
        rest = [items.pop()] if len(items) % 2 else []
        if self.compactions[level] % 2:
            self.offsets[level] = 1 - self.offsets[level]
        self.compactions[level] += 1
        self.levels[level + 1] += sorted(items)[self.offsets[level] :: 2]
        self.levels[level] = rest

    def merge(self, other: "PlainSketch") -> None:
        while len(self.levels) < len(other.levels):
            self.grow()
        for level, items in enumerate(other.levels):
            self.levels[level] += items
        while self.size() >= self.total():
            self.condense()


def sketch(values: np.ndarray, pieces: int = 1) -> QuantileSketch:
    builder = QuantileSketchBuilder()
    for part in np.array_split(values, pieces):
        builder.update(part)
    made = builder.freeze()
    assert made is not None
    return made


def plain(values: np.ndarray) -> PlainSketch:
    made = PlainSketch()
    for value in values.tolist():
        made.add(value)
    return made


def assert_same(found: QuantileSketch, expected: PlainSketch) -> None:
    assert [level.tolist() for level in found.levels] == expected.levels
    assert list(found.compactions) == expected.compactions
    assert list(found.offsets) == expected.offsets


def random_values(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.choice([rng.normal(size=count), rng.integers(0, 9, count).astype(np.float64)])


def test_capacities_are_deequs() -> None:
    assert [_capacity(level) for level in range(4)] == [2050, 1314, 842, 540]
    assert _capacity(30) == 4


def test_nothing_is_compacted_up_to_the_capacity_and_once_beyond_it() -> None:
    values = np.arange(2051.0)[::-1].copy()
    assert [len(level) for level in sketch(values[:2050]).levels] == [2050]
    beyond = sketch(values)
    assert [len(level) for level in beyond.levels] == [1, 1025]
    # 2051 items: the last one stays, of the others every second of the sorted ones goes up, from the first on.
    assert beyond.levels[0].tolist() == [0.0]
    assert beyond.levels[1].tolist() == [float(value) for value in range(1, 2051, 2)]
    assert beyond.weight == 2051


@few
@given(st.integers(1, 12_000), st.integers(0, 10**6), st.integers(1, 40))
def test_a_stream_in_any_pieces_is_deequs_sketch(count: int, seed: int, pieces: int) -> None:
    values = random_values(count, seed)
    assert_same(sketch(values, pieces), plain(values))


@few
@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(0, 10**6))
def test_a_merge_is_deequs_and_can_go_on(left: int, right: int, seed: int) -> None:
    values = random_values(left + right, seed)
    merged = sketch(values[:left]).merge(sketch(values[left:]))
    expected, other = plain(values[:left]), plain(values[left:])
    expected.merge(other)
    assert_same(merged, expected)
    more = random_values(700, seed + 1)
    builder = QuantileSketchBuilder(merged)
    builder.update(more)
    for value in more.tolist():
        expected.add(value)
    continued = builder.freeze()
    assert continued is not None
    assert_same(continued, expected)


def test_merging_leaves_both_sides_as_they_were() -> None:
    left, right = sketch(random_values(5000, 1)), sketch(random_values(5000, 2))
    before = [level.copy() for level in left.levels], [level.copy() for level in right.levels]
    left.merge(right)
    for levels, kept in zip((left.levels, right.levels), before, strict=True):
        assert all(np.array_equal(level, copy) for level, copy in zip(levels, kept, strict=True))


@pytest.mark.parametrize("hours", [1, 24])
def test_ranks_stay_within_the_sketchs_error(hours: int) -> None:
    values = np.random.default_rng(9).gamma(2.0, size=120_000)
    parts = [sketch(part) for part in np.array_split(values, hours)]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    items, weights = merged.weighted_items()
    assert merged.weight == pytest.approx(len(values), rel=0.01)
    shares = np.cumsum(weights) / merged.weight
    true = np.searchsorted(np.sort(values), items, side="right") / len(values)
    # About 1 % at k = 2048 for one pass; a fold of 24 parts may double it.
    assert np.abs(shares - true).max() < 0.02


def test_buckets_share_the_range_and_hold_every_item() -> None:
    buckets = sketch(np.array([0.0, 0.0, 1.0, 5.0, 10.0])).buckets(0.0, 10.0)
    assert [lower for lower, _, _ in buckets] == [float(edge) for edge in range(10)]
    assert [count for _, _, count in buckets] == [2.0, 1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0]


def test_a_constant_column_lies_in_the_last_bucket() -> None:
    buckets = sketch(np.array([7.0] * 4)).buckets(7.0, 7.0)
    assert len(buckets) == 10
    assert [count for _, _, count in buckets] == [0.0] * 9 + [4.0]


def test_an_infinite_range_has_no_buckets() -> None:
    assert sketch(np.array([1.0, math.inf])).buckets(1.0, math.inf) == []
    assert sketch(np.array([-1e308, 1e308])).buckets(-1e308, 1e308) == []


def test_no_value_is_none() -> None:
    builder = QuantileSketchBuilder()
    builder.update(np.empty(0))
    assert builder.freeze() is None
