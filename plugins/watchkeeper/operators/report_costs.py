"""Reports the month's cost, beside the prediction and the ceilings, and tells who has to know."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watchkeeper.operators.heartbeat import heartbeat_faults
from watchkeeper.operators.message_text import RunOrigin
from watchkeeper.operators.monitor_base import Deployment, MonitorOperator, failing_at_once
from watchkeeper.operators.notice import Notice, send_notice
from watchkeeper.registry.alarm_name import FLEET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from watchkeeper.aws.cost_store import CostReport, EndpointCost

RUNBOOK = "cost_ceiling.md"
METRIC = "EstimatedMonthlyCost"
_COST_NAME = "Cost"
_TOLD = 100
_LINES = 8


class ReportCostsOperator(MonitorOperator):
    """Write ``cost/yyyy/mm.json`` and its page, publish ``EstimatedMonthlyCost`` and tell of ceilings, once a month.

    Runs whatever happened before it, and says what housekeeping did. A notice is told once for each endpoint, month and
    set of steps that gave way, and once where the ceiling is exceeded all the same.

    :param task_ids: The tasks whose ``lines`` and ``faults`` stand in the report.
    """

    def __init__(self, *, task_ids: "Sequence[str]" = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.task_ids = tuple(task_ids)

    def execute(self, context: "Context") -> dict[str, Any]:
        """Return the run's summary: what changed, and all that went wrong."""
        from watchkeeper.operators.cost_page import cost_page
        from watchkeeper.operators.cost_report import make_report

        now = datetime.now(UTC)
        origin = RunOrigin.of(context)
        lines, faults = self._before(context)
        with failing_at_once():
            deployment = self.open_deployment()
        try:
            with failing_at_once():
                report = make_report(deployment, now, tuple(lines))
            uri = deployment.costs.write(report, cost_page(report))
            self.log.info("%s", cost_table(report))
            self.log.info("The page is at %s", uri)
            # What could not be counted is told with the report; the prediction stands in for it.
            for problem in report.problems:
                self.log.warning("%s", problem)
            faults += self._put_metrics(deployment, report, now)
            faults += self._tell(deployment, report, origin, now)
            changed = [*lines, f"{report.month}: {report.fleet.actual_usd:,.2f} USD a month found"]
        finally:
            faults += heartbeat_faults(deployment, origin.dag_id or self.dag_id, self.log.warning)
        return {"changed": changed[:_TOLD], "faults": faults[:_TOLD], "problems": list(deployment.registry.problems)}

    def _before(self, context: "Context") -> tuple[list[str], list[str]]:
        task_instance: Any = context.get("ti")
        lines: list[str] = []
        faults: list[str] = []
        for task_id in self.task_ids if task_instance is not None else ():
            # One that failed returned nothing, and is told by the run's last task.
            found = task_instance.xcom_pull(task_ids=task_id) or {}
            lines += found.get("lines", ())
            faults += found.get("faults", ())
        return lines, faults

    def _put_metrics(self, deployment: Deployment, report: "CostReport", now: datetime) -> list[str]:
        from watchkeeper.aws.cloudwatch_hook import CloudWatchHook

        points = [
            {
                "MetricName": METRIC,
                "Dimensions": [{"Name": "Endpoint", "Value": cost.endpoint}],
                "Timestamp": now,
                "Value": round(cost.actual_usd, 4),
                "Unit": "None",
            }
            for cost in (*report.endpoints, report.fleet)
        ]
        hook = deployment.access.open(CloudWatchHook)
        done = hook.put_metric_data(f"{deployment.settings.metrics_namespace}/{_COST_NAME}", points)
        refused = [f"metrics: CloudWatch refused {refusal}" for refusal in done.refusals]
        return [*refused, *([f"metrics: {done.failure}"] if done.failure else [])]

    def _tell(self, deployment: Deployment, report: "CostReport", origin: RunOrigin, now: datetime) -> list[str]:
        faults = []
        for notice in cost_notices(report):
            outcome = send_notice(deployment, notice, origin, now=now, warn=self.log.warning)
            self.log.info("%s: %s %s", notice.headline, outcome.status, outcome.why)
            if outcome.status == "failed":
                faults.append(f"notice: {notice.headline}: {outcome.why}")
        return faults


def cost_notices(report: "CostReport") -> Iterator[Notice]:
    """Yield what people have to know of a report: steps that gave way, and ceilings that are exceeded."""
    for cost in (*report.endpoints, report.fleet):
        is_fleet = cost.endpoint == FLEET
        name = "All endpoints" if is_fleet else cost.endpoint
        common: dict[str, Any] = {
            "kind": "cost",
            "endpoint": None if is_fleet else cost.endpoint,
            "owner": cost.owner or None,
            "runbook": RUNBOOK,
            "thread": f"cost/{cost.endpoint}/{report.month}",
            "lines": [*cost.notes, *_dearest(cost)],
        }
        if cost.steps:
            yield Notice(
                key=f"cost/{cost.endpoint}/{report.month}/{'+'.join(cost.steps)}",
                severity="info",
                headline=f"{name}: gives way to its cost ceiling: {', '.join(cost.steps)}",
                **common,
            )
        if cost.exceeds:
            refused = "; its infrastructure is not applied" if cost.is_refused else ""
            yield Notice(
                key=f"cost/{cost.endpoint}/{report.month}/exceeded{'-refused' if cost.is_refused else ''}",
                severity="critical" if cost.is_refused else "warning",
                headline=f"{name}: {cost.exceeds}{refused}",
                **common,
            )


def cost_table(report: "CostReport") -> str:
    """Return the report as lines of text for a log: all endpoints, the dearest first, then all together."""
    costs = sorted(report.endpoints, key=lambda one: (-one.predicted_usd, one.endpoint))
    width = max((len(cost.endpoint) for cost in costs), default=8)
    head = f"{'endpoint':<{width}} {'predicted':>10} {'found':>10} {'ceiling':>10}"
    return "\n".join(
        [f"{head}  USD a month; prices of {report.prices_of}"]
        + [
            f"{cost.endpoint:<{width}} {cost.predicted_usd:>10,.2f} {cost.actual_usd:>10,.2f} {_limit(cost):>10}"
            + (f"  {', '.join(cost.steps)}" if cost.steps else "")
            for cost in (*costs, report.fleet)
        ]
    )


def _limit(cost: "EndpointCost") -> str:
    return "none" if cost.ceiling_usd is None else f"{cost.ceiling_usd:,.2f}"


def _dearest(cost: "EndpointCost") -> list[str]:
    dearest = sorted(cost.predicted, key=lambda line: -line.usd)[:_LINES]
    return [f"{line.item}: {line.quantity:,.1f} {line.unit}, {line.usd:,.2f} USD a month" for line in dearest]
