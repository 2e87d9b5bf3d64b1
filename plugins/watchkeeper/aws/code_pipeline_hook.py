"""CodePipeline executions: started once, adopted, read and stopped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from watchkeeper.aws.service_failure import error_code, permission_named
from watchkeeper.aws.service_hook import ServiceHook
from watchkeeper.errors import PipelineError

_SUCCEEDED: Final = "Succeeded"
_UNFINISHED: Final = frozenset({"InProgress", "Stopping"})
_REASON_LIMIT: Final = 200
#: Why an execution was stopped whose task is no more.
KILLED: Final = "The Airflow task that waited for it was ended."
_ENDED_CODES = frozenset({"PipelineExecutionNotStoppableException", "DuplicatedStopRequestException"})


@dataclass(frozen=True)
class CodePipelineFacts:
    """What CodePipeline says about an execution; ``failures`` holds why actions failed, by ``stage/action``."""

    pipeline: str
    execution_id: str
    status: str
    summary: str = ""
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_succeeded(self) -> bool:
        """Whether all of it is done."""
        return self.status == _SUCCEEDED

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status not in _UNFINISHED

    @property
    def reason(self) -> str:
        """Why it did not succeed, in a sentence."""
        actions = "; ".join(f"{name}: {why.strip().rstrip('.')}" for name, why in self.failures.items())
        return f"the execution is {self.status}: {actions or self.summary or 'no reason is given'}"


class CodePipelineHook(ServiceHook):
    """Interact with AWS CodePipeline.

    Provide a thin wrapper around :external+boto3:py:class:`boto3.client("codepipeline") <CodePipeline.Client>`;
    throttled calls are retried with backoff, and the waiters are those of ``watchkeeper/aws/waiters``.

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "codepipeline"
        super().__init__(*args, **kwargs)

    def start_execution(
        self, pipeline: str, purpose: str, variables: Mapping[str, str] | None = None, attempt: int = 0
    ) -> str:
        """Return the id of the execution for a purpose; the same purpose and attempt start one execution.

        PipelineError if there is no such pipeline.

        :param pipeline: the pipeline's name.
        :param purpose: what the execution is for: who asks again with it adopts the execution.
        :param variables: values of the pipeline's variables, by name.
        :param attempt: counts the executions that failed before for the same purpose.
        """
        given = [{"name": name, "value": value} for name, value in sorted((variables or {}).items())]
        more = {"variables": given} if given else {}
        answer = self._ask(
            pipeline,
            "start_pipeline_execution",
            name=pipeline,
            clientRequestToken=request_token(pipeline, purpose, str(attempt)),
            **more,
        )
        return str(answer["pipelineExecutionId"])

    def execution(self, pipeline: str, execution_id: str) -> CodePipelineFacts:
        """Return what became of an execution so far, with the reasons of failed actions.

        :param pipeline: the pipeline's name.
        :param execution_id: the execution's id.
        """
        answer = self._ask(pipeline, "get_pipeline_execution", pipelineName=pipeline, pipelineExecutionId=execution_id)[
            "pipelineExecution"
        ]
        status = str(answer["status"])
        return CodePipelineFacts(
            pipeline=pipeline,
            execution_id=execution_id,
            status=status,
            summary=str(answer.get("statusSummary") or ""),
            failures=self._failures(pipeline, execution_id) if status == "Failed" else {},
        )

    def stop_execution(self, pipeline: str, execution_id: str, reason: str) -> bool:
        """Ask an execution to stop after its running actions; return ``False`` if it has ended, or was asked before.

        :param pipeline: the pipeline's name.
        :param execution_id: the execution's id.
        :param reason: why, in a sentence.
        """
        from botocore.exceptions import ClientError

        try:
            self._ask(pipeline, "stop_pipeline_execution", **stop_request(pipeline, execution_id, reason))
        except ClientError as error:
            if error_code(error) in _ENDED_CODES:
                return False
            raise
        return True

    def _failures(self, pipeline: str, execution_id: str) -> dict[str, str]:
        with permission_named("codepipeline", pipeline):
            pages = self.client.get_paginator("list_action_executions").paginate(
                pipelineName=pipeline, filter={"pipelineExecutionId": execution_id}
            )
            actions = [action for page in pages for action in page.get("actionExecutionDetails", ())]
        found: dict[str, str] = {}
        for action in actions:
            if action.get("status") == "Failed":
                result = action.get("output", {}).get("executionResult", {})
                why = result.get("errorDetails", {}).get("message") or result.get("externalExecutionSummary")
                found.setdefault(f"{action['stageName']}/{action['actionName']}", why or "no reason is given")
        return found

    def _ask(self, pipeline: str, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import ClientError

        with permission_named("codepipeline", pipeline):
            try:
                return getattr(self.client, operation)(**arguments)
            except ClientError as error:
                if error_code(error) not in {"PipelineNotFoundException", "PipelineExecutionNotFoundException"}:
                    raise
                what = "pipeline" if error_code(error) == "PipelineNotFoundException" else "execution of it"
                raise PipelineError(
                    pipeline,
                    f"CodePipeline in {self.client.meta.region_name} knows no such {what}",
                    "Correct its name, or the region, connection or role that reach it.",
                ) from error


def stop_request(pipeline: str, execution_id: str, reason: str) -> dict[str, Any]:
    """Return the arguments of StopPipelineExecution."""
    told = " ".join(reason.split())[:_REASON_LIMIT]
    return {"pipelineName": pipeline, "pipelineExecutionId": execution_id, "abandon": False, "reason": told}


def request_token(*parts: str) -> str:
    """Return the token under which a service starts a thing once, however often it is asked."""
    return sha256("\0".join(parts).encode()).hexdigest()
