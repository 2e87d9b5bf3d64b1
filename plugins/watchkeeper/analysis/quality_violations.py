"""Model Monitor's ``constraint_violations.json`` of a model's quality: its wording and its names of metrics."""

from collections.abc import Iterable

from watchkeeper.analysis.finding import Check, Finding, Outcome
from watchkeeper.analysis.jackson_json import encode, java_double


def camel_case(metric: str) -> str:
    """Return a metric's name as the violations spell it: ``truePositiveRate``; digits keep their underscore."""
    first, *rest = metric.split("_")
    return first + "".join(f"_{part}" if part[:1].isdigit() else part.capitalize() for part in rest)


def violation_text(metric: str, value: float, deviation: float | None, operator: Check, threshold: float) -> str:
    """Return the description of a violation in the container's words, numbers as Java doubles.

    Where there is no standard deviation (fewer than 200 rows), it is not a number.
    """
    spread = java_double(float("nan") if deviation is None else deviation)
    return (
        f"Metric {camel_case(metric)} with {java_double(value)} +/- {spread} was {operator} '{java_double(threshold)}'"
    )


def encode_quality_violations(findings: Iterable[Finding]) -> bytes | None:
    """Return the document of the violated findings, or ``None`` when there are none: then no file is written."""
    violations = [
        {
            "constraint_check_type": finding.check.value,
            "description": finding.reason,
            "metric_name": camel_case(finding.feature),
        }
        for finding in findings
        if finding.outcome is Outcome.VIOLATED
    ]
    return encode({"violations": violations}) if violations else None
