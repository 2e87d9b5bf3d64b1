"""Clarify's ``constraint_violations.json`` of attributions, with its wording."""

import json
from collections.abc import Iterable

from watchkeeper.analysis.finding import Finding, Outcome


def attribution_violation_text(ndcg: float, threshold: float) -> str:
    """Return Clarify's description; its "exceeds" means that NDCG lies below the threshold."""
    return f"Feature attribution drift {ndcg} exceeds threshold {threshold}"


def encode_attribution_violations(findings: Iterable[Finding]) -> bytes | None:
    """Return the document of the violated findings, or ``None`` when there are none: then no file is written.

    Keys stand in alphabetical order, as in the reports of bias that Clarify wrote.
    """
    violations = [
        {
            "constraint_check_type": finding.check.value,
            "description": attribution_violation_text(finding.observed, finding.limit),
            "label": finding.feature,
            "metric_name": "shap",
        }
        for finding in findings
        if finding.outcome is Outcome.VIOLATED and finding.observed is not None and finding.limit is not None
    ]
    document = {"version": "1.0", "violations": violations}
    return json.dumps(document, indent=2, ensure_ascii=False).encode() if violations else None
