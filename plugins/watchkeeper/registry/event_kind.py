"""The kinds of platform events, what an event can say of a thing's state, and where its detail says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

EventKind = Literal[
    "code_pipeline",
    "code_pipeline_stage",
    "code_pipeline_action",
    "code_build",
    "state_machine",
    "training_job",
    "tuning_job",
    "processing_job",
    "transform_job",
    "labeling_job",
    "pipeline",
    "pipeline_step",
    "endpoint",
    "endpoint_config",
    "model",
    "model_package",
    "api_call",
    "other",
]
Outcome = Literal["started", "running", "succeeded", "failed", "stopped", "changed"]
EVENT_KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)
JobType = Literal["training_job", "tuning_job", "processing_job", "transform_job", "labeling_job", "pipeline"]
#: What runs once and ends, and whose figures SageMaker tells afterwards.
JOB_TYPES: Final[tuple[JobType, ...]] = get_args(JobType)
#: Outcomes after which a run does nothing more; one that is retried runs again.
ENDED: Final = frozenset({"succeeded", "failed", "stopped"})


@dataclass(frozen=True)
class EventShape:
    """Where the detail of one detail-type says what: the thing's name, its status, its ARN, and the run's own id.

    ``outcomes`` translates the status, compared without case and punctuation: SageMaker writes ``InService`` in its
    API and ``IN_SERVICE`` in events. ``run`` is empty where the ARN alone is the run.
    """

    kind: EventKind
    name: str
    status: str | None
    arn: str
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    run: str = ""
    reasons: tuple[str, ...] = ("FailureReason",)


_CODE_PIPELINE: dict[str, Outcome] = {
    "STARTED": "started",
    "RESUMED": "running",
    "STOPPING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELED": "stopped",
    "STOPPED": "stopped",
    "SUPERSEDED": "stopped",
    "ABANDONED": "stopped",
}
_CODE_BUILD: dict[str, Outcome] = {
    "IN_PROGRESS": "started",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "FAULT": "failed",
    "TIMED_OUT": "failed",
    "STOPPED": "stopped",
}
_STATE_MACHINE: dict[str, Outcome] = {
    "RUNNING": "started",
    "PENDING_REDRIVE": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "failed",
    "ABORTED": "stopped",
}
_JOB: dict[str, Outcome] = {
    "Initializing": "started",
    "InProgress": "running",
    "Stopping": "running",
    "Deleting": "running",
    "Completed": "succeeded",
    "Failed": "failed",
    "DeleteFailed": "failed",
    "Stopped": "stopped",
}
_PIPELINE: dict[str, Outcome] = {
    "Executing": "started",
    "Starting": "started",
    "Stopping": "running",
    "Succeeded": "succeeded",
    "Failed": "failed",
    "Stopped": "stopped",
}
_ENDPOINT: dict[str, Outcome] = {
    "Creating": "running",
    "Updating": "running",
    "SystemUpdating": "running",
    "RollingBack": "running",
    "InService": "succeeded",
    "Failed": "failed",
    "UpdateRollbackFailed": "failed",
    "OutOfService": "stopped",
    "Deleting": "stopped",
    "Deleted": "stopped",
}
#: A package that was made is as much a change as one that was approved; only one that could not be made failed.
_PACKAGE: dict[str, Outcome] = {"Failed": "failed", "InProgress": "running", "Pending": "started"}


def _job(kind: EventKind, noun: str) -> EventShape:
    return EventShape(kind, f"{noun}Name", f"{noun}Status", f"{noun}Arn", _JOB)


SHAPES: Final[Mapping[str, EventShape]] = {
    "CodePipeline Pipeline Execution State Change": EventShape(
        "code_pipeline", "pipeline", "state", "", _CODE_PIPELINE, run="execution-id"
    ),
    "CodePipeline Stage Execution State Change": EventShape(
        "code_pipeline_stage", "pipeline", "state", "", _CODE_PIPELINE, run="execution-id"
    ),
    "CodePipeline Action Execution State Change": EventShape(
        "code_pipeline_action", "pipeline", "state", "", _CODE_PIPELINE, run="execution-id"
    ),
    "CodeBuild Build State Change": EventShape(
        "code_build", "project-name", "build-status", "build-id", _CODE_BUILD, run="build-id"
    ),
    "Step Functions Execution Status Change": EventShape(
        "state_machine", "stateMachineArn", "status", "stateMachineArn", _STATE_MACHINE, run="executionArn",
        reasons=("error", "cause"),
    ),
    "SageMaker Training Job State Change": _job("training_job", "TrainingJob"),
    "SageMaker HyperParameter Tuning Job State Change": _job("tuning_job", "HyperParameterTuningJob"),
    "SageMaker Processing Job State Change": EventShape(
        "processing_job",
        "ProcessingJobName",
        "ProcessingJobStatus",
        "ProcessingJobArn",
        _JOB,
        reasons=("FailureReason", "ExitMessage"),
    ),
    "SageMaker Transform Job State Change": _job("transform_job", "TransformJob"),
    "SageMaker Ground Truth Labeling Job State Change": _job("labeling_job", "LabelingJob"),
    "SageMaker Model Building Pipeline Execution Status Change": EventShape(
        "pipeline", "pipelineArn", "currentPipelineExecutionStatus", "pipelineArn", _PIPELINE,
        run="pipelineExecutionArn", reasons=("failureReason",),
    ),
    "SageMaker Model Building Pipeline Execution Step Status Change": EventShape(
        "pipeline_step", "pipelineArn", "currentStepStatus", "pipelineArn", _PIPELINE,
        run="pipelineExecutionArn", reasons=("failureReason",),
    ),
    "SageMaker Endpoint State Change": EventShape(
        "endpoint", "EndpointName", "EndpointStatus", "EndpointArn", _ENDPOINT
    ),
    "SageMaker Endpoint Config State Change": EventShape(
        "endpoint_config", "EndpointConfigName", None, "EndpointConfigArn"
    ),
    "SageMaker Model State Change": EventShape("model", "ModelName", None, "ModelArn"),
    "SageMaker Model Package State Change": EventShape(
        "model_package", "ModelPackageName", "ModelPackageStatus", "ModelPackageArn", _PACKAGE,
        reasons=("ApprovalDescription",),
    ),
}  # fmt: skip
"""By detail-type. What is not here is of the kind ``other``."""
API_CALL: Final = "AWS API Call via CloudTrail"


def plain(status: str) -> str:
    """Return a status as it is compared: ``IN_SERVICE`` and ``InService`` are one."""
    return "".join(letter for letter in status if letter.isalnum()).lower()
