"""How often each actual class was predicted as which class."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# More classes than this are no classes: identifiers or measurements were read as labels.
CLASS_LIMIT = 1000
FULL_MATRIX = 100


@dataclass(frozen=True)
class ConfusionCounts:
    """Rows by (actual, predicted) class; ``cells`` is ``None`` once there were more than `CLASS_LIMIT` classes."""

    cells: Mapping[tuple[str, str], int] | None

    @staticmethod
    def of(cells: Mapping[tuple[str, str], int]) -> "ConfusionCounts":
        """Return these counts, dropped if they name too many classes."""
        names = {name for pair in cells for name in pair}
        return ConfusionCounts(dict(sorted(cells.items())) if len(names) <= CLASS_LIMIT else None)

    def merge(self, other: "ConfusionCounts") -> "ConfusionCounts":
        """Return the counts of both streams: exact under any split and order."""
        if self.cells is None or other.cells is None:
            return ConfusionCounts(None)
        merged = dict(self.cells)
        for pair, count in other.cells.items():
            merged[pair] = merged.get(pair, 0) + count
        return ConfusionCounts.of(merged)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """All classes, actual or predicted: numbers by value, then texts."""
        return tuple(sorted({name for pair in self.cells or {} for name in pair}, key=_by_number))

    def matrix(self, classes: Collection[str] = ()) -> dict[str, dict[str, int]]:
        """Return the whole matrix ``{actual: {predicted: rows}}`` as the documents hold it.

        It has zeros where no row is, also for ``classes`` that no row names. A matrix of very many classes is mostly
        zeros: past `FULL_MATRIX` classes they are left out.
        """
        cells = self.cells or {}
        names = sorted({*self.labels, *classes}, key=_by_number)
        if len(names) > FULL_MATRIX:
            sparse: dict[str, dict[str, int]] = {name: {} for name in names}
            for (actual, predicted), count in cells.items():
                sparse[actual][predicted] = count
            return sparse
        return {a: {p: cells.get((a, p), 0) for p in names} for a in names}


def _by_number(label: str) -> tuple[int, float, str]:
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label
