"""Which page of ``include/runbooks`` explains a finding or a verdict."""

FINDING_RUNBOOKS = (
    "data_type_check",
    "completeness_check",
    "baseline_drift_check",
    "categorical_values_check",
    "missing_column_check",
    "extra_column_check",
    "malformed_lines",
    "LessThanThreshold",
    "GreaterThanThreshold",
    "bias_drift_check",
    "feature_attribution_drift_check",
)
"""The kinds of findings; each has a page of its name."""

VERDICT_RUNBOOKS = ("capture_gap", "no_traffic", "too_few", "labels_pending", "failed")
"""The verdicts that are explained by themselves. ``violated`` is explained by its worst finding."""

INDEX_PAGE = "README.md"


def runbook_name(check_or_verdict: str) -> str:
    """Return the file name of the page for a check or a verdict; the index for what has no page of its own."""
    if check_or_verdict in FINDING_RUNBOOKS or check_or_verdict in VERDICT_RUNBOOKS:
        return f"{check_or_verdict}.md"
    return INDEX_PAGE


def runbook_link(runbooks_url: str, check_or_verdict: str) -> str:
    """Return the address of a page, given where the folder of runbooks can be read."""
    return f"{runbooks_url.rstrip('/')}/{runbook_name(check_or_verdict)}"
