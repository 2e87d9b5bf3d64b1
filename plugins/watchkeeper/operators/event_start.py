"""Starts what an event's rule names: a DAG's run, a SageMaker pipeline, a CodePipeline. Once per event."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from watchkeeper.operators.monitor_base import Deployment
    from watchkeeper.registry.event_rules import PlannedStart


class StartDagOperator(TriggerDagRunOperator):
    """Trigger a DAG's run by a rule; one that stands there already under the same run id is left alone.

    The amazon provider has nothing to do with it: this is Airflow's own way for a task to start a run. Give it no
    logical date: two runs of one date would be taken for one.
    """

    ui_color = "#e6dff4"

    @property
    def label(self) -> str:
        """What a mapped instance is called in the UI."""
        return str(self.trigger_dag_id)


def dag_start(start: "PlannedStart") -> "dict[str, Any]":
    """Return the arguments of the mapped task that triggers a DAG's run."""
    return {"trigger_dag_id": start.name, "trigger_run_id": start.run_id, "conf": dict(start.values)}


def start_pipeline(
    deployment: "Deployment", start: "PlannedStart", *, now: "datetime", run_id: str, log: Callable[..., None]
) -> None:
    """Start a pipeline's execution, unless this start was made before.

    Two guards: the record says that it is done, and AWS itself takes the same token for the same request. Raises
    PipelineError, PermissionMissingError or whatever else AWS answers; then the next try may start it.
    """
    from watchkeeper.aws.code_pipeline_hook import CodePipelineHook
    from watchkeeper.aws.pipeline_hook import PipelineHook

    what = f"{start.target} {start.name}"
    claim = deployment.event_work.claim(f"start-{start.token}", what, now=now, run_id=run_id)
    if claim is None:
        return
    values = {name: str(value) for name, value in start.values.items()}
    try:
        if start.target == "sagemaker_pipeline":
            execution = deployment.access.open(PipelineHook).start_once(start.name, start.token, values)
        else:
            execution = deployment.access.open(CodePipelineHook).start_execution(start.name, start.token, values)
    except Exception:
        deployment.event_work.release(claim)
        raise
    deployment.event_work.settle(claim, now=now, result=execution)
    log("Started %s: %s", what, execution)
