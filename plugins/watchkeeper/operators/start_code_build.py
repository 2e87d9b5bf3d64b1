"""Starts a CodeBuild build and waits for it."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.code_build_hook import CodeBuildHook
from watchkeeper.aws.code_build_trigger import CodeBuildTrigger
from watchkeeper.errors import PipelineError
from watchkeeper.operators.awaited_run import AwaitedRunOperator, task_purpose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class CodeBuildStartBuildOperator(AwaitedRunOperator):
    """Start a build of a CodeBuild project, or adopt this task's own, and wait until it has ended.

    A retry adopts the build that an earlier try started; where that failed, it starts another. The build finds its
    purpose in its environment as ``WATCHKEEPER_PURPOSE``. A build whose task is killed is stopped.

    .. seealso::
        :external+boto3:py:meth:`CodeBuild.Client.start_build`

    :param project: The project's name. (templated)
    :param request: More of StartBuild's arguments, such as ``sourceVersion`` or ``environmentVariablesOverride``.
        (templated)
    :param purpose: What the build is for: the same purpose finds the same build; ``None`` for this task of this run.
        (templated)
    :param wait_for_completion: Whether to wait; otherwise the started build's id is returned.
    """

    template_fields: "Sequence[str]" = (*AwaitedRunOperator.template_fields, "project", "request", "purpose")

    def __init__(
        self,
        *,
        project: str,
        request: dict[str, Any] | None = None,
        purpose: str | None = None,
        wait_for_completion: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.request = request
        self.purpose = purpose
        self.wait_for_completion = wait_for_completion

    def start(self, context: "Context") -> str:
        """Return the id of the build that runs or has succeeded for the purpose, else of a new one."""
        purpose = self.purpose or task_purpose(context)
        build_id = self._hook.start_build(self.project, purpose, self.request)
        self.log.info("Build %s is for %s", build_id, purpose)
        return build_id

    def has_ended(self, run_id: str) -> bool:
        """Say whether the build has ended, or is not waited for."""
        return not self.wait_for_completion or self._hook.build(run_id).has_ended

    def result(self, run_id: str) -> dict[str, Any]:
        """Return ``build_id``, ``status``, ``log_group`` and ``log_stream``; PipelineError with the phases' reasons."""
        facts = self._hook.build(run_id)
        if facts.has_ended and not facts.has_succeeded:
            raise PipelineError(run_id, facts.reason, "Mend the cause and clear this task: it starts another one.")
        return {
            "build_id": run_id,
            "status": facts.status,
            "log_group": facts.log_group,
            "log_stream": facts.log_stream,
        }

    def stop(self, run_id: str) -> bool:
        """Stop the build."""
        return self._hook.stop_build(run_id)

    def trigger(self, run_id: str) -> CodeBuildTrigger:
        """Return the trigger that waits for the build."""
        return CodeBuildTrigger(build_id=run_id, **self.trigger_arguments())

    @property
    def _hook(self) -> CodeBuildHook:
        return self.access.open(CodeBuildHook)
