"""Waits until a Logs Insights query has ended, and stops it when the task is killed."""

from typing import Any

from watchkeeper.aws.log_hook import LogsHook
from watchkeeper.aws.service_trigger import ServiceTrigger


class InsightsQueryTrigger(ServiceTrigger):
    """Fires when a query has ended, well or badly; which of them is for the caller to read.

    :param query_id: the query's id.
    :param cancel_on_kill: whether the query is stopped when a person marks or clears the waiting task.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks to take.
    :param aws_conn_id: the Airflow connection used for AWS credentials.
    """

    hook_class = LogsHook

    def __init__(
        self,
        *,
        query_id: str,
        cancel_on_kill: bool = True,
        waiter_delay: int = 5,
        waiter_max_attempts: int = 720,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            serialized_fields={"query_id": query_id, "cancel_on_kill": cancel_on_kill},
            waiter_name="insights_query_ended",
            waiter_args={"queryId": query_id},
            failure_message=f"Waiting for query {query_id} failed",
            status_message=f"Insights query {query_id}",
            status_queries=["status"],
            return_key="run_id",
            return_value=query_id,
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
        self.query_id = query_id
        self.cancel_on_kill = cancel_on_kill

    async def on_kill(self) -> None:
        """Stop the query: Airflow calls this when a person ends the waiting task, not when a triggerer restarts."""
        if self.cancel_on_kill:
            async with await self.hook().get_async_conn() as client:  # type: ignore[no-untyped-call]
                await client.stop_query(queryId=self.query_id)
