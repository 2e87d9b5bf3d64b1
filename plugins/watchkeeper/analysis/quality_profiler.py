"""From blocks of labels, predictions and probabilities as text to a quality state, in bounded memory."""

from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from watchkeeper.analysis.class_label import binary_label, class_label
from watchkeeper.analysis.confusion_counts import ConfusionCounts
from watchkeeper.analysis.dataset_state import DatasetProfiler
from watchkeeper.analysis.error_sums import ErrorSums
from watchkeeper.analysis.quality_attributes import ProblemType, QualityAttributes
from watchkeeper.analysis.quality_state import LABEL, PREDICTION, PROBABILITY, QualityState
from watchkeeper.analysis.score_counts import ScoreCounts

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

NO_LABEL = "no label"
NO_PREDICTION = "no prediction"
NO_PROBABILITY = "no probability"
LABEL_NO_NUMBER = "a label that is no number, or beyond 1e150"
PREDICTION_NO_NUMBER = "a prediction that is no number, or beyond 1e150"
LABEL_NO_CLASS = "a label that is neither class"
PREDICTION_NO_CLASS = "a prediction that is neither class"
# So that no square overflows.
_LARGEST = 1e150
# Blank is missing; not-a-number is how pandas writes it.
_MISSING = ("", "nan", "NaN")
PROBABILITY_OUTSIDE = "a probability that is no number from 0 to 1"


class QualityProfiler:
    """Collects a quality state; a row that cannot be judged is left out and counted by its first fault."""

    def __init__(self, attributes: QualityAttributes) -> None:
        self._attributes = attributes
        self._columns = DatasetProfiler()
        self._state = QualityState(
            attributes.problem_type,
            attributes.digest(),
            classes=attributes.classes if attributes.problem_type is ProblemType.BINARY else None,
        )
        self._rows = 0
        self._rejected: dict[str, int] = {}
        self._errors: ErrorSums | None = None
        self._confusion: dict[tuple[str, str], int] | None = {}
        self._scores: ScoreCounts | None = None

    @property
    def row_count(self) -> int:
        """Rows seen so far, those that cannot be judged included."""
        return self._rows + sum(self._rejected.values())

    def update(self, labels: pl.Series, predictions: pl.Series | None, probabilities: pl.Series | None) -> None:
        """Add a block of String series of equal length, null or blank for missing.

        Predictions or probabilities are ``None`` where the attributes do not name them.
        """
        if not len(labels):
            return
        labels = _tidy(labels)
        predictions = None if predictions is None else _tidy(predictions)
        probabilities = None if probabilities is None else _tidy(probabilities)
        keep = np.ones(len(labels), np.bool_)
        keep = self._reject(keep, NO_LABEL, labels.is_null().to_numpy())
        if predictions is not None:
            keep = self._reject(keep, NO_PREDICTION, predictions.is_null().to_numpy())
        match self._attributes.problem_type:
            case ProblemType.REGRESSION:
                self._add_numbers(keep, labels, _required(predictions))
            case ProblemType.BINARY:
                self._add_binary(keep, labels, predictions, probabilities)
            case ProblemType.MULTICLASS:
                self._add_classes(keep, _mapped(labels, class_label), _mapped(_required(predictions), class_label))

    def _reject(self, keep: Mask, reason: str, faulty: Mask) -> Mask:
        count = int(np.count_nonzero(keep & faulty))
        if count:
            self._rejected[reason] = self._rejected.get(reason, 0) + count
        return keep & ~faulty

    def _add_numbers(self, keep: Mask, labels: pl.Series, predictions: pl.Series) -> None:
        truth, answer = _numbers(labels), _numbers(predictions)
        keep = self._reject(keep, LABEL_NO_NUMBER, ~(np.abs(truth) <= _LARGEST))
        keep = self._reject(keep, PREDICTION_NO_NUMBER, ~(np.abs(answer) <= _LARGEST))
        if not keep.any():
            return
        sums = ErrorSums.of(truth[keep], answer[keep])
        self._errors = sums if self._errors is None else self._errors.merge(sums)
        self._take(keep, {LABEL: labels, PREDICTION: predictions})

    def _add_binary(
        self, keep: Mask, labels: pl.Series, predictions: pl.Series | None, probabilities: pl.Series | None
    ) -> None:
        positive, negative = self._attributes.classes
        name = partial(binary_label, positive=positive, negative=negative)
        truth = _mapped(labels, name)
        keep = self._reject(keep, LABEL_NO_CLASS, truth.is_null().to_numpy())
        columns = {LABEL: truth}
        scores: Floats | None = None
        if probabilities is not None:
            keep = self._reject(keep, NO_PROBABILITY, probabilities.is_null().to_numpy())
            scores = _numbers(probabilities)
            keep = self._reject(keep, PROBABILITY_OUTSIDE, ~((scores >= 0) & (scores <= 1)))
        if predictions is not None:
            answer = _mapped(predictions, name)
            keep = self._reject(keep, PREDICTION_NO_CLASS, answer.is_null().to_numpy())
        else:
            above = _required(scores) > self._attributes.probability_threshold
            answer = pl.Series(PREDICTION, np.where(above, positive, negative), pl.String)
        columns[PREDICTION] = answer
        if probabilities is not None:
            columns[PROBABILITY] = probabilities
        if not keep.any():
            return
        self._count(keep, truth, answer)
        if scores is not None:
            counts = ScoreCounts.of(scores[keep], (truth == positive).fill_null(value=False).to_numpy()[keep])
            self._scores = counts if self._scores is None else self._scores.merge(counts)
        self._take(keep, columns)

    def _add_classes(self, keep: Mask, labels: pl.Series, predictions: pl.Series) -> None:
        if keep.any():
            self._count(keep, labels, predictions)
            self._take(keep, {LABEL: labels, PREDICTION: predictions})

    def _count(self, keep: Mask, labels: pl.Series, predictions: pl.Series) -> None:
        if self._confusion is None:
            return
        pairs = pl.DataFrame({LABEL: labels, PREDICTION: predictions}).filter(pl.Series(keep))
        counted = pairs.group_by(LABEL, PREDICTION).len()
        block = {(actual, predicted): count for actual, predicted, count in counted.iter_rows()}
        merged = ConfusionCounts(self._confusion).merge(ConfusionCounts.of(block)).cells
        self._confusion = None if merged is None else dict(merged)

    def _take(self, keep: Mask, columns: dict[str, pl.Series]) -> None:
        self._rows += int(np.count_nonzero(keep))
        frame = pl.DataFrame([series.alias(name) for name, series in columns.items()])
        self._columns.update(frame.filter(pl.Series(keep)))

    def freeze(self) -> QualityState | None:
        """Return the state so far, or ``None`` when there was no row, judged or rejected."""
        if not self.row_count:
            return None
        is_classification = self._attributes.problem_type is not ProblemType.REGRESSION and self._rows
        return QualityState(
            self._state.problem_type,
            self._state.reading,
            self._rows,
            dict(self._rejected),
            self._errors,
            ConfusionCounts(self._confusion) if is_classification else None,
            self._scores,
            self._columns.freeze(),
            self._state.classes,
        )


def _required[T](value: T | None) -> T:
    if value is None:
        message = "the attributes promise a column that was not handed in"
        raise ValueError(message)
    return value


def _tidy(series: pl.Series) -> pl.Series:
    stripped = series.str.strip_chars()
    return stripped.set(stripped.is_in(_MISSING), None)


def _numbers(texts: pl.Series) -> Floats:
    """Return each text's number, NaN for what is none."""
    return texts.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy() + 0.0


def _mapped(texts: pl.Series, name: Callable[[str], str | None]) -> pl.Series:
    """Return what ``name`` makes of each text, asked once per distinct one."""
    distinct = texts.drop_nulls().unique()
    named = pl.Series([name(text) for text in distinct.to_list()], dtype=pl.String)
    return texts.replace_strict(distinct, named, default=None, return_dtype=pl.String)
