"""Which page of ``include/runbooks`` explains a finding, a verdict or an event."""

from collections.abc import Mapping

from watchkeeper.registry.event_kind import EventKind

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

EVENT_RUNBOOKS: Mapping[EventKind, str] = {
    "code_pipeline": "event_code_pipeline.md",
    "code_pipeline_stage": "event_code_pipeline.md",
    "code_pipeline_action": "event_code_pipeline.md",
    "code_build": "event_code_build.md",
    "state_machine": "event_state_machine.md",
    "training_job": "event_training_job.md",
    "tuning_job": "event_tuning_job.md",
    "processing_job": "event_processing_job.md",
    "transform_job": "event_transform_job.md",
    "labeling_job": "event_labeling_job.md",
    "pipeline": "event_pipeline.md",
    "pipeline_step": "event_pipeline.md",
    "endpoint": "event_endpoint.md",
    "endpoint_config": "event_api_call.md",
    "model": "event_api_call.md",
    "model_package": "event_model_package.md",
    "api_call": "event_api_call.md",
    "other": "event_other.md",
}
"""The page of each kind of platform event."""
LATE_RUNBOOK = "run_late.md"
STUCK_RUNBOOK = "run_stuck.md"

INDEX_PAGE = "README.md"


def runbook_name(check_or_verdict: str) -> str:
    """Return the file name of the page for a check or a verdict; the index for what has no page of its own."""
    if check_or_verdict in FINDING_RUNBOOKS or check_or_verdict in VERDICT_RUNBOOKS:
        return f"{check_or_verdict}.md"
    return INDEX_PAGE


def event_runbook(kind: EventKind) -> str:
    """Return the file name of the page for a kind of platform event."""
    return EVENT_RUNBOOKS[kind]


def runbook_link(runbooks_url: str, check_or_verdict: str) -> str:
    """Return the address of a page, given where the folder of runbooks can be read."""
    return f"{runbooks_url.rstrip('/')}/{runbook_name(check_or_verdict)}"
