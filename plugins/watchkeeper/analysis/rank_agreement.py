"""How well one ranking of features agrees with another: NDCG, as Clarify takes it from scikit-learn."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ndcg(baseline: Floats, live: Floats) -> float | None:
    """Return the normalised discounted cumulative gain of ranking features by ``live``, gains being ``baseline``.

    DCG = Σ gain(feature at place i) / log2(i + 1), places from 1; NDCG is DCG divided by that of the baseline's own
    order, so 1 where the order is the same. Features of equal live value share the mean of their gains. This is
    `sklearn.metrics.ndcg_score` with the baseline as truth.

    Attributions may be negative where they are medians; scikit-learn refuses those. A feature drives a model by how far
    it moves the answer, whichever way: gains and ranks are those of absolute values. ``None`` where either side is all
    zero, which ranks nothing.
    """
    return ndcg_of_each(baseline, live[None])[0]


def ndcg_of_each(baseline: Floats, live: Floats) -> list[float | None]:
    """Return the NDCG of each row of ``live`` (rankings × features), as `ndcg` defines it."""
    gains = np.abs(baseline)
    discounts = 1.0 / np.log2(np.arange(len(gains)) + 2.0)
    ideal = float(np.sort(gains)[::-1] @ discounts)
    return [_gain(gains, scores, discounts) / ideal if ideal > 0 and scores.any() else None for scores in np.abs(live)]


def _gain(gains: Floats, scores: Floats, discounts: Floats) -> float:
    _, group, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    means = np.bincount(group.ravel(), gains) / sizes
    places = np.concatenate([[0.0], np.cumsum(discounts)])
    ends = np.cumsum(sizes)
    return float(means @ (places[ends] - places[ends - sizes]))
