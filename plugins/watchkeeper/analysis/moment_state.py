"""Count, sum, mean, second moment, minimum and maximum of a stream of numbers, and how two streams combine."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.running_mean import FIRST_PIECE, MeanFollower

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MomentState:
    """Sufficient statistics of at least one number."""

    count: int
    total: float
    mean: float
    second_moment: float
    minimum: float
    maximum: float

    @property
    def standard_deviation(self) -> float:
        """Population standard deviation."""
        return math.sqrt(self.second_moment / self.count) if self.second_moment >= 0 else math.nan

    def merge(self, other: "MomentState") -> "MomentState":
        """Return the state of both streams; equal to that of the whole to about 1e-12 relative (Chan et al., 1983)."""
        count = self.count + other.count
        delta = other.mean - self.mean
        share = other.count / count
        return MomentState(
            count,
            self.total + other.total,
            self.mean + delta * share,
            self.second_moment + other.second_moment + delta * delta * self.count * share,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
        )


class MomentBuilder:
    """Takes numbers in, in order, rounding each step as Spark's ``CentralMomentAgg`` does.

    For every x: n += 1; d = x - mean; mean += d/n; m2 += d * (d - d/n). The sum is added from left to right.
    The result is bit for bit that of one pass, however the stream is cut into calls.
    """

    def __init__(self) -> None:
        self._state: MomentState | None = None
        self._mean = MeanFollower()

    def update(self, values: Floats) -> None:
        """Add ``values`` in their order."""
        position = 0
        with np.errstate(invalid="ignore", over="ignore"):
            while position < len(values):
                # A piece as long as the stream so far hardly moves its mean, and following it is quick.
                size = max(self._state.count, FIRST_PIECE) if self._state else FIRST_PIECE
                self._add(values[position : position + size])
                position += size

    def _add(self, values: Floats) -> None:
        state = self._state or MomentState(0, 0.0, 0.0, 0.0, math.inf, -math.inf)
        totals = _running_sum(state.total, values.copy())
        mean, deviations, steps = self._mean.follow(values, totals, state.count, state.mean)
        np.subtract(deviations, steps, out=steps)
        np.multiply(deviations, steps, out=steps)
        self._state = MomentState(
            state.count + len(values),
            float(totals[-1]),
            mean,
            float(_running_sum(state.second_moment, steps)[-1]),
            min(state.minimum, float(values.min())),
            max(state.maximum, float(values.max())),
        )

    def freeze(self) -> MomentState | None:
        """Return the state so far, or ``None`` when no number was seen."""
        return self._state


def _running_sum(start: float, scratch: Floats) -> Floats:
    # ``np.sum`` adds pairwise, which rounds otherwise; accumulate adds from left to right.
    scratch[0] += start
    return np.add.accumulate(scratch, out=scratch)
