"""How many positives and negatives a binary model gave each score: all that ROC and precision-recall curves need."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Up to so many different scores are kept as they are; beyond, all are rounded to the grid. Whether there are more
# depends on the rows alone, so merging gives the same in any order.
SCORE_LIMIT = 1 << 16
_GRID_STEPS = float(1 << 16)


@dataclass(frozen=True)
class ScoreCounts:
    """Distinct scores in ascending order, with the rows of each class; ``gridded`` once they were too many."""

    scores: Floats
    positives: Ints
    negatives: Ints
    gridded: bool = False

    @property
    def row_count(self) -> int:
        """All rows."""
        return int(self.positives.sum() + self.negatives.sum())

    @staticmethod
    def of(scores: Floats, is_positive: NDArray[np.bool_]) -> "ScoreCounts":
        """Return the counts of scores within 0..1 and whether each row's label is the positive class."""
        return _collect(scores + 0.0, is_positive.astype(np.int64), (~is_positive).astype(np.int64), gridded=False)

    def merge(self, other: "ScoreCounts") -> "ScoreCounts":
        """Return the counts of both streams: exact under any split and order."""
        return _collect(
            np.concatenate((self.scores, other.scores)),
            np.concatenate((self.positives, other.positives)),
            np.concatenate((self.negatives, other.negatives)),
            gridded=self.gridded or other.gridded,
        )

    def coarsened(self, limit: int) -> "ScoreCounts":
        """Return at most about ``limit`` scores, neighbours joined into bins of about equally many rows."""
        if len(self.scores) <= limit:
            return self
        rows = np.cumsum(self.positives + self.negatives)
        bins = (rows - 1) * limit // rows[-1]
        starts = np.flatnonzero(np.concatenate(([True], bins[1:] != bins[:-1])))
        return ScoreCounts(
            self.scores[starts],
            np.add.reduceat(self.positives, starts),
            np.add.reduceat(self.negatives, starts),
            self.gridded,
        )


def _collect(scores: Floats, positives: Ints, negatives: Ints, *, gridded: bool) -> ScoreCounts:
    if gridded:
        scores = _on_grid(scores)
    distinct, where = np.unique(scores, return_inverse=True)
    if not gridded and len(distinct) > SCORE_LIMIT:
        return _collect(scores, positives, negatives, gridded=True)
    return ScoreCounts(
        distinct, _sums(where, positives, len(distinct)), _sums(where, negatives, len(distinct)), gridded
    )


def _on_grid(scores: Floats) -> Floats:
    return np.rint(scores * _GRID_STEPS) / _GRID_STEPS


def _sums(where: NDArray[np.intp], counts: Ints, size: int) -> Ints:
    # Weights are added as doubles, which hold whole numbers up to 2**53 exactly.
    return np.bincount(where, counts, size).astype(np.int64)
