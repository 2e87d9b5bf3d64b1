"""A linear scale from numbers to positions, with round ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class NumberScale:
    """Maps ``low..high`` to ``left..right``, in the units of an SVG's view box."""

    low: float
    high: float
    left: float
    right: float

    def at(self, value: float) -> float:
        """Return the position of ``value``, kept within the scale; infinities lie at its ends."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + share * (self.right - self.left)

    def ticks(self, count: int = 3) -> list[float]:
        """Return the round numbers within the scale, about ``count`` of them: 1, 2 or 5 times a power of ten apart."""
        step = _round_step((self.high - self.low) / max(count, 1))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [position * step for position in range(first, last + 1)]


def scale_around(values: Iterable[float], left: float, right: float) -> NumberScale:
    """Return a scale that holds every finite value with a margin of 6 % on both sides.

    Values that are all equal get a span of their own, so that the scale is never empty.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    margin = (high - low) * 0.06 or max(abs(low), 1.0) * 0.5
    return NumberScale(low - margin, high + margin, left, right)


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(multiple * power for multiple in (1, 2, 5, 10) if multiple * power >= step * 0.999)
