"""How far a metric would move on other rows: from the state alone, reproducible, without the rows.

Random numbers are seeded from the state's content: equal states give equal numbers, anywhere and at any time.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.chance import SIGNIFICANCE
from watchkeeper.analysis.confusion_counts import ConfusionCounts
from watchkeeper.analysis.confusion_metrics import binary_metrics, multiclass_metrics
from watchkeeper.analysis.error_sums import ErrorSums
from watchkeeper.analysis.quality_attributes import ProblemType
from watchkeeper.analysis.quality_state import QualityState
from watchkeeper.analysis.regression_metrics import regression_metrics
from watchkeeper.analysis.score_counts import ScoreCounts
from watchkeeper.analysis.score_curve import score_areas

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Samples = dict[str, Floats]

# Model Monitor's standard deviation: of 5 samples of 80 % of the rows, where there are at least 200.
DEVIATION_MINIMUM_ROWS = 200
_SUBSAMPLES = 5
_SUBSAMPLE_SHARE = 0.8

REPLICATES = 2000
_FEWEST_REPLICATES = 200
_DRAWS = 4_000_000
# Neighbouring scores are joined into so many bins of equal size before they are drawn: an interval needs no more.
_SCORE_BINS = 256
_LARGEST_URN = 1_000_000_000
# A cell that happened to be empty counts as half a row: it may well occur in the next window.
_EMPTY_CELL = 0.5


@dataclass(frozen=True)
class Interval:
    """Between these values lies what chance makes of a metric, in all but three windows of a thousand."""

    lower: float
    upper: float


def standard_deviations(state: QualityState, *, most_predicted: bool) -> dict[str, float | None]:
    """Return each metric's standard deviation over 5 samples of 80 % of the rows, drawn without replacement.

    Empty with fewer than 200 rows; ``None`` where the metric is undefined in a sample.
    """
    if state.row_count < DEVIATION_MINIMUM_ROWS:
        return {}
    samples: Samples = {}
    if state.errors is not None:
        rng = _of_errors(state.errors)
        groups = np.flatnonzero(state.errors.rows)
        weights = np.zeros((_SUBSAMPLES, len(state.errors.rows)))
        for sample in weights:
            sample[rng.permutation(groups)[: round(_SUBSAMPLE_SHARE * len(groups))]] = 1.0
        samples |= regression_metrics(state.errors, weights)
    if state.confusion is not None and state.confusion.cells:
        drawn = _of_confusion(state.confusion)
        samples |= _confusion_samples(
            state, lambda counts: _urn(drawn, counts.astype(np.int64)), most_predicted=most_predicted
        )
    if state.scores is not None:
        both = _urn(_of_scores(state.scores), np.concatenate((state.scores.positives, state.scores.negatives)))
        samples |= score_areas(*np.split(both, 2, axis=-1))
    return {name: _deviation(values) for name, values in samples.items()}


def _deviation(values: Floats) -> float | None:
    return None if np.isnan(values).any() else float(np.std(values, ddof=1))


def _urn(rng: np.random.Generator, counts: Ints) -> Ints:
    """Return samples of 80 % of an urn's rows; of an urn too large for that draw, each row is kept with chance 0.8."""
    total = int(counts.sum())
    if total >= _LARGEST_URN:
        return rng.binomial(counts, _SUBSAMPLE_SHARE, (_SUBSAMPLES, len(counts)))
    size = round(_SUBSAMPLE_SHARE * total)
    return rng.multivariate_hypergeometric(counts, size, size=_SUBSAMPLES, method="marginals")


def confidence_intervals(state: QualityState, *, most_predicted: bool = False) -> dict[str, Interval]:
    """Return the bootstrap interval of each metric that most resamples define.

    Rows are drawn with replacement: cells of the confusion matrix and binned scores by their counts, a regression's
    groups of rows as they are (up to 1,000 rows each group is a row).
    """
    samples: Samples = {}
    if state.errors is not None:
        rng = _of_errors(state.errors)
        groups = np.flatnonzero(state.errors.rows)
        weights = np.zeros((REPLICATES, len(state.errors.rows)))
        weights[:, groups] = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), REPLICATES)
        samples |= regression_metrics(state.errors, weights)
    if state.confusion is not None and state.confusion.cells:
        drawn = _of_confusion(state.confusion)
        samples |= _confusion_samples(
            state, lambda counts: _bootstrap(drawn, counts), most_predicted=most_predicted, smooth=True
        )
    if state.scores is not None:
        samples |= _score_samples(state.scores)
    intervals = {name: _interval(values) for name, values in samples.items()}
    return {name: interval for name, interval in intervals.items() if interval is not None}


def _score_samples(counts: ScoreCounts) -> Samples:
    """Return areas of resampled bins, moved by what binning itself changed."""
    binned = counts.coarsened(_SCORE_BINS)
    both = _bootstrap(_of_scores(counts), np.concatenate((binned.positives, binned.negatives)).astype(np.float64))
    drawn = score_areas(*np.split(both, 2, axis=-1))
    whole = score_areas(counts.positives[None], counts.negatives[None])
    rough = score_areas(binned.positives[None], binned.negatives[None])
    return {name: np.clip(values + whole[name] - rough[name], 0.0, 1.0) for name, values in drawn.items()}


def _bootstrap(rng: np.random.Generator, counts: Floats) -> Ints:
    replicates = int(np.clip(_DRAWS // len(counts), _FEWEST_REPLICATES, REPLICATES))
    return rng.multinomial(round(float(np.floor(counts).sum())), counts / counts.sum(), replicates)


def _interval(values: Floats) -> Interval | None:
    defined = values[~np.isnan(values)]
    if len(defined) * 2 < len(values):
        return None
    lower, upper = np.quantile(defined, (SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2))
    return Interval(float(lower), float(upper))


def _confusion_samples(
    state: QualityState, draw: Callable[[Floats], Ints], *, most_predicted: bool, smooth: bool = False
) -> Samples:
    cells = dict(state.confusion.cells or {}) if state.confusion else {}
    if state.problem_type is ProblemType.BINARY and state.classes is not None:
        return binary_metrics(draw(_smoothed(binary_cells(state), smooth=smooth)), most_predicted=most_predicted)
    names = state.confusion.labels if state.confusion else ()
    if smooth:  # that no row of a class was right may be chance; that a wrong answer is absent never violates
        cells = {(name, name): 0 for name in names} | cells
    index = {name: position for position, name in enumerate(names)}
    counts = _smoothed(np.array(list(cells.values()), np.int64), smooth=smooth)
    return multiclass_metrics(
        draw(counts),
        [index[actual] for actual, _ in cells],
        [index[predicted] for _, predicted in cells],
        len(names),
        most_predicted=most_predicted,
    )


def _smoothed(counts: Ints, *, smooth: bool) -> Floats:
    return np.maximum(counts.astype(np.float64), _EMPTY_CELL if smooth else 0.0)


def binary_cells(state: QualityState) -> Ints:
    """Return true positives, false negatives, false positives and true negatives."""
    cells = (state.confusion.cells if state.confusion else None) or {}
    positive, negative = state.classes or ("1", "0")
    pairs = ((positive, positive), (positive, negative), (negative, positive), (negative, negative))
    return np.array([cells.get(pair, 0) for pair in pairs], np.int64)


def _generator(*parts: bytes) -> np.random.Generator:
    digest = hashlib.sha256(b"".join(parts)).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _of_errors(errors: ErrorSums) -> np.random.Generator:
    return _generator(errors.rows.tobytes(), errors.absolute.tobytes(), errors.squared.tobytes())


def _of_confusion(confusion: ConfusionCounts) -> np.random.Generator:
    return _generator(repr(sorted((confusion.cells or {}).items())).encode())


def _of_scores(scores: ScoreCounts) -> np.random.Generator:
    return _generator(scores.scores.tobytes(), scores.positives.tobytes(), scores.negatives.tobytes())
