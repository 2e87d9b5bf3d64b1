"""A sample of rows with their features: all rows up to a ceiling, then those with the smallest hashes.

Which rows are in depends on the rows alone, not on how files were split or in which order parts are merged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.distinct_sketch import Hashes

SAMPLE_CEILING = 20_000
"""At most so many rows are kept: the Flip Test compares rows with each other, and two samples of this size agree to
about 0.005."""

Codes = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class RowSample:
    """Sampled rows in the order they came in.

    ``features`` has a column for each name, NaN for a missing value; ``numeric`` says which columns held numbers alone
    (the others are NaN where they did not). ``codes`` holds each facet's code of each row, ``labels`` and
    ``predictions`` the answers' codes (see `BiasState`).
    """

    names: tuple[str, ...]
    hashes: Hashes
    features: NDArray[np.float64]
    numeric: tuple[bool, ...]
    codes: tuple[Codes, ...]
    labels: NDArray[np.uint8]
    predictions: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.hashes)

    def merge(self, other: "RowSample") -> "RowSample":
        """Return the sample of both parts' rows; the features that both have, under their names."""
        names = tuple(name for name in self.names if name in other.names)
        left, right = self._of(names), other._of(names)
        return RowSample(
            names,
            np.concatenate((left.hashes, right.hashes)),
            np.concatenate((left.features, right.features)),
            tuple(a and b for a, b in zip(left.numeric, right.numeric, strict=True)),
            tuple(np.concatenate(pair) for pair in zip(left.codes, right.codes, strict=True)),
            np.concatenate((left.labels, right.labels)),
            np.concatenate((left.predictions, right.predictions)),
        ).capped()

    def _of(self, names: tuple[str, ...]) -> "RowSample":
        if names == self.names:
            return self
        columns = [self.names.index(name) for name in names]
        numeric = tuple(self.numeric[column] for column in columns)
        return RowSample(
            names, self.hashes, self.features[:, columns], numeric, self.codes, self.labels, self.predictions
        )

    def capped(self) -> "RowSample":
        """Return at most `SAMPLE_CEILING` rows: those with the smallest hashes, in their order."""
        if len(self) <= SAMPLE_CEILING:
            return self
        kept = np.sort(np.argpartition(self.hashes, SAMPLE_CEILING - 1)[:SAMPLE_CEILING])
        return RowSample(
            self.names,
            self.hashes[kept],
            self.features[kept],
            self.numeric,
            tuple(codes[kept] for codes in self.codes),
            self.labels[kept],
            self.predictions[kept],
        )
