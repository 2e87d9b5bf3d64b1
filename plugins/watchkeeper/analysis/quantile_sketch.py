"""The KLL quantile sketch of deequ, compaction for compaction, so that it equals Model Monitor's bit for bit.

Compaction is deterministic: it keeps every second item of a sorted level, and which half it keeps alternates with
the level's own history (deequ's ``NonSampleCompactor``). The order in which values arrive therefore matters.
"""

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SKETCH_SIZE = 2048
SHRINKING_FACTOR = 0.64
BUCKET_COUNT = 10


@cache
def _capacity(level: int) -> int:
    return 2 * (math.ceil(SKETCH_SIZE * SHRINKING_FACTOR**level / 2) + 1)


@cache
def _total_capacity(levels: int) -> int:
    return sum(_capacity(level) for level in range(levels))


@dataclass(frozen=True)
class QuantileSketch:
    """The items a stream left behind: an item on level ``h`` stands for ``2**h`` values.

    ``levels`` are in the order in which items were stored, lowest first. ``compactions`` and ``offsets`` are each
    level's history, which decides what its next compaction keeps.
    """

    levels: tuple[Floats, ...]
    compactions: tuple[int, ...]
    offsets: tuple[int, ...]

    @property
    def weight(self) -> int:
        """Total weight of all items; it can differ slightly from the number of values seen."""
        return sum(len(items) << level for level, items in enumerate(self.levels))

    def weighted_items(self) -> tuple[Floats, NDArray[np.int64]]:
        """Return all items in ascending order and the weight of each."""
        items = np.concatenate(self.levels)
        weights = np.repeat(1 << np.arange(len(self.levels)), [len(level) for level in self.levels])
        order = np.argsort(items, kind="stable")
        return items[order], weights[order]

    def buckets(self, minimum: float, maximum: float) -> list[tuple[float, float, float]]:
        """Return ten (lower bound, upper bound, weight) triples over ``[minimum, maximum]``, the last one closed.

        An infinite range cannot be divided: then there are none.
        """
        spread = maximum - minimum
        if not math.isfinite(spread):
            return []
        edges = [spread * i / BUCKET_COUNT + minimum for i in range(BUCKET_COUNT + 1)]
        items, weights = self.weighted_items()
        below = np.concatenate(([0], np.cumsum(weights)))
        ranks = [int(below[np.searchsorted(items, edge, side="left")]) for edge in edges[:-1]]
        ranks.append(int(below[np.searchsorted(items, edges[-1], side="right")]))
        return [
            (lower, upper, float(high - low))
            for (lower, upper), (low, high) in zip(pairwise(edges), pairwise(ranks), strict=True)
        ]

    def merge(self, other: "QuantileSketch") -> "QuantileSketch":
        """Return the sketch of both streams, this one first; its rank error is that of a sketch of the whole."""
        builder = QuantileSketchBuilder(self)
        builder.absorb(other)
        return builder.freeze() or self


class QuantileSketchBuilder:
    """Takes values in, in order, and compacts whenever the sketch is over its capacity."""

    def __init__(self, start: QuantileSketch | None = None) -> None:
        self._levels: list[list[Floats]] = [[items] for items in start.levels] if start else [[]]
        self._sizes = [len(items) for items in start.levels] if start else [0]
        self._compactions = list(start.compactions) if start else [0]
        self._offsets = list(start.offsets) if start else [0]

    def update(self, values: Floats) -> None:
        """Add ``values`` in their order; the result does not depend on how a stream is cut into calls."""
        position = 0
        room = _total_capacity(len(self._sizes)) + 1 - sum(self._sizes)
        while len(values) - position >= room:
            self._levels[0].append(values[position : position + room])
            self._sizes[0] += room
            position += room
            self._condense()
            room = _total_capacity(len(self._sizes)) + 1 - sum(self._sizes)
        if position < len(values):
            self._levels[0].append(values[position:].copy())  # a view would keep all values
            self._sizes[0] += len(values) - position

    def absorb(self, other: QuantileSketch) -> None:
        """Merge ``other`` in: level by level, its items after ours, then compact while at capacity or over."""
        while len(self._sizes) < len(other.levels):
            self._add_level()
        for level, items in enumerate(other.levels):
            self._levels[level].append(items)
            self._sizes[level] += len(items)
        while sum(self._sizes) >= _total_capacity(len(self._sizes)):
            self._condense()

    def freeze(self) -> QuantileSketch | None:
        """Return the sketch so far, or ``None`` when no value was seen."""
        if not any(self._sizes):
            return None
        return QuantileSketch(
            tuple(self._items(level) for level in range(len(self._levels))),
            tuple(self._compactions),
            tuple(self._offsets),
        )

    def _items(self, level: int) -> Floats:
        pieces = self._levels[level]
        return np.concatenate(pieces) if pieces else np.empty(0)

    def _add_level(self) -> None:
        self._levels.append([])
        self._sizes.append(0)
        self._compactions.append(0)
        self._offsets.append(0)

    def _condense(self) -> None:
        level = 0
        while self._sizes[level] < _capacity(level):
            level += 1
        if level == len(self._sizes) - 1:
            self._add_level()
        items = self._items(level)
        even = len(items) - len(items) % 2
        if self._compactions[level] % 2 == 1:
            self._offsets[level] = 1 - self._offsets[level]
        self._compactions[level] += 1
        self._levels[level] = [items[even:].copy()] if even < len(items) else []
        self._sizes[level] -= even
        # Above the lowest level, items are a few sorted runs, which merging orders in half the time.
        items[:even].sort(kind="stable" if level else "quicksort")
        self._levels[level + 1].append(items[self._offsets[level] : even : 2])
        self._sizes[level + 1] += even // 2
