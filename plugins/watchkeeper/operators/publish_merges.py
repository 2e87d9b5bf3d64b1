"""Tells what a run of the ground truth merge came to, and rings for whoever judges by labels."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from watchkeeper.operators.due_labels import labelled_specs
from watchkeeper.operators.heartbeat import heartbeat_faults
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once

if TYPE_CHECKING:
    from airflow.sdk import Context

    from watchkeeper.aws.merge_manifest import MergeSummary

#: Rings when merged hours changed: what judges by labels listens to.
MERGED = Asset(name="watchkeeper_merged", uri="watchkeeper://merged", group="watchkeeper")
#: An outlet that may stay silent: MERGED is added to it only when something changed.
MERGED_ALIAS = AssetAlias(name="watchkeeper_merged_of_run", group="watchkeeper")
#: Events carry pointers: what there is to do is read from S3.
_EVENT_ENDPOINTS = 100
_EVENT_HOURS = 48
_READERS = 8
_TOLD = 100


@dataclass
class MergeReport:
    """What a run came to: small enough for XCom, read by the run's last task. ``changed`` counts hours by endpoint."""

    changed: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class PublishMergesOperator(MonitorOperator):
    """Tell what was merged, whatever happened before, emit ``watchkeeper_merged`` when something changed, and beat.

    Works out again who was due, and reads summaries and failures from the store. It may be run again.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("outlets", [MERGED_ALIAS])
        super().__init__(**kwargs)

    def execute(self, context: "Context") -> dict[str, Any]:
        """Tell and ring; return the run's report."""
        with failing_at_once():
            deployment = self.open_deployment()
            names = [spec.registry_id for spec in labelled_specs(deployment, context.get("params") or {})]
        run_id = str(getattr(context.get("dag_run"), "run_id", "") or "")
        report = MergeReport(problems=list(deployment.registry.problems[:_TOLD]))
        with ThreadPoolExecutor(_READERS) as readers:
            outcomes = list(readers.map(lambda name: self._outcome(deployment, name, run_id), names))
        summaries = []
        for name, (summary, failure) in zip(names, outcomes, strict=True):
            if failure is not None:
                report.faults.append(f"labels of {name}: {failure}")
            elif summary is None:
                report.faults.append(f"labels of {name}: never merged; see the log of task merge")
            elif summary.run_id == run_id and summary.changed_hours:
                summaries.append(summary)
                report.changed[name] = len(summary.changed_hours)
            if summary is not None:
                self._tell(summary)
        self._ring(context, summaries)
        dag_id = str(getattr(context.get("dag_run"), "dag_id", "") or self.dag_id)
        report.faults += heartbeat_faults(deployment, dag_id, self.log.warning)
        report.faults = report.faults[-_TOLD:]
        return vars(report)

    @staticmethod
    def _outcome(deployment: Deployment, name: str, run_id: str) -> "tuple[MergeSummary | None, str | None]":
        summary, _ = deployment.merged.read_summary(name)
        return summary, deployment.merged.read_failure(name, run_id)

    def _tell(self, summary: "MergeSummary") -> None:
        self.log.info(
            "%s: %s of %s captures have a label; %s labels, %s ids of labels that nobody captured, %s malformed lines",
            summary.endpoint,
            f"{summary.matched_count:,}",
            f"{summary.captured_count:,}",
            f"{summary.label_count:,}",
            f"{summary.unmatched_label_count:,}",
            f"{summary.malformed_label_count:,}",
        )

    @staticmethod
    def _ring(context: "Context", summaries: "list[MergeSummary]") -> None:
        events: Any = context.get("outlet_events")
        if events is None or not summaries:
            return
        changed = [
            {"endpoint": summary.endpoint, "hours": list(summary.changed_hours[-_EVENT_HOURS:])}
            for summary in summaries[:_EVENT_ENDPOINTS]
        ]
        events[MERGED_ALIAS].add(MERGED, extra={"changed": changed, "endpoint_count": len(summaries)})
