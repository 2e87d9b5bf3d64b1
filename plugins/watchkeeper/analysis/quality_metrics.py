"""Model Monitor's metrics of a model's quality: which there are, which way is worse, and their values."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from watchkeeper.analysis.confusion_counts import CLASS_LIMIT
from watchkeeper.analysis.confusion_metrics import (
    BINARY_METRICS,
    CONSTANT,
    MULTICLASS_METRICS,
    binary_metrics,
    multiclass_metrics,
)
from watchkeeper.analysis.finding import Check
from watchkeeper.analysis.metric_resampling import binary_cells, standard_deviations
from watchkeeper.analysis.quality_attributes import ProblemType
from watchkeeper.analysis.quality_state import QualityState
from watchkeeper.analysis.regression_metrics import REGRESSION_METRICS, regression_metrics
from watchkeeper.analysis.score_curve import score_areas

METRICS: dict[ProblemType, tuple[str, ...]] = {
    ProblemType.REGRESSION: REGRESSION_METRICS,
    ProblemType.BINARY: BINARY_METRICS,
    ProblemType.MULTICLASS: MULTICLASS_METRICS,
}
ERROR_METRICS = frozenset({"mae", "mse", "rmse"})
"""Metrics in the labels' own units; all others are shares, or r2."""
_LESS_IS_BETTER = ERROR_METRICS | {"false_positive_rate", "false_negative_rate"}
_SCORE_METRICS = frozenset({"auc", "au_prc"})


@dataclass(frozen=True)
class Metric:
    """A metric's value, ``None`` where it is undefined; ``reason`` says why, or by which convention it is 0."""

    value: float | None
    standard_deviation: float | None = None
    reason: str = ""


def direction_of(metric: str) -> Check:
    """Return which side of its threshold is a violation."""
    return Check.GREATER_THAN_THRESHOLD if metric in _LESS_IS_BETTER else Check.LESS_THAN_THRESHOLD


def is_constrained(metric: str) -> bool:
    """Say whether Model Monitor suggests a constraint for this metric."""
    return metric != "au_prc" and not metric.endswith(CONSTANT)


def measure(state: QualityState, *, most_predicted: bool = False) -> dict[str, Metric]:
    """Return every metric of the state's problem type, in the documents' order.

    With ``most_predicted`` the best constant classifier is Model Monitor's own (see `binary_metrics`). ``auc`` and
    ``au_prc`` are there only where probabilities were.
    """
    values = _values(state, most_predicted=most_predicted)
    deviations = standard_deviations(state, most_predicted=most_predicted)
    measured = {}
    for name in METRICS[state.problem_type]:
        if name in _SCORE_METRICS and state.scores is None and state.row_count:
            continue
        value = values.get(name, float("nan"))
        undefined = not np.isfinite(value)
        reason = _why(name, state, undefined=undefined)
        measured[name] = Metric(None if undefined else value, None if undefined else deviations.get(name), reason)
    return measured


def _values(state: QualityState, *, most_predicted: bool) -> dict[str, float]:
    arrays: dict[str, np.ndarray] = {}
    if state.errors is not None:
        arrays |= regression_metrics(state.errors)
    if state.confusion is not None and state.confusion.cells:
        if state.problem_type is ProblemType.BINARY:
            arrays |= binary_metrics(binary_cells(state)[None], most_predicted=most_predicted)
        else:
            cells, names = state.confusion.cells, state.confusion.labels
            index = {name: position for position, name in enumerate(names)}
            arrays |= multiclass_metrics(
                np.array([list(cells.values())], np.int64),
                [index[actual] for actual, _ in cells],
                [index[predicted] for _, predicted in cells],
                len(names),
                most_predicted=most_predicted,
            )
    if state.scores is not None:
        arrays |= score_areas(state.scores.positives[None], state.scores.negatives[None])
    return {name: float(values[0]) for name, values in arrays.items()}


def _why(name: str, state: QualityState, *, undefined: bool) -> str:
    if not state.row_count:
        return "no row can be judged"
    if state.confusion is not None and state.confusion.cells is None:
        return f"more than {CLASS_LIMIT:,} different classes: these labels or predictions are no classes"
    if state.problem_type is ProblemType.REGRESSION:
        if not undefined:
            return ""
        return "all labels are equal"
    return next(_class_reasons(name, state, undefined=undefined), "")


def _class_reasons(name: str, state: QualityState, *, undefined: bool) -> Iterator[str]:
    if state.problem_type is not ProblemType.BINARY:
        return
    tp, fn, fp, tn = (int(count) for count in binary_cells(state))
    if undefined:
        yield "no label of the positive class" if tp + fn == 0 else "no label of the negative class"
    if not fp + tn and undefined:
        yield "no label of the negative class"
    if name in {"precision", "f0_5", "f1", "f2"} and not tp + fp:
        yield "0 by convention: nothing was predicted positive"
