"""Waits until a CodePipeline execution has ended, and stops it when the task is killed."""

from typing import Any

from watchkeeper.aws.code_pipeline_hook import KILLED, CodePipelineHook, stop_request
from watchkeeper.aws.service_trigger import ServiceTrigger


class CodePipelineTrigger(ServiceTrigger):
    """Fires when an execution has ended, well or badly; which of them is for the caller to read.

    :param pipeline: the pipeline's name.
    :param execution_id: the execution's id.
    :param cancel_on_kill: whether the execution is stopped when a person marks or clears the waiting task.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks to take.
    :param aws_conn_id: the Airflow connection used for AWS credentials.
    """

    hook_class = CodePipelineHook

    def __init__(
        self,
        *,
        pipeline: str,
        execution_id: str,
        cancel_on_kill: bool = True,
        waiter_delay: int = 30,
        waiter_max_attempts: int = 480,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            serialized_fields={
                "pipeline": pipeline,
                "execution_id": execution_id,
                "cancel_on_kill": cancel_on_kill,
            },
            waiter_name="execution_ended",
            waiter_args={"pipelineName": pipeline, "pipelineExecutionId": execution_id},
            failure_message=f"Waiting for execution {execution_id} of {pipeline} failed",
            status_message=f"Execution {execution_id} of {pipeline}",
            status_queries=["pipelineExecution.status", "pipelineExecution.statusSummary"],
            return_key="run_id",
            return_value=execution_id,
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
        self.pipeline = pipeline
        self.execution_id = execution_id
        self.cancel_on_kill = cancel_on_kill

    async def on_kill(self) -> None:
        """Stop the execution: Airflow calls this when a person ends the waiting task, not when a triggerer restarts."""
        if self.cancel_on_kill:
            self.log.info("Stopping execution %s of %s", self.execution_id, self.pipeline)
            async with await self.hook().get_async_conn() as client:  # type: ignore[no-untyped-call]
                await client.stop_pipeline_execution(**stop_request(self.pipeline, self.execution_id, KILLED))
