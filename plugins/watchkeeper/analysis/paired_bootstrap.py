"""How far the difference of two models' metrics would move on other rows: both see the same resamples.

Past some thousand rows, resampled are groups of rows drawn together once at random: as many groups as it takes to know
the spread within some 2 %.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.metric_sums import LESS_IS_BETTER, RowSums

Floats = NDArray[np.float64]

REPLICATES = 2000
GROUPS = 2000
SCORE_BINS = 512


@dataclass(frozen=True)
class PairedModels:
    """Two models' sums over the same rows. ``rough`` ones, of joined scores, are resampled in their place."""

    champion: RowSums
    challenger: RowSums
    rough_champion: RowSums | None = None
    rough_challenger: RowSums | None = None


@dataclass(frozen=True)
class Improvement:
    """By how much the challenger is better, and the interval that the truth lies in with the confidence asked for.

    ``lower`` and ``upper`` are ``None`` where most resamples leave the metric undefined.
    """

    champion: float | None
    challenger: float | None
    value: float | None
    lower: float | None = None
    upper: float | None = None


def improvement_interval(
    models: PairedModels, metric: str, rows: int, confidence: float, *, seed: int, groups: int = GROUPS
) -> Improvement:
    """Return the improvement of ``metric`` with its percentile interval, reproducible by ``seed``."""
    sign = -1.0 if metric in LESS_IS_BETTER else 1.0
    champion, challenger = models.champion.whole()[metric], models.challenger.whole()[metric]
    if not (math.isfinite(champion) and math.isfinite(challenger)):
        return Improvement(_defined(champion), _defined(challenger), None)
    value = sign * (challenger - champion)
    first, second = models.rough_champion or models.champion, models.rough_challenger or models.challenger
    drawn = sign * _differences(first, second, metric, rows, groups, np.random.default_rng(seed))
    if models.rough_champion is not None and models.rough_challenger is not None:
        # Joining scores moves an area a little, and in every resample by about the same.
        drawn += value - sign * (second.whole()[metric] - first.whole()[metric])
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) * 2 < REPLICATES:
        return Improvement(champion, challenger, value)
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(drawn, (tail, 1 - tail))
    return Improvement(champion, challenger, value, float(lower), float(upper))


def _differences(
    champion: RowSums, challenger: RowSums, metric: str, rows: int, groups: int, rng: np.random.Generator
) -> Floats:
    count = min(rows, groups)
    member = rng.permutation(rows) % count
    weights = _weights(rng, count)
    measured = []
    for model in (champion, challenger):
        sums = model.grouped(member, count)
        measured.append(model.metrics(weights.astype(sums.dtype) @ sums)[metric])
    return measured[1] - measured[0]


def _weights(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Return how often each group is drawn, one resample a row."""
    drawn = rng.integers(0, count, (REPLICATES, count)) + np.arange(REPLICATES)[:, None] * count
    return np.bincount(drawn.ravel(), minlength=REPLICATES * count).reshape(REPLICATES, count)


def _defined(value: float) -> float | None:
    return value if math.isfinite(value) else None
