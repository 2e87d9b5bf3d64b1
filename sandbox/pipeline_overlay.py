"""Pipelines that run: moto keeps pipelines and calls every execution succeeded at once; here they take their time.

A definition is refused when it is created if the sandbox could not run it, and an execution when it is started
without a parameter that it needs.
"""

import random
import string
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemaker.utils import arn_formatter, get_pipeline_execution_from_arn, get_pipeline_from_name

from sandbox.aws_client import local_client
from sandbox.pipeline_definition import DefinitionError, PipelineDefinition
from sandbox.pipeline_execution import PipelineExecution
from sandbox.sagemaker_overlay import EndpointBackend


class PipelineBackend(EndpointBackend):
    """Moto's backend with endpoints, a registry and pipelines that behave."""

    def create_pipeline(self, **arguments: Any) -> Any:
        """Create a pipeline whose definition can be run."""
        text = self._definition(
            arguments.pop("pipeline_definition"), arguments.pop("pipeline_definition_s3_location", None)
        )
        _parsed(text)
        return super().create_pipeline(pipeline_definition=text, pipeline_definition_s3_location=None, **arguments)

    def update_pipeline(self, pipeline_name: str, **kwargs: Any) -> str:
        """Change what is given; the executions that run keep the definition they were started with."""
        text = self._definition(kwargs.pop("pipeline_definition"), kwargs.pop("pipeline_definition_s3_location", None))
        if text:
            _parsed(text)
        arn = super().update_pipeline(pipeline_name, pipeline_definition=text, **kwargs)
        self.pipelines[pipeline_name].last_modified_time = utcnow()
        return arn

    def _definition(self, text: str | None, location: dict[str, str] | None) -> str | None:
        if text or not location:
            return text
        found = local_client("s3", self.url).get_object(Bucket=location["Bucket"], Key=location["ObjectKey"])
        return str(found["Body"].read().decode())

    def start_pipeline_execution(
        self,
        pipeline_name: str,
        pipeline_execution_display_name: str,
        pipeline_parameters: list[dict[str, Any]],
        pipeline_execution_description: str,
        parallelism_configuration: dict[str, int],
        client_request_token: str,
    ) -> dict[str, str]:
        """Start an execution, or return the one that was started with this token."""
        pipeline = get_pipeline_from_name(self.pipelines, pipeline_name)
        for arn, begun in pipeline.pipeline_executions.items():
            if client_request_token and begun.client_request_token == client_request_token:
                return {"PipelineExecutionArn": arn}
        definition = _parsed(pipeline.pipeline_definition)
        try:
            arguments = definition.arguments(pipeline_parameters or [])
        except DefinitionError as error:
            raise ValidationError(message=str(error)) from None
        execution_id = "".join(random.choices(string.ascii_lowercase + string.digits, k=12))
        name = f"{pipeline.pipeline_name}/execution/{execution_id}"
        execution = PipelineExecution(
            url=self.url,
            region=self.region_name,
            pipeline_arn=pipeline.arn,
            arguments=arguments,
            pipeline_execution_arn=arn_formatter("pipeline", name, self.account_id, self.region_name),
            pipeline_execution_display_name=pipeline_execution_display_name or f"execution-{execution_id}",
            pipeline_parameters=pipeline_parameters or [],
            pipeline_execution_description=pipeline_execution_description,
            pipeline_definition=pipeline.pipeline_definition,
            parallelism_configuration=parallelism_configuration or pipeline.parallelism_configuration,
            client_request_token=client_request_token,
        )
        pipeline.pipeline_executions[execution.arn] = execution
        pipeline.last_execution_time = execution.start_time
        execution.start()
        return {"PipelineExecutionArn": execution.arn}

    def execution(self, arn: str) -> PipelineExecution:
        """Return an execution, ``ValidationError`` if there is none."""
        found: PipelineExecution = get_pipeline_execution_from_arn(self.pipelines, arn)
        return found

    def describe_pipeline_execution(self, pipeline_execution_arn: str) -> dict[str, Any]:
        """Describe the execution with its failure reason, if it has one."""
        described = super().describe_pipeline_execution(pipeline_execution_arn)
        reason = self.execution(pipeline_execution_arn).pipeline_execution_failure_reason
        return _present(described | {"FailureReason": reason, "PipelineExperimentConfig": None})

    def list_pipeline_executions(self, pipeline_name: str) -> dict[str, Any]:
        """List the executions, newest first as the service does by default, without empty failure reasons."""
        listed = super().list_pipeline_executions(pipeline_name)["PipelineExecutionSummaries"]
        for summary in listed:
            reason = self.execution(summary["PipelineExecutionArn"]).pipeline_execution_failure_reason
            summary["PipelineExecutionFailureReason"] = reason
        return {"PipelineExecutionSummaries": [_present(summary) for summary in reversed(listed)]}


def _parsed(text: str | None) -> PipelineDefinition:
    try:
        return PipelineDefinition.parse(text or "")
    except DefinitionError as error:
        raise ValidationError(message=str(error)) from None


def _present(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if value is not None}


def install() -> None:
    """Give moto the operations that it lacks. Call once, before the first request."""
    SageMakerResponse.list_pipeline_executions = _list_pipeline_executions
    SageMakerResponse.list_pipeline_execution_steps = _list_pipeline_execution_steps
    SageMakerResponse.stop_pipeline_execution = _stop_pipeline_execution


def _list_pipeline_executions(self: Any) -> ActionResult:
    listed = self.sagemaker_backend.list_pipeline_executions(self._get_param("PipelineName"))
    found = listed["PipelineExecutionSummaries"]
    if self._get_param("SortOrder") == "Ascending":
        found.reverse()
    return ActionResult(_page(self, "PipelineExecutionSummaries", found))


def _list_pipeline_execution_steps(self: Any) -> ActionResult:
    execution = self.sagemaker_backend.execution(self._get_param("PipelineExecutionArn"))
    found = [step.summary() for step in execution.steps]
    if self._get_param("SortOrder", "Descending") == "Descending":
        found.reverse()
    return ActionResult(_page(self, "PipelineExecutionSteps", found))


def _stop_pipeline_execution(self: Any) -> ActionResult:
    execution = self.sagemaker_backend.execution(self._get_param("PipelineExecutionArn"))
    if not execution.stop():
        message = f"Pipeline execution with ARN {execution.arn} has ended: {execution.pipeline_execution_status}"
        raise ValidationError(message=message)
    return ActionResult({"PipelineExecutionArn": execution.arn})


def _page(self: Any, name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    start = int(self._get_param("NextToken") or 0)
    end = start + int(self._get_param("MaxResults") or 100)
    return _present({name: found[start:end], "NextToken": str(end) if end < len(found) else None})
