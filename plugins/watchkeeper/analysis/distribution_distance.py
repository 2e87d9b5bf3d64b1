"""How far a window's distribution has moved from the baseline's.

Formulas are deequ's (``com.amazon.deequ.analyzers.Distance``), which Model Monitor's drift check is built around.
The ``collapsed`` variant of the numeric distance replays its defect: a value that the sketch holds several times
counts once, so that columns with few distinct values look alike whatever their frequencies.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.quantile_sketch import QuantileSketch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# c(alpha) of the two-sample Kolmogorov-Smirnov test at alpha = 0.003
_ROBUST_FACTOR = 1.8
_MINIMUM_EXPECTED = 5.0
_MINIMUM_EXPECTED_OF_TWO = 10.0
_SHARE_BELOW_MINIMUM = 0.2


@dataclass(frozen=True)
class Distance:
    """An L-infinity distance and the two sample sizes that its correction for chance uses."""

    simple: float
    baseline_size: int
    window_size: int

    @property
    def robust(self) -> float:
        """The distance less what chance alone explains at these sample sizes, at least 0."""
        n, m = self.baseline_size, self.window_size
        return max(0.0, self.simple - _ROBUST_FACTOR * math.sqrt((n + m) / (n * m)))


def numerical_distance(baseline: QuantileSketch, window: QuantileSketch, *, collapsed: bool = False) -> Distance:
    """Return the largest difference between the two cumulative distributions.

    With ``collapsed`` each distinct stored value counts once, with the weight of the highest level that holds it,
    as in deequ; else every stored item counts with its weight.
    """
    items_1, ranks_1 = _ranks(baseline, collapsed=collapsed)
    items_2, ranks_2 = _ranks(window, collapsed=collapsed)
    union = np.union1d(items_1, items_2)
    share_1 = _rank_at(union, items_1, ranks_1) / ranks_1[-1]
    share_2 = _rank_at(union, items_2, ranks_2) / ranks_2[-1]
    return Distance(float(np.abs(share_1 - share_2).max()), int(ranks_1[-1]), int(ranks_2[-1]))


def _ranks(sketch: QuantileSketch, *, collapsed: bool) -> tuple[Floats, Ints]:
    """Return the distinct items in ascending order and the total weight up to and including each."""
    items, weights = sketch.weighted_items()
    starts = np.flatnonzero(np.concatenate(([True], items[1:] != items[:-1])))
    combine = np.maximum if collapsed else np.add
    return items[starts], np.cumsum(combine.reduceat(weights, starts))


def _rank_at(points: Floats, items: Floats, ranks: Ints) -> Ints:
    position = np.searchsorted(items, points, side="right")
    return np.concatenate(([0], ranks))[position]


def categorical_distance(baseline: Mapping[str, int], window: Mapping[str, int]) -> Distance:
    """Return the largest difference between the shares of one category; both mappings hold at least one row."""
    n, m = sum(baseline.values()), sum(window.values())
    shares = (abs(baseline.get(value, 0) / n - window.get(value, 0) / m) for value in baseline.keys() | window.keys())
    return Distance(max(shares), n, m)


@dataclass(frozen=True)
class ChiSquare:
    """Pearson's goodness of fit after regrouping; both are not-a-number when fewer than two categories remain."""

    statistic: float
    p_value: float


def chi_square(baseline: Mapping[str, int], window: Mapping[str, int]) -> ChiSquare:
    """Return how badly the window's counts fit the baseline's shares.

    Expected counts are scaled to the window's rows in the baseline's categories. While too many categories expect
    fewer than 5 rows (of two categories: 10), the smallest is added to the next smallest.
    """
    window_rows = sum(window.get(value, 0) for value in baseline)
    scale = window_rows / sum(baseline.values())
    groups = sorted((count * scale, float(window.get(value, 0))) for value, count in baseline.items())
    while len(groups) > 1 and _too_many_small(groups):
        (expected_1, observed_1), (expected_2, observed_2), *rest = groups
        groups = sorted([(expected_1 + expected_2, observed_1 + observed_2), *rest])
    if len(groups) < 2 or not window_rows:
        return ChiSquare(math.nan, math.nan)
    from scipy.special import gammaincc

    statistic = math.fsum((observed - expected) ** 2 / expected for expected, observed in groups)
    return ChiSquare(statistic, float(gammaincc((len(groups) - 1) / 2, statistic / 2)))


def _too_many_small(groups: list[tuple[float, float]]) -> bool:
    if len(groups) == 2:
        return any(expected < _MINIMUM_EXPECTED_OF_TWO for expected, _ in groups)
    small = sum(expected < _MINIMUM_EXPECTED for expected, _ in groups)
    return small > math.floor(_SHARE_BELOW_MINIMUM * len(groups))
