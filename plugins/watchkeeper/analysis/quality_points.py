"""Model Monitor's CloudWatch metrics of a model's quality in a window: names and values."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# CloudWatch takes nothing beyond this.
_LARGEST_VALUE = 2.0**360

VIOLATION_COUNT = "total_number_of_violations"


@dataclass(frozen=True)
class QualityPoint:
    """One metric's value."""

    name: str
    value: float


def quality_points(metrics: Mapping[str, float | None], violation_count: int) -> Iterator[QualityPoint]:
    """Yield every defined metric under its snake_case name, the best constant classifier's too, then the violations.

    What CloudWatch could not take (not finite, too large) is left out.
    """
    for name, value in metrics.items():
        if value is not None and math.isfinite(value) and abs(value) < _LARGEST_VALUE:
            yield QualityPoint(name, value)
    yield QualityPoint(VIOLATION_COUNT, float(violation_count))
