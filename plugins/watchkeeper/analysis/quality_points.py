"""Model Monitor's CloudWatch metrics of a model's quality in a window: names and values."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from watchkeeper.analysis.finding import Finding, Outcome
from watchkeeper.analysis.quality_statistics import QualityStatistics

# CloudWatch takes nothing beyond this.
_LARGEST_VALUE = 2.0**360

VIOLATION_COUNT = "total_number_of_violations"


@dataclass(frozen=True)
class QualityPoint:
    """One metric's value."""

    name: str
    value: float


def quality_points(statistics: QualityStatistics, findings: Iterable[Finding]) -> Iterator[QualityPoint]:
    """Yield every defined metric under its snake_case name, the best constant classifier's too, then the violations.

    What CloudWatch could not take (not finite, too large) is left out.
    """
    for name, metric in statistics.metrics.items():
        if metric.value is not None and math.isfinite(metric.value) and abs(metric.value) < _LARGEST_VALUE:
            yield QualityPoint(name, metric.value)
    violated = sum(finding.outcome is Outcome.VIOLATED for finding in findings)
    yield QualityPoint(VIOLATION_COUNT, float(violated))
