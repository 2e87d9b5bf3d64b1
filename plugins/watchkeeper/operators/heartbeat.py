"""The heartbeat of our own DAGs: a point at the end of every run, whose absence is alarmed on."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watchkeeper.operators.monitor_base import MonitorOperator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from airflow.sdk import Context

    from watchkeeper.operators.monitor_base import Deployment


def heartbeat_faults(deployment: "Deployment", dag_id: str, warn: Callable[[str], None]) -> list[str]:
    """Tell CloudWatch that a run of a DAG came to its end; return what went wrong, a sentence each, none if nothing.

    For the last task that writes in a scheduled DAG, whose trigger rule is ``all_done``: a run that failed came to its
    end too. A heartbeat that could not be written is a fault of the run and no reason to stop what else it does.
    A retry beats again: the alarm counts no beats, it asks whether there are any.
    """
    from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
    from watchkeeper.aws.monitor_metrics import heartbeat_point, run_namespace

    try:
        report = deployment.access.open(CloudWatchHook).put_metric_data(
            run_namespace(deployment.settings.metrics_namespace), [heartbeat_point(dag_id, datetime.now(UTC))]
        )
    except Exception as error:  # noqa: BLE001 - no credentials, no connection: whatever it is, the run goes on
        report = None
        faults = [f"heartbeat of {dag_id}: {error}"]
    if report is not None:
        faults = [f"heartbeat of {dag_id}: CloudWatch refused {refusal}" for refusal in report.refusals]
        if report.failure is not None:
            faults.append(f"heartbeat of {dag_id}: {report.failure}")
    for fault in faults:
        warn(fault)
    return faults


class HeartbeatOperator(MonitorOperator):
    """Tell CloudWatch that a run of a DAG came to its end: for DAGs of your own that should be watched like ours.

    Put it last, with the trigger rule ``all_done``. The point is ``Heartbeat`` under ``Watchkeeper/Runs``, dimension
    Dag. RuntimeError if it could not be written.

    :param dag_name: The DAG that it speaks of; empty for the task's own. (templated)
    """

    template_fields: "Sequence[str]" = (*MonitorOperator.template_fields, "dag_name")

    def __init__(self, *, dag_name: str = "", **kwargs: "Any") -> None:
        super().__init__(**kwargs)
        self.dag_name = dag_name

    def execute(self, context: "Context") -> str:
        """Write the point; return the name of the DAG."""
        name = self.dag_name or str(getattr(context.get("dag_run"), "dag_id", "") or self.dag_id)
        faults = heartbeat_faults(self.open_deployment(), name, self.log.warning)
        if faults:
            raise RuntimeError("; ".join(faults))
        return name
