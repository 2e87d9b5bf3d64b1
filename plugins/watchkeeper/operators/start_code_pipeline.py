"""Starts a CodePipeline execution and waits for it."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.code_pipeline_hook import KILLED, CodePipelineHook
from watchkeeper.aws.code_pipeline_trigger import CodePipelineTrigger
from watchkeeper.errors import PipelineError
from watchkeeper.operators.awaited_run import AwaitedRunOperator, task_purpose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class CodePipelineStartExecutionOperator(AwaitedRunOperator):
    """Start an execution of a CodePipeline, or adopt this task's own, and wait until it has ended.

    A retry adopts the execution that an earlier try started; where that failed, it starts another. An execution whose
    task is killed stops after its running actions.

    .. seealso::
        :external+boto3:py:meth:`CodePipeline.Client.start_pipeline_execution`

    :param pipeline: The pipeline's name. (templated)
    :param variables: Values of the pipeline's variables, by name. (templated)
    :param purpose: What the execution is for: the same purpose finds the same execution; ``None`` for this task of
        this run. (templated)
    :param wait_for_completion: Whether to wait; otherwise the started execution's id is returned.
    """

    template_fields: "Sequence[str]" = (*AwaitedRunOperator.template_fields, "pipeline", "variables", "purpose")

    def __init__(
        self,
        *,
        pipeline: str,
        variables: dict[str, str] | None = None,
        purpose: str | None = None,
        wait_for_completion: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.variables = variables
        self.purpose = purpose
        self.wait_for_completion = wait_for_completion

    def start(self, context: "Context") -> str:
        """Return the id of the execution that runs or has succeeded for the purpose, else of a new one."""
        hook, purpose = self._hook, self.purpose or task_purpose(context)
        tries = max(1, getattr(context.get("ti"), "try_number", 1))
        for attempt in range(tries):
            execution_id = hook.start_execution(self.pipeline, purpose, self.variables, attempt)
            facts = hook.execution(self.pipeline, execution_id)
            if not facts.has_ended or facts.has_succeeded:
                break
        self.log.info("Execution %s of %s is for %s", execution_id, self.pipeline, purpose)
        return execution_id

    def has_ended(self, run_id: str) -> bool:
        """Say whether the execution has ended, or is not waited for."""
        return not self.wait_for_completion or self._hook.execution(self.pipeline, run_id).has_ended

    def result(self, run_id: str) -> dict[str, str]:
        """Return ``execution_id`` and ``status``; PipelineError with the failed actions' reasons."""
        facts = self._hook.execution(self.pipeline, run_id)
        if facts.has_ended and not facts.has_succeeded:
            raise PipelineError(
                f"{self.pipeline} {run_id}", facts.reason, "Mend the cause and clear this task: it starts another one."
            )
        return {"execution_id": run_id, "status": facts.status}

    def stop(self, run_id: str) -> bool:
        """Stop the execution after its running actions."""
        return self._hook.stop_execution(self.pipeline, run_id, KILLED)

    def trigger(self, run_id: str) -> CodePipelineTrigger:
        """Return the trigger that waits for the execution."""
        return CodePipelineTrigger(pipeline=self.pipeline, execution_id=run_id, **self.trigger_arguments())

    @property
    def _hook(self) -> CodePipelineHook:
        return self.access.open(CodePipelineHook)
