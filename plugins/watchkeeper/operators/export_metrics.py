"""Exports judged windows as telemetry: each result once, and never at the cost of the run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.alert_record import EXPORT_PART
from watchkeeper.aws.monitor_metrics import summary_points
from watchkeeper.operators.alert_message import ALERTING_VERDICTS
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator
from watchkeeper.operators.otlp_export import ExportError, GaugePoint, LogEntry, Value, export_telemetry
from watchkeeper.operators.put_metrics import window_results
from watchkeeper.operators.result_claims import claim_results, settle_claims
from watchkeeper.registry.capture_window import Period, Window
from watchkeeper.registry.monitor_spec import MonitorName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.window_result import WindowResult
    from watchkeeper.registry.endpoint_spec import EndpointSpec

_UNITS = {"Count": "{count}", "Seconds": "s", "None": "1"}


@dataclass(frozen=True)
class ExportSummary:
    """How many results were exported, and in words what did not go well."""

    exported: int = 0
    warnings: tuple[str, ...] = ()


class ExportMetricsOperator(MonitorOperator):
    """Export a judged window to the receiver that ``routing.export`` of the fleet's file names; each result once.

    A receiver that does not take it is a warning in the log and in what is returned; the task goes on.

    :param endpoint: The endpoint's registry id. (templated)
    :param window_start: Start of the window, as ISO 8601 text with its offset. (templated)
    :param window_end: End of the window. (templated)
    :param period: ``hourly`` or ``daily``.
    :param monitor: The monitor whose result it is.
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "endpoint", "window_start", "window_end")

    def __init__(
        self,
        *,
        endpoint: str,
        window_start: str,
        window_end: str,
        period: Period = "hourly",
        monitor: MonitorName = "data_quality",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.window_start = window_start
        self.window_end = window_end
        self.period = period
        self.monitor = monitor

    def execute(self, context: "Context") -> dict[str, Any]:
        """Export the window's results; return how many were exported, and the warnings."""
        deployment = self.open_deployment()
        found = window_results(deployment, self.endpoint, self.window_start, self.window_end, self.period, self.monitor)
        run_id = str(getattr(context.get("dag_run"), "run_id", "") or "")
        summary = export_results(deployment, found, self.log.warning, run_id)
        return {"exported": summary.exported, "warnings": list(summary.warnings)}


def export_results(
    deployment: Deployment, results: "Iterable[WindowResult]", warn: Callable[..., None], run_id: str = ""
) -> ExportSummary:
    """Export results as metrics and logs, where the fleet's file names a receiver; never raises.

    Each result's export is guarded by a record of its own. After a failure the records are given back, so that the next
    run that has these results exports them; what the receiver took before, it may then get twice.
    """
    try:
        spec = deployment.fleet.routing.export
        if spec is None:
            return ExportSummary()
        now = datetime.now(UTC)
        told: list[str] = []
        claimed = claim_results(
            deployment, results, kind="telemetry", part=EXPORT_PART, now=now, run_id=run_id, warn=told.append
        )
        found = [result for result, _ in claimed]
        claims = [claim for _, claim in claimed]
        try:
            report = export_telemetry(
                spec,
                [point for result in found for point in _points(deployment, result)],
                [_entry(deployment, result) for result in found],
                now=now,
            )
        except ExportError:
            settle_claims(claims, deployment.alerts.release)
            raise
        settle_claims(claims, lambda claim: deployment.alerts.mark_sent(claim, now=now))
    except Exception as error:  # noqa: BLE001 - telemetry is not what a run is for
        message = f"telemetry was not exported: {' '.join(str(error).split()) or type(error).__name__}"
        warn("%s", message)
        return ExportSummary(0, (message,))
    told += [f"telemetry: {refusal}" for refusal in report.refusals]
    for message in told:
        warn("%s", message)
    return ExportSummary(len(found), tuple(told))


def _points(deployment: Deployment, result: "WindowResult") -> list[GaugePoint]:
    """Return the window's summary, as CloudWatch has it, and a model's quality by metric."""
    attributes = _attributes(deployment, result)
    at = Window.from_name(result.window).start
    found = [
        GaugePoint(
            name=f"watchkeeper.{result.monitor}.{_snake(point['MetricName'])}",
            value=point["Value"],
            at=at,
            unit=_UNITS[point["Unit"]],
            attributes=attributes,
        )
        for point in summary_points(result)
    ]
    if result.verdict in {"ok", "violated"}:
        found += [
            GaugePoint(f"watchkeeper.{result.monitor}.{_snake(name)}", value, at, attributes=attributes)
            for name, value in result.metrics.items()
            if name != "ndcg"
        ]
    return found


def _entry(deployment: Deployment, result: "WindowResult") -> LogEntry:
    spec = deployment.registry.endpoints.get(result.endpoint)
    wrong = result.verdict in ALERTING_VERDICTS
    more: dict[str, Value | None] = {
        "window": result.window,
        "verdict": result.verdict,
        "revision": result.revision,
        "violated_count": result.violated_count,
        "worst_feature": result.worst_feature,
        "worst_check": result.worst_check,
        "finding_severity": result.severity,
        "row_count": result.row_count,
        "digest": result.digest,
        "run_id": result.run_id,
    }
    return LogEntry(
        name="watchkeeper.verdict",
        body=f"{result.endpoint}/{result.variant}, {result.monitor}, {result.window}: {result.verdict}, "
        f"{result.reason}",
        at=Window.from_name(result.window).end,
        severity=(spec.alerts.severity if spec else "warning") if wrong else "info",
        attributes={
            **_attributes(deployment, result),
            **{name: value for name, value in more.items() if value is not None},
        },
    )


def _attributes(deployment: Deployment, result: "WindowResult") -> Mapping[str, str]:
    spec: EndpointSpec | None = deployment.registry.endpoints.get(result.endpoint)
    return {
        "endpoint": result.endpoint,
        "endpoint_name": result.endpoint_name,
        "variant": result.variant,
        "monitor": result.monitor,
        "period": result.period,
        "owner": result.owner,
        **{f"tag.{name}": value for name, value in (spec.tags if spec else {}).items()},
    }


def _snake(name: str) -> str:
    """Return ``RowCount`` as ``row_count``; what is lower case already, and NDCG, in one piece."""
    parts = []
    for place, char in enumerate(name):
        if char.isupper() and place and not name[place - 1].isupper():
            parts.append("_")
        parts.append(char.lower())
    return "".join(parts)
