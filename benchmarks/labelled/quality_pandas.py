"""Merge with pandas, measure with scikit-learn: ``quality_pandas.py RESAMPLES CAPTURES LABELS OUTPUT``.

Every metric and curve of Model Monitor that scikit-learn has, of all rows; then as many bootstrap resamples of the
rows for a deviation and an interval of each metric. A resample costs one confusion matrix, one ROC AUC and one average
precision: the metrics at the threshold are arithmetic on the matrix.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from merge_pandas import merge
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    f1_score,
    fbeta_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

THRESHOLD = 0.5
INTERVAL = (0.00135, 0.99865)
CURVE_POINTS = 1000
_SEED = 2029


def measure(truth: NDArray[np.int64], scores: NDArray[np.float64], resamples: int) -> dict[str, Any]:
    """Return the metrics and curves, with deviations and intervals where there are resamples."""
    answers = (scores > THRESHOLD).astype(np.int64)
    metrics: dict[str, Any] = {
        "recall": recall_score(truth, answers),
        "precision": precision_score(truth, answers),
        "accuracy": accuracy_score(truth, answers),
        "f0_5": fbeta_score(truth, answers, beta=0.5),
        "f1": f1_score(truth, answers),
        "f2": fbeta_score(truth, answers, beta=2.0),
        "auc": roc_auc_score(truth, scores),
        "average_precision": average_precision_score(truth, scores),
    }
    false_rates, true_rates, _ = roc_curve(truth, scores)
    precisions, recalls, _ = precision_recall_curve(truth, scores)
    curves = {
        "false_positive_rates": _thinned(false_rates),
        "true_positive_rates": _thinned(true_rates),
        "precisions": _thinned(precisions),
        "recalls": _thinned(recalls),
    }
    matrix = confusion_matrix(truth, answers).tolist()
    drawn = _resampled(truth, scores, answers, resamples) if resamples else {}
    spread = {
        name: {"standard_deviation": np.std(values, ddof=1), "interval": np.quantile(values, INTERVAL).tolist()}
        for name, values in drawn.items()
    }
    return {"metrics": metrics, "confusion_matrix": matrix, "curves": curves, "spread": spread}


def _resampled(
    truth: NDArray[np.int64], scores: NDArray[np.float64], answers: NDArray[np.int64], resamples: int
) -> dict[str, list[float]]:
    random = np.random.default_rng(_SEED)
    found: dict[str, list[float]] = {}
    for _ in range(resamples):
        rows = random.integers(0, len(truth), len(truth))
        actual, score = truth[rows], scores[rows]
        values = _at_threshold(confusion_matrix(actual, answers[rows])) | {
            "auc": roc_auc_score(actual, score),
            "average_precision": average_precision_score(actual, score),
        }
        for name, value in values.items():
            found.setdefault(name, []).append(float(value))
    return found


def _at_threshold(matrix: NDArray[np.int64]) -> dict[str, float]:
    (true_negatives, false_positives), (false_negatives, true_positives) = matrix.tolist()
    rates = {
        f"f{name}": (1 + beta**2)
        * true_positives
        / ((1 + beta**2) * true_positives + beta**2 * false_negatives + false_positives)
        for name, beta in (("0_5", 0.5), ("1", 1.0), ("2", 2.0))
    }
    return rates | {
        "recall": true_positives / (true_positives + false_negatives),
        "precision": true_positives / (true_positives + false_positives),
        "accuracy": (true_positives + true_negatives) / matrix.sum(),
        "true_negative_rate": true_negatives / (true_negatives + false_positives),
        "false_positive_rate": false_positives / (true_negatives + false_positives),
        "false_negative_rate": false_negatives / (true_positives + false_negatives),
    }


def _thinned(points: NDArray[np.float64]) -> list[float]:
    chosen = np.unique(np.linspace(0, len(points) - 1, min(len(points), CURVE_POINTS)).round().astype(np.intp))
    return points[chosen].tolist()


if __name__ == "__main__":
    count, *places = sys.argv[1:]
    output = Path(places[-1])
    merged = merge(*map(Path, places))
    truth, scores = merged["label"].astype(np.int64).to_numpy(), merged["output"].astype(np.float64).to_numpy()
    del merged
    (output / "metrics.json").write_text(json.dumps(measure(truth, scores, int(count))))
