"""SageMaker's jobs and pipeline executions through the amazon provider: what became of each."""

from typing import TYPE_CHECKING, Any, cast

from watchkeeper.aws.job_facts import JobFacts, read_facts
from watchkeeper.aws.service_failure import error_code, is_missing, permission_named
from watchkeeper.aws.service_hook import ServiceHook
from watchkeeper.errors import JobError
from watchkeeper.registry.event_kind import JobType

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

_CALLS: dict[JobType, tuple[str, str]] = {
    "training_job": ("describe_training_job", "TrainingJobName"),
    "tuning_job": ("describe_hyper_parameter_tuning_job", "HyperParameterTuningJobName"),
    "processing_job": ("describe_processing_job", "ProcessingJobName"),
    "transform_job": ("describe_transform_job", "TransformJobName"),
    "labeling_job": ("describe_labeling_job", "LabelingJobName"),
    "pipeline": ("describe_pipeline_execution", "PipelineExecutionArn"),
}
_UNKNOWN = ("could not find", "does not exist", "not found", "unable to describe")


class JobHook(ServiceHook):
    """Interact with Amazon SageMaker jobs.

    Provide a thin wrapper around :external+boto3:py:class:`boto3.client("sagemaker") <SageMaker.Client>`.

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "sagemaker"
        super().__init__(*args, **kwargs)

    @property
    def client(self) -> "SageMakerClient":
        """The boto3 client."""
        return cast("SageMakerClient", self.conn)

    def facts(self, job_type: JobType, name: str) -> JobFacts:
        """Return what SageMaker says about a job; JobError if it knows none of that name.

        :param job_type: which kind of job it is; ``pipeline`` for an execution.
        :param name: the job's name; of a pipeline, the execution's ARN.
        """
        from botocore.exceptions import ClientError

        call, argument = _CALLS[job_type]
        with permission_named("sagemaker", name):
            try:
                answer = getattr(self.client, call)(**{argument: name})
                failures = self._failed_steps(name, answer) if job_type == "pipeline" else None
            except ClientError as error:
                told = str(error).lower()
                known_code = error_code(error) in {"ValidationException", "ResourceNotFound"}
                if is_missing(error) or (known_code and any(words in told for words in _UNKNOWN)):
                    raise JobError(
                        f"{job_type} {name}",
                        f"SageMaker in {self.client.meta.region_name} knows no such job",
                        "Check its name, and the connection's account and region.",
                    ) from error
                raise
        return read_facts(job_type, answer, failures)

    def _failed_steps(self, arn: str, answer: Any) -> dict[str, str]:
        if answer.get("PipelineExecutionStatus") != "Failed":
            return {}
        pages = self.client.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=arn, SortOrder="Ascending"
        )
        return {
            step["StepName"]: step.get("FailureReason") or "no reason is given"
            for page in pages
            for step in page["PipelineExecutionSteps"]
            if step.get("StepStatus") == "Failed"
        }
