"""ROC and precision-recall curves, and the areas under them, from score counts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.score_counts import ScoreCounts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A document's curve has at most about so many points; areas are computed from all of them.
CURVE_POINTS = 1000


@dataclass(frozen=True)
class ScoreCurves:
    """Both curves, one point per distinct score from the highest down."""

    false_positive_rates: tuple[float, ...]
    true_positive_rates: tuple[float, ...]
    precisions: tuple[float, ...]
    recalls: tuple[float, ...]


def curves_of(counts: ScoreCounts) -> ScoreCurves | None:
    """Return the curves as Spark draws them, or ``None`` when a class is absent: the rates are undefined then.

    The ROC curve begins at (0, 0) and ends at (1, 1); the precision-recall curve begins at recall 0 with the first
    precision. Past `CURVE_POINTS` scores, points are left out evenly.
    """
    if not counts.positives.any() or not counts.negatives.any():
        return None
    false_rates, true_rates = _roc(counts.positives[None], counts.negatives[None])
    recalls, precisions = _precision_recall(counts.positives[None], counts.negatives[None])
    roc, pr = _thinned(false_rates.shape[-1]), _thinned(recalls.shape[-1])
    return ScoreCurves(
        *(tuple(part[0][roc].tolist()) for part in (false_rates, true_rates)),
        *(tuple(part[0][pr].tolist()) for part in (precisions, recalls)),
    )


def score_areas(positives: Ints, negatives: Ints) -> dict[str, Floats]:
    """Return ``auc`` and ``au_prc`` of resamples: the last axis has the counts per score, ascending.

    Not-a-number where a resample holds only one class.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        auc = _area(*_roc(positives, negatives))
        au_prc = _area(*_precision_recall(positives, negatives))
    both = positives.any(axis=-1) & negatives.any(axis=-1)
    return {"auc": np.where(both, auc, np.nan), "au_prc": np.where(positives.any(axis=-1), au_prc, np.nan)}


def _above(counts: Ints) -> Floats:
    return np.cumsum(counts[..., ::-1], axis=-1).astype(np.float64)


def _roc(positives: Ints, negatives: Ints) -> tuple[Floats, Floats]:
    rates = []
    for counts in (negatives, positives):
        above = _above(counts)
        start = np.zeros((*above.shape[:-1], 1))
        rates.append(np.concatenate((start, above / above[..., -1:], start + 1.0), axis=-1))
    return rates[0], rates[1]


def _precision_recall(positives: Ints, negatives: Ints) -> tuple[Floats, Floats]:
    hits, misses = _above(positives), _above(negatives)
    drawn = hits + misses
    # In a resample the highest scores may hold no row: such a point repeats the one after it, or says nothing.
    precisions = np.divide(hits, drawn, out=np.ones(drawn.shape), where=drawn > 0)
    start = np.zeros((*hits.shape[:-1], 1))
    recalls = np.concatenate((start, hits / hits[..., -1:]), axis=-1)
    return recalls, np.concatenate((precisions[..., :1], precisions), axis=-1)


def _area(x: Floats, y: Floats) -> Floats:
    # From left to right, as Spark adds: equal to the last digit.
    terms = (x[..., 1:] - x[..., :-1]) * (y[..., 1:] + y[..., :-1]) / 2.0
    return np.cumsum(terms, axis=-1)[..., -1]


def _thinned(points: int) -> NDArray[np.intp]:
    if points <= CURVE_POINTS:
        return np.arange(points)
    return np.unique(np.linspace(0, points - 1, CURVE_POINTS).round().astype(np.intp))
