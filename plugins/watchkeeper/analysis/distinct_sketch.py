"""HyperLogLog++ with 512 registers, as Spark and deequ estimate the number of distinct values.

The hash is 64-bit xxHash with seed 42 over the UTF-8 bytes of the raw text. Registers merge by maximum, so counts
are the same under any split of the data.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.distinct_bias import BIASES, RAW_ESTIMATES

Hashes = NDArray[np.uint64]
Registers = NDArray[np.uint8]

HASH_SEED = 42
_PRECISION = 9
_REGISTER_COUNT = 1 << _PRECISION
_LINEAR_COUNTING_LIMIT = 400.0
_NEIGHBOURS = 6
_ALPHA_SQUARED = 0.7213 / (1.0 + 1.079 / _REGISTER_COUNT) * _REGISTER_COUNT * _REGISTER_COUNT
_ALL_BITS = np.uint64(2**64 - 1)
_RANK_BITS = 6  # a rank is at most 56
# Up to here raising registers one by one is quicker than going through all ranks of all registers.
_FEW_HASHES = 2048


@dataclass(frozen=True)
class DistinctSketch:
    """The registers after any number of values; all zero when none was seen."""

    registers: Registers

    def merge(self, other: "DistinctSketch") -> "DistinctSketch":
        """Return the sketch of both streams, whatever their order."""
        return DistinctSketch(np.maximum(self.registers, other.registers))

    def estimate(self) -> int:
        """Return the estimated number of distinct values (relative error about 4.6 %; exact for a handful)."""
        zeros = int(np.count_nonzero(self.registers == 0))
        raw = _ALPHA_SQUARED / float(np.sum(np.ldexp(1.0, -self.registers.astype(np.int32))))
        if zeros:
            linear = _REGISTER_COUNT * math.log(_REGISTER_COUNT / zeros)
            if linear <= _LINEAR_COUNTING_LIMIT:
                return math.floor(linear + 0.5)
        corrected = raw - _bias(raw) if raw < 5 * _REGISTER_COUNT else raw
        return math.floor(corrected + 0.5)


def _bias(raw: float) -> float:
    """Mean bias of the six tabulated estimates nearest to ``raw``, the window slid as Spark slides it."""
    table = RAW_ESTIMATES
    nearest = int(np.searchsorted(table, raw))
    low = max(nearest - _NEIGHBOURS + 1, 0)
    high = min(low + _NEIGHBOURS, len(table))
    while high < len(table) and (raw - table[high]) ** 2 < (raw - table[low]) ** 2:
        low += 1
        high += 1
    return sum(BIASES[low:high]) / (high - low)


class DistinctSketchBuilder:
    """Takes hashes in, in any order."""

    def __init__(self, start: DistinctSketch | None = None) -> None:
        self._registers = start.registers.copy() if start else np.zeros(_REGISTER_COUNT, np.uint8)

    def update(self, hashes: Hashes) -> None:
        """Raise the registers that ``hashes`` (xxHash64, seed 42) belong to."""
        index = hashes >> np.uint64(64 - _PRECISION)
        rest = hashes << np.uint64(_PRECISION)
        # Only a value with at least as many leading zeros as its register's rank can raise it: soon hardly any.
        raising = rest <= (_ALL_BITS >> self._registers.astype(np.uint64))[index]
        if not raising.any():
            return
        index, rest = index[raising], rest[raising] >> np.uint64(11)
        # A float's exponent is the position of the first one bit. The 53 highest of the 55 remaining bits convert
        # exactly; that all of them are zero happens once in 2**53 values, and then the rank is taken as 54.
        rank = (54 - np.frexp(rest.astype(np.float64))[1]).astype(np.uint64)
        if len(index) < _FEW_HASHES:
            np.maximum.at(self._registers, index, rank.astype(np.uint8))
            return
        seen = np.zeros(_REGISTER_COUNT << _RANK_BITS, bool)
        seen[(index << np.uint64(_RANK_BITS)) | rank] = True
        ranks = seen.reshape(_REGISTER_COUNT, 1 << _RANK_BITS)
        highest = (1 << _RANK_BITS) - 1 - np.argmax(ranks[:, ::-1], axis=1)
        highest[~ranks.any(axis=1)] = 0
        np.maximum(self._registers, highest.astype(np.uint8), out=self._registers)

    def freeze(self) -> DistinctSketch:
        """Return the sketch so far."""
        return DistinctSketch(self._registers.copy())
