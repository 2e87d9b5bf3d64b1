"""Writes metrics to CloudWatch: a window's own, or any."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.aws.alert_record import METRICS_PART, AlertClaim
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook, MetricReport
from watchkeeper.aws.metric_roll_up import rolled_up
from watchkeeper.aws.monitor_metrics import (
    FEATURE_NAMESPACES,
    clarify_points,
    feature_points,
    is_too_old,
    model_points,
    summary_namespace,
    summary_points,
)
from watchkeeper.errors import ProblemsError
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator
from watchkeeper.operators.result_claims import claim_results, settle_claims
from watchkeeper.operators.service_base import ServiceOperator
from watchkeeper.registry.capture_window import Period, Window
from watchkeeper.registry.monitor_spec import CAPTURE_MONITORS, MonitorName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.window_result import WindowResult

STANDARD_RESOLUTION_SECONDS = 60
#: The option of each monitor that asks for its own metrics.
_PUBLISHES = {
    "data_quality": "publish_feature_metrics",
    "model_quality": "publish_model_metrics",
    "bias": "publish_bias_metrics",
    "explainability": "publish_attribution_metrics",
}


class CloudWatchPutMetricDataOperator(ServiceOperator):
    """Write metric points to CloudWatch, in batches within PutMetricData's limits.

    Points that CloudWatch refuses are logged and returned; they do not fail the task unless ``fail_on_refusal``.

    :param namespace: The metrics' namespace. (templated)
    :param metric_data: The points, as PutMetricData takes them. (templated)
    :param fail_on_refusal: Whether a refused point fails the task.
    """

    template_fields: "Sequence[str]" = (*ServiceOperator.template_fields, "namespace", "metric_data")

    def __init__(
        self, *, namespace: str, metric_data: list[dict[str, Any]], fail_on_refusal: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.namespace = namespace
        self.metric_data = metric_data
        self.fail_on_refusal = fail_on_refusal

    def execute(self, context: "Context") -> dict[str, Any]:  # noqa: ARG002
        """Write the points; return how many were accepted, and the refusals."""
        report = self.access.open(CloudWatchHook).put_metric_data(self.namespace, self.metric_data)
        if report.failure is not None:
            raise report.failure
        for refusal in report.refusals:
            self.log.warning("CloudWatch refused %s", refusal)
        if report.refusals and self.fail_on_refusal:
            message = f"CloudWatch refused {len(self.metric_data) - report.accepted_count} points"
            raise RuntimeError(message)
        return {"accepted": report.accepted_count, "refusals": list(report.refusals)}


class PutMonitorMetricsOperator(MonitorOperator):
    """Write the metrics of a judged window, from its result in the report store; each result's only once.

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
        """Write the window's metrics; return how many points were accepted, and the refusals."""
        deployment = self.open_deployment()
        report = put_monitor_metrics(
            deployment,
            window_results(deployment, self.endpoint, self.window_start, self.window_end, self.period, self.monitor),
            self.log.warning,
            run_id=str(getattr(context.get("dag_run"), "run_id", "") or ""),
        )
        return {"accepted": report.accepted_count, "refusals": list(report.refusals)}


def window_results(
    deployment: Deployment,
    endpoint: str,
    window_start: str,
    window_end: str,
    period: Period,
    monitor: MonitorName = "data_quality",
) -> list["WindowResult"]:
    """Return the newest results of all variants of an endpoint in a window; LookupError if there is none."""
    window = Window.parse(window_start, window_end)
    found = [
        result
        for variant in deployment.registry.require(endpoint).variants
        if (result := deployment.reports.read_result(endpoint, variant, monitor, period, window)) is not None
    ]
    if not found:
        message = f"{endpoint}, {window}: there is no result yet; run AnalyzeWindowOperator first"
        raise LookupError(message)
    return found


def put_monitor_metrics(
    deployment: Deployment, results: Iterable["WindowResult"], warn: Callable[[str], None], run_id: str = ""
) -> MetricReport:
    """Write the summaries of results, and per-feature metrics where their files ask for them.

    PutMetricData adds up, so each result's points are guarded by a record of their own and written once. Windows
    older than two weeks are left out: CloudWatch refuses them.
    """
    now = datetime.now(UTC)
    given = [result for result in results if not _is_skipped(deployment, result)]
    young = [result for result in given if not is_too_old(result, now)]
    too_old = len(given) - len(young)

    claimed = claim_results(deployment, young, kind="metrics", part=METRICS_PART, now=now, run_id=run_id, warn=warn)
    points: dict[str, list[dict[str, Any]]] = {}
    for result, _ in claimed:
        root = deployment.settings.metrics_namespace
        points.setdefault(summary_namespace(root, result.monitor), []).extend(summary_points(result))
        points.setdefault(FEATURE_NAMESPACES[result.monitor], []).extend(_own_points(deployment, result))
    claims = [claim for _, claim in claimed]
    if too_old:
        warn(f"{too_old} windows are older than two weeks: CloudWatch takes no points of them")
    return _put_all(deployment, points, claims, warn)


def _is_skipped(deployment: Deployment, result: "WindowResult") -> bool:
    """Return whether a window's metrics are left out for its being empty: a metric costs for each hour with a point."""
    spec = deployment.registry.endpoints.get(result.endpoint)
    return (
        result.verdict == "no_traffic"
        and result.monitor in CAPTURE_MONITORS
        and spec is not None
        and spec.cost is not None
        and spec.cost.skip_empty_windows
    )


def _resolution(deployment: Deployment) -> dict[str, int]:
    """Return what each point says about its resolution; the standard one where the fleet's file cannot be read."""
    try:
        seconds = deployment.fleet.cost.metric_resolution_seconds
    except ProblemsError:
        return {}
    return {} if seconds == STANDARD_RESOLUTION_SECONDS else {"StorageResolution": seconds}


def _own_points(deployment: Deployment, result: "WindowResult") -> list[dict[str, Any]]:
    """Return Model Monitor's own metrics of a result, where the endpoint's file asks for them, rolled up if it says so.

    A ceiling of cost may say so too.
    """
    spec = deployment.registry.require(result.endpoint)
    rules = getattr(spec.monitors, result.monitor)
    if rules is None or not getattr(rules, _PUBLISHES[result.monitor]):
        return []
    points = _single_points(deployment, result)
    return rolled_up(result, points) if spec.cost is not None and spec.cost.roll_up_metrics else points


def _single_points(deployment: Deployment, result: "WindowResult") -> list[dict[str, Any]]:
    if result.monitor == "model_quality":
        return model_points(result)

    def document(name: str) -> bytes | None:
        window = Window.from_name(result.window)
        return deployment.reports.read_document(
            result.endpoint, result.variant, result.monitor, result.period, window, name
        )

    if result.monitor == "data_quality":
        return feature_points(result, document("statistics.json"))
    return clarify_points(result, document("analysis.json"))


def _put_all(
    deployment: Deployment,
    points: dict[str, list[dict[str, Any]]],
    claims: list[AlertClaim],
    warn: Callable[[str], None],
) -> MetricReport:
    hook = deployment.access.open(CloudWatchHook)
    report = MetricReport(0)
    resolution = _resolution(deployment)
    for namespace, data in points.items():
        report = report.plus(hook.put_metric_data(namespace, [point | resolution for point in data]))
        if report.failure is not None:
            break
    for refusal in report.refusals:
        warn(f"CloudWatch refused {refusal}")
    if report.accepted_count or not (report.refusals or report.failure):
        # What was taken is there for good, and written again it would add up: then some points are better lost.
        sent_at = datetime.now(UTC)
        settle_claims(claims, lambda claim: deployment.alerts.mark_sent(claim, now=sent_at))
    else:
        settle_claims(claims, deployment.alerts.release)
    if report.failure is not None:
        raise report.failure
    return report
