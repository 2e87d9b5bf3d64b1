"""Which label objects may hold labels of an hour's captures, and which labels nobody captured, by hashes alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.distinct_sketch import Hashes
from watchkeeper.analysis.key_index import NO_HASHES, are_among, distinct_hashes

#: Ids of labels that are compared at once: about 100 MB with what is needed to compare them.
CHUNK_HASHES = 4_000_000


@dataclass(frozen=True)
class _Ids:
    hashes: Hashes
    object_numbers: NDArray[np.int32]
    hour_ends: NDArray[np.int64]
    matched: NDArray[np.bool_]


class LabelChunk:
    """The ids of some collection hours' label objects. Remembers which of them were found among captures."""

    def __init__(self, hours: Sequence[Sequence[Hashes]]) -> None:
        """Take the ids of each hour's objects; objects are numbered through all hours, from 0."""
        objects = [hashes for hour in hours for hashes in hour]
        sizes = [len(hashes) for hashes in objects]
        totals = [sum(len(hashes) for hashes in hour) for hour in hours]
        self._ids = _Ids(
            np.concatenate([NO_HASHES, *objects]),
            np.repeat(np.arange(len(objects), dtype=np.int32), sizes),
            np.cumsum([0, *totals]),
            np.zeros(sum(sizes), np.bool_),
        )

    def objects_for(self, captured: Hashes, first_hour: int, last_hour: int) -> list[int]:
        """Return the numbers of the objects that hold an id of ``captured``, of the hours first to last (exclusive)."""
        start, end = self._ids.hour_ends[first_hour], self._ids.hour_ends[last_hour]
        found = are_among(self._ids.hashes[start:end], captured)
        self._ids.matched[start:end] |= found
        numbers: list[int] = np.unique(self._ids.object_numbers[start:end][found]).tolist()
        return numbers

    def ids(self, hour: int) -> Hashes:
        """Return the ids of an hour, each once and in order."""
        return distinct_hashes([self._ids.hashes[self._place(hour)]])

    def unmatched(self, hour: int, known: Hashes | None = None) -> Hashes:
        """Return the ids of an hour that were not found so far; of these only ``known`` if it is given."""
        place = self._place(hour)
        matched = distinct_hashes([self._ids.hashes[place][self._ids.matched[place]]])
        candidates = self.ids(hour) if known is None else known
        return candidates[~are_among(candidates, matched)]

    def _place(self, hour: int) -> slice:
        return slice(int(self._ids.hour_ends[hour]), int(self._ids.hour_ends[hour + 1]))
