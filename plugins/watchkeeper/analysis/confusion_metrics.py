"""A classifier's metrics from its confusion counts, for the rows as they are or for many resamples at once.

All are Spark's definitions, as Model Monitor's: a precision is 0 where nothing was predicted so, an F score 0 where
precision and recall are, and the weighted metrics weigh each class by its share of the actual labels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BETAS = {"f0_5": 0.5, "f1": 1.0, "f2": 2.0}
CONSTANT = "_best_constant_classifier"


def binary_metrics(cells: NDArray[np.number], *, most_predicted: bool) -> dict[str, Floats]:
    """Return the metrics of true positives, false negatives, false positives and true negatives (the last axis).

    Not-a-number is what no row of a class leaves undefined. The best constant classifier answers the most frequent
    actual class, or, with ``most_predicted``, the most frequently predicted one, as Model Monitor's does.
    """
    tp, fn, fp, tn = np.moveaxis(cells.astype(np.float64), -1, 0)
    rows, positive, negative = tp + fn + fp + tn, tp + fn, fp + tn
    recall, fall_out = _ratio(tp, positive), _ratio(fp, negative)
    precision = _ratio_or_zero(tp, tp + fp)
    always_positive = (tp + fp > fn + tn) if most_predicted else (positive >= negative)
    constant_recall = np.where(positive > 0, np.where(always_positive, 1.0, 0.0), np.nan)
    constant_precision = np.where(always_positive, _ratio(positive, rows), 0.0)
    return {
        "recall": recall,
        "precision": precision,
        "accuracy": _ratio(tp + tn, rows),
        f"recall{CONSTANT}": constant_recall,
        f"precision{CONSTANT}": constant_precision,
        f"accuracy{CONSTANT}": _ratio(np.where(always_positive, positive, negative), rows),
        "true_positive_rate": recall,
        "true_negative_rate": _ratio(tn, negative),
        "false_positive_rate": fall_out,
        "false_negative_rate": 1.0 - recall,
        **{name: f_score(precision, recall, beta) for name, beta in BETAS.items()},
        **{f"{name}{CONSTANT}": f_score(constant_precision, constant_recall, beta) for name, beta in BETAS.items()},
    }


def multiclass_metrics(
    counts: Ints, actual: Sequence[int], predicted: Sequence[int], classes: int, *, most_predicted: bool
) -> dict[str, Floats]:
    """Return the metrics of resamples (rows of ``counts``) of cells that stand for (actual, predicted) classes."""
    rows_of, columns_of = np.asarray(actual), np.asarray(predicted)
    diagonal = rows_of == columns_of
    results = [_of_matrix(row, rows_of, columns_of, diagonal, classes, most_predicted) for row in counts]
    return {name: np.array([result[name] for result in results]) for name in results[0]}


def _of_matrix(
    counts: Ints,
    actual: NDArray[np.intp],
    predicted: NDArray[np.intp],
    diagonal: NDArray[np.bool_],
    classes: int,
    most_predicted: bool,
) -> dict[str, float]:
    support = np.bincount(actual, counts, classes).astype(np.float64)
    answered = np.bincount(predicted, counts, classes).astype(np.float64)
    hits = np.bincount(actual[diagonal], counts[diagonal], classes).astype(np.float64)
    rows = float(support.sum())
    if not rows:
        return dict.fromkeys(MULTICLASS_METRICS, float("nan"))
    weights = support / rows
    recall, precision = _ratio_or_zero(hits, support), _ratio_or_zero(hits, answered)
    constant = int(np.argmax(answered if most_predicted else support))
    share = float(weights[constant])
    # One class answered always: its recall is 1 and its precision its share; all others have 0.
    found = 1.0 if share else 0.0
    constant_f = {name: float(f_score(np.array(share), np.array(found), beta)) for name, beta in BETAS.items()}
    return {
        "accuracy": float(hits.sum() / rows),
        "weighted_recall": float(weights @ recall),
        "weighted_precision": float(weights @ precision),
        **{f"weighted_{name}": float(weights @ f_score(precision, recall, beta)) for name, beta in BETAS.items()},
        f"accuracy{CONSTANT}": share,
        f"weighted_recall{CONSTANT}": share * found,
        f"weighted_precision{CONSTANT}": share * share,
        **{f"weighted_{name}{CONSTANT}": share * value for name, value in constant_f.items()},
    }


def f_score(precision: Floats, recall: Floats, beta: float) -> Floats:
    """Return the F score, 0 where precision and recall both are."""
    square = beta * beta
    score = _ratio_or_zero((1 + square) * precision * recall, square * precision + recall)
    defined: Floats = np.add(score, 0.0 * recall)  # not-a-number where the recall is
    return defined


def _ratio(part: Floats, whole: Floats) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
    return ratio


def _ratio_or_zero(part: Floats, whole: Floats) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0)
    return ratio


BINARY_RATES = ("recall", "precision", "accuracy")
_RATES = ("true_positive_rate", "true_negative_rate", "false_positive_rate", "false_negative_rate")
BINARY_METRICS = (
    *BINARY_RATES,
    *(f"{name}{CONSTANT}" for name in BINARY_RATES),
    *_RATES,
    "auc",
    "au_prc",
    *BETAS,
    *(f"{name}{CONSTANT}" for name in BETAS),
)
"""In the order of Model Monitor's documents; ``auc`` and ``au_prc`` only with probabilities."""
_WEIGHTED = ("accuracy", "weighted_recall", "weighted_precision", *(f"weighted_{name}" for name in BETAS))
MULTICLASS_METRICS = (*_WEIGHTED, *(f"{name}{CONSTANT}" for name in _WEIGHTED))
