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

ALARM_RUNBOOKS = (
    "cpu_utilization",
    "gpu_utilization",
    "memory_utilization",
    "disk_utilization",
    "invocations_missing",
    "server_errors",
    "client_errors",
    "model_errors",
    "model_latency",
    "overhead_latency",
    "concurrency",
    "violations",
    "drift",
    "quality",
    "incident",
    "heartbeat",
    "own_alarm",
)
"""The pages of alarms."""

COST_RUNBOOKS = ("cost_ceiling",)
"""The pages of messages about cost."""

_SHARED_PAGES = {
    "gpu_memory_utilization": "gpu_utilization",
    "model_latency_p95": "model_latency",
    "model_latency_p99": "model_latency",
    "overhead_latency_p95": "overhead_latency",
}
"""Conditions that another's page explains too."""

NOTICE_RUNBOOKS = ("reminder", "alert_storm")
"""The pages of what messages do of themselves."""

REMEDIATION_RUNBOOKS = (
    "remediation_incident",
    "verification_failed",
    "action_refused",
    "incident_escalated",
    "circuit_breaker_open",
    "blast_radius_reached",
    "malformed_event",
    "unknown_endpoint",
)
"""The pages of what remediation tells people."""

EVENT_RUNBOOKS = (
    "event_code_pipeline",
    "event_code_build",
    "event_state_machine",
    "event_training_job",
    "event_tuning_job",
    "event_processing_job",
    "event_transform_job",
    "event_labeling_job",
    "event_pipeline",
    "event_endpoint",
    "event_model_package",
    "event_api_call",
    "event_other",
    "run_late",
    "run_stuck",
)
"""The pages of platform events and of deadlines."""

_SHARED_EVENT_PAGES: Mapping[EventKind, str] = {
    "code_pipeline_stage": "event_code_pipeline",
    "code_pipeline_action": "event_code_pipeline",
    "pipeline_step": "event_pipeline",
    "endpoint_config": "event_api_call",
    "model": "event_api_call",
}
"""Kinds of events that another's page explains too."""

INDEX_PAGE = "README.md"


def runbook_name(check_or_verdict: str) -> str:
    """Return the file name of the page for a check or a verdict; the index for what has no page of its own."""
    known = {
        *FINDING_RUNBOOKS,
        *VERDICT_RUNBOOKS,
        *ALARM_RUNBOOKS,
        *COST_RUNBOOKS,
        *NOTICE_RUNBOOKS,
        *REMEDIATION_RUNBOOKS,
        *EVENT_RUNBOOKS,
    }
    if check_or_verdict in known:
        return f"{check_or_verdict}.md"
    return INDEX_PAGE


def alarm_page(condition: str) -> str:
    """Return the file name of the page for an alarm's condition; own_alarm.md for an alarm that a file made up."""
    page = _SHARED_PAGES.get(condition.removesuffix("_daily"), condition.removesuffix("_daily"))
    return f"{page if page in ALARM_RUNBOOKS else 'own_alarm'}.md"


def alarm_runbook(runbooks_url: str | None, condition: str) -> str:
    """Return where the page of an alarm's condition is: its address, or its place where no address is known."""
    page = alarm_page(condition)
    return f"{runbooks_url.rstrip('/')}/{page}" if runbooks_url else f"include/runbooks/{page}"


def event_runbook(kind: EventKind) -> str:
    """Return the file name of the page for a kind of platform event."""
    return f"{_SHARED_EVENT_PAGES.get(kind, f'event_{kind}')}.md"


def runbook_link(runbooks_url: str, check_or_verdict: str) -> str:
    """Return the address of a page, given where the folder of runbooks can be read."""
    return f"{runbooks_url.rstrip('/')}/{runbook_name(check_or_verdict)}"
