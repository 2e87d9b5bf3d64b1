"""Mergeable sums of a regression's errors, kept per group of rows so that they can be resampled without the rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Rows go to the groups in turn. So many that a subsample or a bootstrap of groups is as good as one of rows.
GROUP_COUNT = 1000


@dataclass(frozen=True)
class ErrorSums:
    """Per group: rows, absolute and squared errors, and the labels' mean and sum of squares about it.

    Row ``i`` belongs to group ``i`` modulo `GROUP_COUNT`; merging counts on where the left rows end, so that any
    split of a stream gives the groups of the whole.
    """

    rows: Ints
    absolute: Floats
    squared: Floats
    label_mean: Floats
    label_spread: Floats

    @property
    def row_count(self) -> int:
        """All rows."""
        return int(self.rows.sum())

    @staticmethod
    def of(labels: Floats, predictions: Floats) -> "ErrorSums":
        """Return the sums of paired finite numbers, the first of which goes to group 0."""
        group = np.arange(len(labels)) % GROUP_COUNT
        rows = np.bincount(group, minlength=GROUP_COUNT)
        safe = np.maximum(rows, 1)
        errors = predictions - labels
        mean = _sums(group, labels) / safe
        return ErrorSums(
            rows.astype(np.int64),
            _sums(group, np.abs(errors)),
            _sums(group, errors * errors),
            mean,
            _sums(group, (labels - mean[group]) ** 2),
        )

    def merge(self, other: "ErrorSums") -> "ErrorSums":
        """Return the sums of this stream's rows followed by ``other``'s; sums agree to about 1e-12 under any split."""
        shift = self.row_count % GROUP_COUNT
        rows = np.roll(other.rows, shift)
        absolute, squared, mean, spread = (
            np.roll(part, shift) for part in (other.absolute, other.squared, other.label_mean, other.label_spread)
        )
        total = self.rows + rows
        safe = np.maximum(total, 1)
        apart = np.where((self.rows > 0) & (rows > 0), mean - self.label_mean, 0.0)
        return ErrorSums(
            total,
            self.absolute + absolute,
            self.squared + squared,
            np.where(self.rows > 0, self.label_mean + apart * rows / safe, mean),
            self.label_spread + spread + apart**2 * self.rows * rows / safe,
        )


def _sums(group: Ints, values: Floats) -> Floats:
    return np.bincount(group, values, GROUP_COUNT).astype(np.float64)
