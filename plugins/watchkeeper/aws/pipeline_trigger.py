"""Waits until a pipeline execution has ended, and stops it when the task is killed."""

from typing import Any

from watchkeeper.aws.pipeline_hook import PipelineHook, stop_request
from watchkeeper.aws.service_trigger import ServiceTrigger


class PipelineEndedTrigger(ServiceTrigger):
    """Fires when an execution has ended, well or badly; which of them is for the caller to read.

    :param execution_arn: the execution's ARN.
    :param cancel_on_kill: whether the execution is stopped when a person marks or clears the waiting task.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks to take.
    :param aws_conn_id: the Airflow connection used for AWS credentials.
    """

    hook_class = PipelineHook

    def __init__(
        self,
        *,
        execution_arn: str,
        cancel_on_kill: bool = True,
        waiter_delay: int = 60,
        waiter_max_attempts: int = 720,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            serialized_fields={"execution_arn": execution_arn, "cancel_on_kill": cancel_on_kill},
            waiter_name="pipeline_execution_ended",
            waiter_args={"PipelineExecutionArn": execution_arn},
            failure_message=f"Waiting for {execution_arn} failed",
            status_message=f"Pipeline execution {execution_arn}",
            status_queries=["PipelineExecutionStatus", "FailureReason"],
            return_key="execution_arn",
            return_value=execution_arn,
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
        self.execution_arn = execution_arn
        self.cancel_on_kill = cancel_on_kill

    async def on_kill(self) -> None:
        """Stop the execution: Airflow calls this when a person ends the waiting task, not when a triggerer restarts."""
        if not self.cancel_on_kill:
            return
        self.log.info("Stopping pipeline execution %s", self.execution_arn)
        async with await self.hook().get_async_conn() as client:  # type: ignore[no-untyped-call]
            await client.stop_pipeline_execution(**stop_request(self.execution_arn))
