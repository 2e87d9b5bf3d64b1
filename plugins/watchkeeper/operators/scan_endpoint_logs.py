"""Looks through endpoints' logs for errors, keeps a report of each hour and publishes how many there were."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.aws.log_hook import LogsHook
from watchkeeper.aws.monitor_metrics import OLDEST_POINT
from watchkeeper.operators.analyze_window import failure_reason
from watchkeeper.operators.monitor_base import LASTING_ERRORS, Deployment, MonitorOperator, failing_at_once
from watchkeeper.operators.run_window import read_scope
from watchkeeper.operators.scan_log_errors import MAXIMUM_LINES, scan_errors
from watchkeeper.registry.capture_window import Window, windows_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.log_report_store import LogReport
    from watchkeeper.registry.endpoint_spec import EndpointSpec


class ScanEndpointLogsOperator(MonitorOperator):
    """Scan the logs of endpoints for errors, hour by hour.

    The log group is SageMaker's, ``/aws/sagemaker/Endpoints/{name}``, in the endpoint's own account and region. Each
    hour's report is kept at ``logs/{endpoint}/yyyy/mm/dd/hh.json`` in the store, with the place of the captured request
    where a message names its inference id, and the number of errors is published once as ``LogErrorCount`` in
    ``Watchkeeper/Logs``. Of an endpoint that never logged anything nothing is said. One endpoint's failure does not
    take the others with it; the task fails at its end.

    :param endpoints: The endpoints' registry ids; ``None`` for all. (templated)
    :param window_start: Start of the time to scan, as ISO 8601 text with its offset; ``None`` for the run's hour.
        (templated)
    :param window_end: End of the time to scan. (templated)
    :param maximum_lines: How many lines of an hour to read at most; the report says whether that was all.
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "endpoints", "window_start", "window_end")
    ui_color = "#f4ece1"

    def __init__(
        self,
        *,
        endpoints: list[str] | None = None,
        window_start: str | None = None,
        window_end: str | None = None,
        maximum_lines: int = MAXIMUM_LINES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoints = endpoints
        self.window_start = window_start
        self.window_end = window_end
        self.maximum_lines = maximum_lines

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI."""
        return ", ".join(self.endpoints or ())

    def execute(self, context: "Context") -> dict[str, int]:
        """Return how many errors each endpoint's log tells of; those without a log are left out."""
        with failing_at_once():
            deployment = self.open_deployment()
            windows = self._windows(context)
        counts: dict[str, int] = {}
        faults = list(deployment.registry.problems) if self.endpoints is None else []
        may_pass_later = False
        for endpoint in sorted(deployment.registry.endpoints) if self.endpoints is None else self.endpoints:
            try:
                reports = self._scan(deployment, endpoint, windows)
            except Exception as error:
                # One endpoint's failure must not take the others with it, whatever it is.
                self.log.exception("The log of %s could not be scanned", endpoint)
                faults.append(f"{endpoint}: {failure_reason(error)}")
                may_pass_later = may_pass_later or not isinstance(error, LASTING_ERRORS)
            else:
                if reports:
                    counts[endpoint] = sum(report.scan.error_count for report in reports)
        if faults:
            message = "Not all logs could be scanned:\n" + "\n".join(f"  {fault}" for fault in faults)
            raise (AirflowException if may_pass_later else AirflowFailException)(message)
        return counts

    def _scan(self, deployment: Deployment, endpoint: str, windows: tuple[Window, ...]) -> "list[LogReport]":
        spec = deployment.registry.require(endpoint)
        hook = deployment.access_of(spec).open(LogsHook)
        log_group = endpoint_log_group(spec.endpoint_name)
        if hook.group(log_group) is None:
            self.log.info("%s: there is no log group %s: nothing was ever logged", endpoint, log_group)
            return []
        reports = []
        for window in windows:
            scan = scan_errors(hook, log_group, window.start, window.end, self.maximum_lines)
            report = deployment.log_reports.write(log_report(spec, window, scan))
            self.log.info(
                "%s, %s: %d lines tell of errors, in %d groups: %s",
                endpoint,
                window,
                scan.error_count,
                len(scan.groups),
                deployment.log_reports.uri(endpoint, window),
            )
            reports.append(self._published(deployment, report, window))
        return reports

    def _published(self, deployment: Deployment, report: "LogReport", window: Window) -> "LogReport":
        """Publish a report's number, unless that was done before or CloudWatch would refuse it for its age."""
        import msgspec

        from watchkeeper.aws.log_report_store import error_count_point, log_namespace

        now = datetime.now(UTC)
        if report.published_at is not None or now - window.start >= OLDEST_POINT:
            return report
        namespace = log_namespace(deployment.settings.metrics_namespace)
        outcome = deployment.access.open(CloudWatchHook).put_metric_data(namespace, [error_count_point(report)])
        if outcome.failure is not None:
            raise outcome.failure
        for refusal in outcome.refusals:
            self.log.warning("CloudWatch refused %s", refusal)
        if outcome.refusals:
            return report
        return deployment.log_reports.write(msgspec.structs.replace(report, published_at=now))

    def _windows(self, context: "Context") -> tuple[Window, ...]:
        if self.window_start is None or self.window_end is None:
            return read_scope(context, "hourly").windows
        asked = Window.parse(self.window_start, self.window_end)
        return windows_between("hourly", asked.start, asked.end)


def endpoint_log_group(endpoint_name: str) -> str:
    """Return the log group that SageMaker writes an endpoint's containers' output to."""
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"


def log_report(spec: "EndpointSpec", window: Window, scan: Any) -> "LogReport":
    """Return the report of one hour, with where the captured requests of the named inference ids lie."""
    from watchkeeper.aws.log_report_store import CaptureLink, LogReport

    links = {
        CaptureLink(inference_id, f"{spec.capture_prefix(variant)}{window.start_path}/")
        for group in scan.groups
        for stream in group.streams
        if (variant := stream.partition("/")[0]) in spec.variants
        for inference_id in group.inference_ids
    }
    return LogReport(
        endpoint=spec.registry_id,
        endpoint_name=spec.endpoint_name,
        window=window.name,
        scan=scan,
        captures=tuple(sorted(links)),
    )
