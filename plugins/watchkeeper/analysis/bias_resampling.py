"""How far a bias metric would move on other rows: from the counts alone, reproducible, without the rows.

Counts are resampled as rows drawn with replacement would be; a kind of row that happened not to occur counts as half a
row, for it may well occur in the next window. Random numbers are seeded from the counts: equal counts give equal
intervals, anywhere and at any time.
"""

import hashlib

import numpy as np

from watchkeeper.analysis.bias_metrics import CONDITIONAL, FORMULAS, PRE_TRAINING, Floats, conditional_disparity
from watchkeeper.analysis.bias_report import outcome_axis
from watchkeeper.analysis.facet_group import FacetGroup
from watchkeeper.analysis.flip_test import flip_test
from watchkeeper.analysis.metric_resampling import Interval

REPLICATES = 2000
_FEWEST_REPLICATES = 200
_DRAWS = 4_000_000
_EMPTY_CELL = 0.5
_MAJORITY_SLOPE = 15 / 8
_UNSIGNED = ("JS", "KL", "KS", "LP", "TVD")


def bias_interval(group: FacetGroup, metric: str, confidence: float) -> Interval | None:
    """Return the percentile bootstrap interval of a group's metric, ``None`` where most resamples do not define it.

    Distances of two distributions cannot fall below 0, so chance alone keeps them away from it: each resample takes the
    sign of its difference of positive proportions (DPL), and the interval reaches over 0 where chance explains the
    distance.
    """
    samples = _samples(group, metric)
    if samples is None:
        return None
    defined = samples[~np.isnan(samples)]
    if len(defined) * 2 < len(samples):
        return None
    edge = (1 - confidence) / 2
    # Interpolation between two infinities, or from one, would be undefined.
    lower = np.quantile(defined, edge, method="lower")
    upper = np.quantile(defined, 1 - edge, method="higher")
    return Interval(float(lower), float(upper))


def _samples(group: FacetGroup, metric: str) -> Floats | None:
    if metric in CONDITIONAL:
        if isinstance(group.by_group, str):
            return None
        over = outcome_axis(metric)
        drawn = _drawn(group.by_group.sum(axis=over), smooth=False)
        return conditional_disparity(drawn, drawn.sum(axis=-3))
    if metric == "FT":
        return _flip_samples(group)
    cells = _drawn(group.cells) if metric not in PRE_TRAINING else _drawn(group.cells.sum(axis=-1))[..., None]
    values = FORMULAS[metric](cells)
    return values * np.sign(FORMULAS["DPL"](cells)) if metric in _UNSIGNED else values


def _flip_samples(group: FacetGroup) -> Floats | None:
    """Resample the facet's flips, and move each by what other neighbours would have answered.

    Of five neighbours the majority counts: its share moves at most 15/8 times as far as the share of positives does.
    """
    if isinstance(group.flips, str):
        return None
    others = group.cells[0].sum(axis=0)
    drawn = _drawn(others, smooth=False)
    moved = drawn[:, 1] / drawn.sum(axis=-1) - others[1] / others.sum()
    samples: Floats = flip_test(_drawn(group.flips.cells)) - _MAJORITY_SLOPE * moved
    return samples.clip(-1.0, 1.0)


def _drawn(counts: Floats, *, smooth: bool = True) -> Floats:
    """Return resamples of counts, along a new first axis."""
    seed = hashlib.sha256(counts.astype("<f8").tobytes()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:16], "big"))
    flat = np.maximum(counts.ravel(), _EMPTY_CELL if smooth else 0.0)
    replicates = int(np.clip(_DRAWS // len(flat), _FEWEST_REPLICATES, REPLICATES))
    drawn = rng.multinomial(round(float(counts.sum())), flat / flat.sum(), replicates)
    return drawn.reshape(replicates, *counts.shape).astype(np.float64)
