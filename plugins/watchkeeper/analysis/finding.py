"""One check's outcome for one feature, and the one outcome of a window."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Three outcomes, not two: "could not look" is neither a pass nor a violation."""

    SATISFIED = "satisfied"
    VIOLATED = "violated"
    NOT_EVALUATED = "not_evaluated"


class Verdict(StrEnum):
    """The one outcome of (endpoint, variant, monitor, window)."""

    OK = "ok"
    VIOLATED = "violated"
    NO_TRAFFIC = "no_traffic"
    CAPTURE_GAP = "capture_gap"
    TOO_FEW = "too_few"
    LABELS_PENDING = "labels_pending"
    FAILED = "failed"


class Severity(StrEnum):
    """How far a violated check is beyond its limit, in shares of the data or of the distribution."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Check(StrEnum):
    """Model Monitor's ``constraint_check_type``."""

    DATA_TYPE = "data_type_check"
    COMPLETENESS = "completeness_check"
    CATEGORICAL_VALUES = "categorical_values_check"
    BASELINE_DRIFT = "baseline_drift_check"
    MISSING_COLUMN = "missing_column_check"
    EXTRA_COLUMN = "extra_column_check"
    LESS_THAN_THRESHOLD = "LessThanThreshold"
    GREATER_THAN_THRESHOLD = "GreaterThanThreshold"
    BIAS_DRIFT = "bias_drift_check"
    ATTRIBUTION_DRIFT = "feature_attribution_drift_check"


_MEDIUM_EXCESS = 0.05
_HIGH_EXCESS = 0.25


@dataclass(frozen=True)
class Finding:
    """One check of one feature.

    ``observed`` and ``limit`` are the numbers that were compared, ``None`` where there are none. ``excess`` says how
    far beyond the limit a violation is, as a share in 0..1, and orders findings of different checks. ``distance`` is
    that of the distributions, where a drift check compared them by one. ``reason`` is a sentence for people (Model
    Monitor's wording where its documents hold it); it names features, shares and distances, never captured values.
    """

    feature: str
    check: Check
    outcome: Outcome
    reason: str
    observed: float | None = None
    limit: float | None = None
    excess: float = 0.0
    distance: float | None = None

    @property
    def severity(self) -> Severity:
        """Return low, medium or high by ``excess``: from 5 % on medium, from 25 % on high."""
        if self.excess >= _HIGH_EXCESS:
            return Severity.HIGH
        return Severity.MEDIUM if self.excess >= _MEDIUM_EXCESS else Severity.LOW


def worst_first(findings: list[Finding] | tuple[Finding, ...]) -> list[Finding]:
    """Return the violated findings, the one furthest beyond its limit first; ties by feature and check."""
    violated = [finding for finding in findings if finding.outcome is Outcome.VIOLATED]
    return sorted(violated, key=lambda finding: (-finding.excess, finding.feature, finding.check))
