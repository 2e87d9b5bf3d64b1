"""Clarify's ``constraint_violations.json`` of bias."""

import json
from collections.abc import Iterable

from watchkeeper.analysis.bias_finding import BiasFinding
from watchkeeper.analysis.finding import Outcome


def encode_bias_violations(findings: Iterable[BiasFinding]) -> bytes | None:
    """Return the document of the violated findings, or ``None`` when there are none: then no file is written."""
    violations = [
        {
            "constraint_check_type": finding.check.value,
            "description": finding.reason,
            "facet": finding.facet,
            "facet_value": finding.facet_value,
            "metric_name": finding.metric,
        }
        for finding in findings
        if finding.outcome is Outcome.VIOLATED
    ]
    if not violations:
        return None
    return json.dumps({"version": "1.0", "violations": violations}, indent=4, ensure_ascii=False).encode()
