"""Records a verdict for everyone who was due, and tells whoever has to know."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias, conf

from watchkeeper.operators.due_endpoints import find_due_work
from watchkeeper.operators.heartbeat import heartbeat_faults
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once
from watchkeeper.operators.ripe_windows import find_ripe_work, read_label_scope
from watchkeeper.operators.run_window import DueWork, RunScope, read_scope
from watchkeeper.registry.capture_window import Period, Window, period_of
from watchkeeper.registry.monitor_spec import CAPTURE_MONITORS, LABEL_MONITORS, MonitorName
from watchkeeper.registry.window_rules import may_act

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.window_result import WindowResult
    from watchkeeper.operators.endpoint_analysis import EndpointAnalysis
    from watchkeeper.registry.endpoint_spec import EndpointSpec

#: Rings whenever verdicts were recorded.
VERDICTS = Asset(name="watchkeeper_verdicts", uri="watchkeeper://ledger/verdicts", group="watchkeeper")
#: Rings when a fresh window is violated: what remediation listens to.
VIOLATIONS = Asset(name="watchkeeper_violations", uri="watchkeeper://ledger/violations", group="watchkeeper")
#: An outlet that may stay silent: VIOLATIONS is added to it only when there are any.
VIOLATIONS_ALIAS = AssetAlias(name="watchkeeper_violations_of_run", group="watchkeeper")
#: Events carry pointers, not findings: what there is to do is read from S3.
_EVENT_ITEMS = 100
_READERS = 8
#: Items of each of the summary's lists: it travels by XCom, the whole is in the ledger.
_TOLD = 100
Due = tuple[MonitorName, str, Window]


@dataclass
class RunSummary:
    """What a run came to: small enough for XCom, read by the run's last task."""

    recorded: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ledger_files: list[str] = field(default_factory=list)
    metrics_accepted: int = 0
    metrics_refused: list[str] = field(default_factory=list)
    alerts_sent: list[str] = field(default_factory=list)
    alerts_quiet: list[str] = field(default_factory=list)
    alerts_silenced: list[str] = field(default_factory=list)
    exported: int = 0
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class PublishReportOperator(MonitorOperator):
    """Record the verdicts of a run, whatever happened before: ledger, metrics, alerts, heartbeat, asset events.

    Reads the results of everyone who was due from the report store. For a window of the run itself that has none,
    ``failed`` is recorded with its reason; a missed window that was to be made good and has none stays without a
    verdict, so that a later run makes it good. Everything it writes is guarded, so that it may be run again, and the
    ledger comes last: what has no verdict there is told and counted again.

    :param period: ``hourly`` or ``daily``; ``None`` for a run that judges windows of both.
    :param monitors: The monitors whose verdicts these are.
    :param due_task_id: The task that found who was due. Where it failed, that is worked out again.
    """

    def __init__(
        self,
        *,
        period: Period | None,
        monitors: Sequence[MonitorName] = CAPTURE_MONITORS,
        due_task_id: str = "due_endpoints",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("outlets", [VERDICTS, VIOLATIONS_ALIAS])
        super().__init__(**kwargs)
        self.period = period
        self.monitors = tuple(monitors)
        self.due_task_id = due_task_id

    def execute(self, context: "Context") -> dict[str, Any]:
        """Record and tell; return the run's summary."""
        with failing_at_once():
            deployment = self.open_deployment()
            scope = read_scope(context, self.period) if self.period else read_label_scope(context)
            for name in scope.endpoints:
                deployment.registry.require(name)
        summary = RunSummary(problems=list(deployment.registry.problems))
        results = self._collect(deployment, scope, self._due(context, deployment, scope))
        acting = self._acting(deployment, scope, results)
        self._put_metrics(deployment, scope, results, summary)
        self._export(deployment, scope, results, summary)
        stale = [] if scope.act is False else [item for item in results if item not in acting and item.revision > 1]
        self._publish(deployment, scope, acting, stale, summary)
        self._remind(deployment, scope, summary)
        self._record(deployment, scope, results, summary)
        self._ring(context, results, acting)
        self._sweep(deployment, scope, summary)
        # Last: it says that the run came to its end.
        summary.faults += heartbeat_faults(deployment, scope.dag_id or self.dag_id, self.log.warning)
        for result in results:
            self.log.info(
                "%s/%s %s: %s, %s", result.endpoint, result.variant, result.window, result.verdict, result.reason
            )
        return {name: value[:_TOLD] if isinstance(value, list) else value for name, value in vars(summary).items()}

    def _due(self, context: "Context", deployment: Deployment, scope: RunScope) -> list[Due]:
        """Return who was due when the run began: since then files and baselines may have come."""
        task_instance: Any = context.get("ti")
        found = None if task_instance is None else task_instance.xcom_pull(task_ids=self.due_task_id)
        if found is None:
            return [
                (monitor, item.endpoint, window)
                for monitor in self.monitors
                for item in self._work(deployment, scope, monitor)
                for window in item.windows
            ]
        return [
            (pack.get("monitor", self.monitors[0]), endpoint, Window.from_name(name))
            for pack in found
            for endpoint, names in pack["work"].items()
            for name in names
        ]

    def _work(self, deployment: Deployment, scope: RunScope, monitor: MonitorName) -> tuple[DueWork, ...]:
        if self.period:
            return find_due_work(deployment, scope, self.period, monitor)[0]
        return find_ripe_work(deployment, scope, monitor)

    def _collect(self, deployment: Deployment, scope: RunScope, due: list[Due]) -> list["WindowResult"]:
        """Return the results of everyone who was due; who has none for the run's own window gets one that says so."""
        sound = deployment.registry.endpoints
        wanted = [
            (monitor, sound[endpoint], variant, window)
            for monitor, endpoint, window in due
            if endpoint in sound
            for variant in sound[endpoint].variants
        ]

        def read(due: "tuple[MonitorName, EndpointSpec, str, Window]") -> "WindowResult | None":
            monitor, spec, variant, window = due
            return deployment.reports.read_result(spec.registry_id, variant, monitor, period_of(window), window)

        with ThreadPoolExecutor(_READERS) as readers:
            found = list(readers.map(read, wanted))
        results = []
        left = 0
        for one, result in zip(wanted, found, strict=True):
            if result is not None:
                results.append(result)
            elif (skipped := self._skipped(deployment, scope, *one)) is not None:
                results.append(skipped)
            elif one[-1] in scope.windows:
                results.append(self._missing(deployment, scope, *one))
            else:
                left += 1
        if left:
            self.log.warning("%d missed windows could not be made good in this run; they stay due", left)
        return results

    def _skipped(
        self,
        deployment: Deployment,
        scope: RunScope,
        monitor: MonitorName,
        spec: "EndpointSpec",
        variant: str,
        window: Window,
    ) -> "WindowResult | None":
        """Return the verdict of a window that the analysis left out for being empty; whatever happened in the run."""
        if spec.cost is None or not spec.cost.skip_empty_windows:
            return None
        try:
            return self._analysis(deployment, scope, monitor, spec).skipped(variant, window)
        except Exception:
            # Then it has no result, and is told as such.
            self.log.exception("%s/%s %s could not be looked at", spec.registry_id, variant, window)
            return None

    def _missing(
        self,
        deployment: Deployment,
        scope: RunScope,
        monitor: MonitorName,
        spec: "EndpointSpec",
        variant: str,
        window: Window,
    ) -> "WindowResult":
        reason = f"no result was written in run {scope.run_id or 'of this task'}: see the log of task analyze"
        return self._analysis(deployment, scope, monitor, spec).record_failure(variant, window, reason)

    def _analysis(
        self, deployment: Deployment, scope: RunScope, monitor: MonitorName, spec: "EndpointSpec"
    ) -> "EndpointAnalysis":
        from watchkeeper.operators.monitor_analysis import analysis_of

        return analysis_of(monitor)(deployment, spec, scope.run_id, scope.baseline, self.log.info, self.log.warning)

    def _record(
        self, deployment: Deployment, scope: RunScope, results: list["WindowResult"], summary: RunSummary
    ) -> None:
        from watchkeeper.aws.ledger import RunFacts

        run = RunFacts(run_id=scope.run_id, dag_id=scope.dag_id, recorded_at=datetime.now(UTC))
        located = [(result, self._report_uri(deployment, result)) for result in results]
        summary.ledger_files = list(deployment.ledger.record(located, run))
        summary.recorded = len(results)
        for result in results:
            summary.verdicts[result.verdict] = summary.verdicts.get(result.verdict, 0) + 1
            if result.verdict == "failed":
                summary.failed.append(f"{result.endpoint}/{result.variant} {result.window}: {result.reason}")

    def _acting(self, deployment: Deployment, scope: RunScope, results: list["WindowResult"]) -> list["WindowResult"]:
        """Return the results that may alert or act: those of fresh windows, or as the param ``act`` says.

        A window that waits for labels is as fresh as its labels may be late.
        """
        now = datetime.now(UTC)
        fresh = []
        for result in results:
            spec = deployment.registry.require(result.endpoint)
            hours = spec.alerts.act_within_hours
            within = deployment.settings.act_within_hours if hours is None else hours
            if within and result.monitor in LABEL_MONITORS and spec.ground_truth is not None:
                within += spec.ground_truth.waiting_hours
            if may_act(Window.from_name(result.window), now, within, scope.act):
                fresh.append(result)
        if len(fresh) < len(results):
            self.log.info("%d windows are too old to act on: recorded silently", len(results) - len(fresh))
        return fresh

    def _put_metrics(
        self, deployment: Deployment, scope: RunScope, results: list["WindowResult"], summary: RunSummary
    ) -> None:
        from watchkeeper.operators.put_metrics import put_monitor_metrics

        try:
            report = put_monitor_metrics(deployment, results, self.log.warning, scope.run_id)
        except Exception as error:
            # Metrics are not what alerts wait for; the last task fails the run for this.
            self.log.exception("Metrics could not be written")
            summary.faults.append(f"metrics: {type(error).__name__}: see the log of this task")
            return
        summary.metrics_accepted = report.accepted_count
        summary.metrics_refused = list(report.refusals)

    def _export(
        self, deployment: Deployment, scope: RunScope, results: list["WindowResult"], summary: RunSummary
    ) -> None:
        """Hand the results to whoever takes telemetry; what goes wrong with that is a warning, no more."""
        from watchkeeper.operators.export_metrics import export_results

        report = export_results(deployment, results, self.log.warning, scope.run_id)
        summary.exported = report.exported
        summary.warnings += report.warnings

    def _publish(
        self,
        deployment: Deployment,
        scope: RunScope,
        acting: list["WindowResult"],
        restated: list["WindowResult"],
        summary: RunSummary,
    ) -> None:
        """Tell what is fresh, and what takes back or corrects an alert, however late: somebody may still rely on it."""
        from watchkeeper.operators.finding_alerts import AlertPublisher

        publisher = AlertPublisher(
            deployment,
            dag_id=scope.dag_id,
            run_id=scope.run_id,
            airflow_url=conf.get("api", "base_url", fallback=None),
            tell=self.log.info,
        )
        report = publisher.publish(acting, restated)
        summary.alerts_sent, summary.alerts_quiet = list(report.sent), list(report.quiet)
        summary.alerts_silenced = list(report.silenced)
        summary.faults.extend(f"alert: {fault}" for fault in report.faults)
        if report.without_topic:
            self.log.warning(
                "%d alerts have no topic: set alerts.topic_arn in the endpoint's file, or WATCHKEEPER_TOPIC_ARN: %s",
                len(report.without_topic),
                ", ".join(report.without_topic[:10]),
            )

    def _remind(self, deployment: Deployment, scope: RunScope, summary: RunSummary) -> None:
        """Tell again what still stands, once an hour: not from runs by hand or over the past that are to be silent."""
        from watchkeeper.operators.message_text import RunOrigin
        from watchkeeper.operators.reminders import send_reminders

        if self.period != "hourly" or scope.act is False:
            return
        origin = RunOrigin(scope.dag_id, scope.run_id, conf.get("api", "base_url", fallback=None))
        try:
            outcomes = send_reminders(deployment, origin, now=datetime.now(UTC), warn=self.log.warning)
        except Exception as error:
            self.log.exception("Reminders could not be sent")
            summary.warnings.append(f"reminders: {type(error).__name__}: see the log of this task")
            return
        summary.warnings += [f"reminder: {outcome.why}" for outcome in outcomes if outcome.status == "failed"]

    def _ring(self, context: "Context", results: list["WindowResult"], acting: list["WindowResult"]) -> None:
        events: Any = context.get("outlet_events")
        if events is None:
            return
        windows = sorted({result.window for result in results})
        events[VERDICTS].extra = {
            "monitors": sorted({result.monitor for result in results}),
            "period": self.period or "",
            "windows": windows[-_EVENT_ITEMS:],
            "endpoints": sorted({result.endpoint for result in results})[:_EVENT_ITEMS],
        }
        violated = [result for result in acting if result.verdict == "violated"]
        if violated:
            items = [
                {
                    "monitor": result.monitor,
                    "endpoint": result.endpoint,
                    "variant": result.variant,
                    "window": result.window,
                    "digest": result.digest,
                    "severity": result.severity,
                }
                for result in violated[:_EVENT_ITEMS]
            ]
            events[VIOLATIONS_ALIAS].add(VIOLATIONS, extra={"period": self.period or "", "violated": items})

    def _sweep(self, deployment: Deployment, scope: RunScope, summary: RunSummary) -> None:
        """Delete what an analysis that was killed may have left behind."""
        from watchkeeper.operators.explained_model import run_digest
        from watchkeeper.operators.shadow_sweep import explained_endpoints, sweep_shadows

        explained = explained_endpoints(deployment) if "explainability" in self.monitors else []
        if not explained:
            return
        try:
            sweep_shadows(deployment, explained, run_digest(scope.dag_id, scope.run_id), self.log.info)
        except Exception as error:
            self.log.exception("Shadow endpoints could not be looked for")
            summary.faults.append(f"shadow endpoints: {type(error).__name__}: see the log of this task")

    def _report_uri(self, deployment: Deployment, result: "WindowResult") -> str:
        window = Window.from_name(result.window)
        return deployment.reports.report_uri(result.endpoint, result.variant, result.monitor, result.period, window)
