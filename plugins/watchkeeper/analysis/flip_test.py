"""Clarify's Flip Test: what the model would have answered for the facet's rows, had it treated them as the others'."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.bias_metrics import Floats

NEIGHBOURS = 5
_FEW_ROWS = 9


@dataclass(frozen=True)
class FlipCounts:
    """Of the facet's rows: answered positive where their neighbours' answers are negative, the reverse, and all."""

    favoured: int
    harmed: int
    rows: int

    @property
    def cells(self) -> Floats:
        """Rows favoured, harmed, and treated as their neighbours: what is resampled."""
        return np.array([self.favoured, self.harmed, self.rows - self.favoured - self.harmed], np.float64)


def flip_counts(features: Floats, members: NDArray[np.bool_], predictions: NDArray[np.bool_]) -> FlipCounts:
    """Return how rows of the facet (``members``) are answered beside their nearest neighbours among the others.

    ``features`` is rows x numbers without gaps, as they come (unscaled, as Clarify takes them). The neighbours are the
    5 nearest by Euclidean distance, 1 where the others are 9 rows or fewer; the majority of their answers counts.
    Both groups need rows.
    """
    from sklearn.neighbors import KNeighborsClassifier

    neighbours = NEIGHBOURS if np.count_nonzero(~members) > _FEW_ROWS else 1
    model = KNeighborsClassifier(n_neighbors=neighbours)
    model.fit(features[~members], predictions[~members])
    alike = model.predict(features[members]).astype(np.bool_)
    answered = predictions[members]
    favoured = int(np.count_nonzero(answered & ~alike))
    return FlipCounts(favoured, int(np.count_nonzero(~answered & alike)), len(answered))


def flip_test(cells: Floats) -> Floats:
    """Return the Flip Test of `FlipCounts.cells`, leading axes being resamples."""
    with np.errstate(invalid="ignore"):
        return (cells[..., 0] - cells[..., 1]) / cells.sum(axis=-1)
