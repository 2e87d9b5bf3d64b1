"""Metrics as functions of sums over rows, so that any resample of the rows is a weighted sum away.

Definitions are Model Monitor's (Spark's): a precision is 0 where nothing was predicted so, weighted metrics weigh each
class by its share of the labels, and areas under curves are trapezoids over the distinct scores.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.confusion_metrics import BETAS, binary_metrics, f_score

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Metrics = Callable[[NDArray[np.floating]], dict[str, Floats]]

LESS_IS_BETTER = frozenset({"rmse", "mae", "mse"})
REGRESSION = ("rmse", "mae", "mse", "r2")
LABEL_METRICS = ("accuracy", "precision", "recall", *BETAS)
SCORE_METRICS = ("auc", "au_prc")
MULTICLASS = ("accuracy", "weighted_precision", "weighted_recall", *(f"weighted_{name}" for name in BETAS))
# Labels that differ by less than this share of their size differ by the rounding of their mean.
_SAME = 1e-13


@dataclass(frozen=True)
class RowSums:
    """What each row adds to which of ``width`` sums, and the metrics of such sums (the last axis).

    ``columns`` holds per row the places it adds 1 to, or, where ``values`` is given, one place per value.
    """

    width: int
    metrics: Metrics
    columns: Ints | None = None
    values: Floats | None = None

    def grouped(self, groups: Ints, count: int) -> NDArray[np.floating]:
        """Return the sums of each of ``count`` groups of rows."""
        if self.values is not None:
            return np.stack([np.bincount(groups, column, count) for column in self.values.T], axis=1)
        if self.columns is None:
            message = "neither columns nor values"
            raise ValueError(message)
        places = (groups[:, None] * self.width + self.columns).ravel()
        # Counts of a group are small: single precision holds them, and their weighted sums, exactly.
        return np.bincount(places, minlength=count * self.width).reshape(count, self.width).astype(np.float32)

    def whole(self) -> dict[str, float]:
        """Return the metrics of all rows; not-a-number where one is undefined."""
        rows = self.values if self.values is not None else self.columns
        groups = np.zeros(0 if rows is None else len(rows), np.int64)
        measured = self.metrics(self.grouped(groups, 1).astype(np.float64))
        return {name: float(value[0]) for name, value in measured.items()}


def regression_sums(labels: Floats, predictions: Floats) -> RowSums:
    """Return the sums behind a regression's metrics."""
    centre = float(labels.mean()) if labels.size else 0.0
    errors, offset = labels - predictions, labels - centre
    values = np.stack([np.ones_like(labels), np.abs(errors), errors**2, offset, offset**2], axis=1)
    least = np.square(np.float64(_SAME * abs(centre)))

    def metrics(sums: NDArray[np.floating]) -> dict[str, Floats]:
        rows, absolute, squared, shift, square = np.moveaxis(np.asarray(sums, np.float64), -1, 0)
        mse = _ratio(squared, rows)
        spread = square - _ratio(shift**2, rows)
        varied = spread > rows * least
        r2 = np.where(varied, 1 - squared / np.where(varied, spread, 1.0), np.nan)
        return {"rmse": np.sqrt(mse), "mae": _ratio(absolute, rows), "mse": mse, "r2": r2}

    return RowSums(5, metrics, values=values)


def binary_sums(positive: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> RowSums:
    """Return the sums behind a binary classifier's metrics of its labels: true/false positives/negatives."""
    cells = np.where(positive, np.where(predicted, 0, 1), np.where(predicted, 2, 3)).astype(np.int64)
    return RowSums(4, _of_cells, columns=cells[:, None])


def _of_cells(sums: NDArray[np.floating]) -> dict[str, Floats]:
    measured = binary_metrics(sums, most_predicted=False)
    rows = np.asarray(sums, np.float64).sum(axis=-1)
    return {name: np.where(rows > 0, measured[name], np.nan) for name in LABEL_METRICS}


def score_sums(positive: NDArray[np.bool_], scores: Floats, bins: int | None = None) -> RowSums:
    """Return the sums behind the areas under a classifier's curves: labels counted by score.

    With ``bins``, neighbouring scores are joined into at most so many of about equal size.
    """
    distinct, place = np.unique(scores, return_inverse=True)
    if bins is not None and len(distinct) > bins:
        edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1]))
        place = np.searchsorted(edges, scores, side="right")
        count = len(edges) + 1
    else:
        count = len(distinct)
    columns = (place + np.where(positive, 0, count)).astype(np.int64)
    return RowSums(2 * count, _of_scores, columns=columns[:, None])


def _of_scores(sums: NDArray[np.floating]) -> dict[str, Floats]:
    positives, negatives = np.split(sums, 2, axis=-1)
    hits = np.cumsum(positives[..., ::-1], axis=-1, dtype=np.float64)
    misses = np.cumsum(negatives[..., ::-1], axis=-1, dtype=np.float64)
    drawn = hits + misses
    all_hits, all_misses = hits[..., -1:], misses[..., -1:]
    recall, fall_out = _ratio(hits, all_hits), _ratio(misses, all_misses)
    precision = _ratio(hits, drawn)
    # The curve begins at recall 0 with the first precision that there is.
    first = np.take_along_axis(precision, np.argmax(drawn > 0, axis=-1)[..., None], axis=-1)
    precision = np.where(drawn > 0, precision, first)
    auc = _area(fall_out, recall, np.zeros_like(all_hits))
    au_prc = _area(recall, precision, first)
    both = (all_hits > 0) & (all_misses > 0)
    return {"auc": np.where(both[..., 0], auc, np.nan), "au_prc": np.where(all_hits[..., 0] > 0, au_prc, np.nan)}


def _area(x: Floats, y: Floats, first: Floats) -> Floats:
    left = np.concatenate((np.zeros_like(first), x[..., :-1]), axis=-1)
    before = np.concatenate((first, y[..., :-1]), axis=-1)
    total: Floats = ((x - left) * (y + before)).sum(axis=-1) / 2.0
    return total


def multiclass_sums(labels: Ints, predictions: Ints, classes: int) -> RowSums:
    """Return the sums behind a classifier's weighted metrics: labels, answers and hits by class (0, 1, …).

    A last place takes what is no hit.
    """
    hits = np.where(labels == predictions, 2 * classes + labels, 3 * classes)
    columns = np.stack([labels, classes + predictions, hits], axis=1)

    def metrics(sums: NDArray[np.floating]) -> dict[str, Floats]:
        support, answered, hit = np.split(np.asarray(sums, np.float64)[..., :-1], 3, axis=-1)
        rows = support.sum(axis=-1)
        weights = _ratio(support, rows[..., None])
        precision, recall = _ratio(hit, answered, 0.0), _ratio(hit, support, 0.0)
        return {
            "accuracy": _ratio(hit.sum(axis=-1), rows),
            "weighted_precision": (weights * precision).sum(axis=-1),
            "weighted_recall": (weights * recall).sum(axis=-1),
            **{
                f"weighted_{name}": (weights * f_score(precision, recall, beta)).sum(axis=-1)
                for name, beta in BETAS.items()
            },
        }

    return RowSums(3 * classes + 1, metrics, columns=columns)


def _ratio(part: Floats, whole: Floats, otherwise: float = np.nan) -> Floats:
    shape = np.broadcast_shapes(np.shape(part), np.shape(whole))
    ratio: Floats = np.divide(part, whole, out=np.full(shape, otherwise), where=np.broadcast_to(whole > 0, shape))
    return ratio
