"""What an alert says: text for people, attributes for subscription filters. Never a captured value."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from watchkeeper.aws.monitor_metrics import summary_namespace
from watchkeeper.operators.letter_bundle import GOOD_NEWS
from watchkeeper.operators.message_text import RunOrigin, console_base, link_lines, runbook_address
from watchkeeper.registry.capture_window import Window
from watchkeeper.registry.runbook_pages import runbook_name

if TYPE_CHECKING:
    from watchkeeper.aws.window_result import FindingRecord, WindowResult
    from watchkeeper.registry.deployment_settings import DeploymentSettings
    from watchkeeper.registry.endpoint_spec import EndpointSpec

TOP_FINDINGS = 5
#: Verdicts that somebody has to be told of.
ALERTING_VERDICTS = frozenset({"violated", "capture_gap", "failed"})


#: ``correction`` and ``withdrawal`` speak of a window that was told of before and restated since.
#: ``reminder`` says once more what still holds.
ALERT_KINDS = ("alert", "correction", "withdrawal", "recovery", "reminder")


@dataclass(frozen=True)
class AlertMessage:
    """One message."""

    subject: str
    text: str
    attributes: dict[str, str]


@dataclass(frozen=True)
class AlertLinks:
    """Where an alert leads."""

    runbook: str | None
    console: str | None
    airflow_run: str | None
    report: str


def compose_alert(result: "WindowResult", spec: "EndpointSpec", kind: str, links: AlertLinks) -> AlertMessage:
    """Return the message of a result. ``kind`` is one of ``ALERT_KINDS``."""
    window = Window.from_name(result.window)
    recovered = kind in GOOD_NEWS
    headline = _headline(result, spec, kind)
    lines = [
        f"{headline} ({result.monitor}, {result.variant}, {window})",
        "",
        f"Verdict: {result.verdict}",
        f"Reason: {result.reason}",
        *([f"Finding severity: {result.severity}"] if result.severity and not recovered else []),
        f"Rows: {_known(result.row_count)}",
        f"Owner: {result.owner}",
    ]
    if result.config_change:
        lines.append(f"Change: {result.config_change}")
    if result.baseline_note:
        lines.append(f"Note: {result.baseline_note}")
    violated = [finding for finding in result.findings if finding.outcome == "violated"]
    if violated and not recovered:
        lines += ["", f"Top findings ({min(len(violated), TOP_FINDINGS)} of {len(violated)}):"]
        lines += [f"  {_told(finding)}" for finding in violated[:TOP_FINDINGS]]
    lines += [
        "",
        *link_lines(runbook=links.runbook, metrics=links.console, airflow_run=links.airflow_run, report=links.report),
    ]
    severity = "info" if recovered else spec.alerts.severity
    return AlertMessage(
        subject=headline,
        text="\n".join(lines) + "\n",
        attributes={
            "endpoint": result.endpoint,
            "variant": result.variant,
            "monitor": result.monitor,
            "period": result.period,
            "verdict": result.verdict,
            "severity": severity,
            "owner": result.owner,
            "kind": kind,
            "window": result.window,
            **({"finding_severity": result.severity} if result.severity else {}),
        },
    )


def _headline(result: "WindowResult", spec: "EndpointSpec", kind: str) -> str:
    match kind:
        case "recovery":
            return f"{result.endpoint} is ok again"
        case "withdrawal":
            return f"{result.endpoint}: alert withdrawn, the window is {result.verdict} on restatement"
        case _:
            how = {"correction": "corrected, ", "reminder": "still "}.get(kind, "")
            return f"[{spec.alerts.severity}] {result.endpoint}: {how}{result.verdict}{_worst_in_subject(result)}"


def alert_links(
    result: "WindowResult",
    spec: "EndpointSpec",
    settings: "DeploymentSettings",
    *,
    region_name: str,
    report_uri: str,
    origin: RunOrigin,
) -> AlertLinks:
    """Return where an alert leads: the runbook of its worst finding, metrics, run and report."""
    console = console_base(settings, region_name)
    namespace = quote(summary_namespace(settings.metrics_namespace, result.monitor), safe="")
    return AlertLinks(
        runbook=_runbook(result, spec, settings),
        console=f"{console}/cloudwatch/home?region={region_name}#metricsV2:namespace={namespace};"
        f"query={quote(result.endpoint_name, safe='')}",
        airflow_run=origin.link(settings),
        report=report_uri,
    )


def runbook_page(result: "WindowResult") -> str:
    """Return the file of include/runbooks that explains a result: by its worst check, else by its verdict."""
    if result.verdict == "violated" and result.worst_check:
        return runbook_name(result.worst_check)
    if result.verdict == "failed" and result.malformed_count:
        return runbook_name("malformed_lines")
    return runbook_name(result.verdict)


def _runbook(result: "WindowResult", spec: "EndpointSpec", settings: "DeploymentSettings") -> str:
    return spec.alerts.runbook_url or runbook_address(settings, runbook_page(result))


def _told(finding: "FindingRecord") -> str:
    figures = ""
    if finding.observed is not None and finding.limit is not None:
        figures = f" (observed {finding.observed:.4g}, limit {finding.limit:.4g})"
    return f"{finding.feature}: {finding.check}, {finding.severity or 'unrated'}{figures}"


def _worst_in_subject(result: "WindowResult") -> str:
    if result.verdict != "violated" or not result.worst_feature:
        return ""
    return f", {result.worst_feature} {result.worst_check}"


def _known(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,}"
