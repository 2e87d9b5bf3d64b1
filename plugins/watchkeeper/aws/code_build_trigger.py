"""Waits until a CodeBuild build has ended, and stops it when the task is killed."""

from typing import Any

from watchkeeper.aws.code_build_hook import CodeBuildHook
from watchkeeper.aws.service_trigger import ServiceTrigger


class CodeBuildTrigger(ServiceTrigger):
    """Fires when a build has ended, well or badly; which of them is for the caller to read.

    :param build_id: the build's id.
    :param cancel_on_kill: whether the build is stopped when a person marks or clears the waiting task.
    :param waiter_delay: seconds between two looks.
    :param waiter_max_attempts: how many looks to take.
    :param aws_conn_id: the Airflow connection used for AWS credentials.
    """

    hook_class = CodeBuildHook

    def __init__(
        self,
        *,
        build_id: str,
        cancel_on_kill: bool = True,
        waiter_delay: int = 30,
        waiter_max_attempts: int = 480,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            serialized_fields={"build_id": build_id, "cancel_on_kill": cancel_on_kill},
            waiter_name="build_ended",
            waiter_args={"ids": [build_id]},
            failure_message=f"Waiting for build {build_id} failed",
            status_message=f"Build {build_id}",
            status_queries=["builds[0].buildStatus", "builds[0].currentPhase"],
            return_key="run_id",
            return_value=build_id,
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
            aws_conn_id=aws_conn_id,
            **kwargs,
        )
        self.build_id = build_id
        self.cancel_on_kill = cancel_on_kill

    async def on_kill(self) -> None:
        """Stop the build: Airflow calls this when a person ends the waiting task, not when a triggerer restarts."""
        if self.cancel_on_kill:
            self.log.info("Stopping build %s", self.build_id)
            async with await self.hook().get_async_conn() as client:  # type: ignore[no-untyped-call]
                await client.stop_build(id=self.build_id)
