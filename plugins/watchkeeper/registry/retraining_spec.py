"""What an endpoint file says about retraining: when, by which pipeline, and what must come of it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.capture_window import Period
from watchkeeper.registry.deployment_spec import DeploymentSpec
from watchkeeper.registry.gate_spec import GateSpec
from watchkeeper.registry.monitor_spec import MONITOR_NAMES, MonitorName
from watchkeeper.registry.spec_base import (
    DefinitionFile,
    EmptyMapping,
    EndpointName,
    FromList,
    PipelineName,
    RoleArn,
    SpecModel,
    Text,
    distinct,
)

RetrainingMode = Literal["dry_run", "approval", "automatic"]
FindingSeverity = Literal["low", "medium", "high"]
OWN_PARAMETERS = (
    "EndpointId",
    "TrainingWindowStart",
    "TrainingWindowEnd",
    "TrainingDataUri",
    "EvaluationDataUri",
    "BaselineUri",
    "ModelPackageGroupName",
    "ModelApprovalStatus",
    "RoleArn",
)
"""Pipeline parameters that each run sets; an endpoint file gives the others."""

Names = Annotated[tuple[Text, ...], FromList, Field(min_length=1), AfterValidator(distinct)]


class TriggerSpec(SpecModel):
    """Which verdicts call for retraining: enough violated windows of one monitor among its last ones."""

    monitors: Annotated[tuple[MonitorName, ...], FromList, Field(min_length=1), AfterValidator(distinct)] = Field(
        default=MONITOR_NAMES,
        description="The monitors whose verdicts count.",
        examples=[["model_quality"]],
    )
    checks: Names | None = Field(
        default=None,
        description="The checks whose violations count; null for all.",
        examples=[["baseline_drift_check"]],
    )
    features: Names | None = Field(
        default=None,
        description="The features (or metrics of model quality) whose violations count; null for all.",
        examples=[["monthly_charge"]],
    )
    minimum_severity: FindingSeverity = Field(
        default="low",
        description="Violations that are less severe do not count.",
        examples=["medium"],
    )
    period: Period = Field(
        default="hourly",
        description="Whether hours or days are counted.",
        examples=["daily"],
    )
    violated_windows: Annotated[int, Field(ge=1)] = Field(
        default=2,
        description="So many violated windows of one monitor call for retraining.",
        examples=[2],
    )
    of_windows: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3,
        description="Only a monitor's last so many windows that were judged are looked at.",
        examples=[3],
    )

    @model_validator(mode="after")
    def _some_of_them(self) -> "TriggerSpec":
        if self.violated_windows > self.of_windows:
            message = (
                f"violated_windows {self.violated_windows} of of_windows {self.of_windows} never happens; use at most "
                f"{self.of_windows}"
            )
            raise ValueError(message)
        return self


class RetrainingSpec(SpecModel):
    """Retraining of one endpoint. It only reports what it would do until ``mode`` says otherwise."""

    pipeline_name: PipelineName = Field(
        description="The SageMaker Pipeline that trains, evaluates and registers a model package.",
        examples=["churn-retraining"],
    )
    definition: DefinitionFile | None = Field(
        default="retraining.json",
        description="The pipeline's definition in include/pipelines, put in force when it has changed; null for a "
        "pipeline that is kept elsewhere and only started.",
        examples=["retraining.json"],
    )
    model_package_group: EndpointName = Field(
        description="The model package group that new models are registered in.",
        examples=["churn"],
    )
    role_arn: RoleArn | None = Field(
        default=None,
        description="The role that the pipeline and its jobs run under; needed with a definition.",
        examples=["arn:aws:iam::123456789012:role/churn-training"],
    )
    parameters: Annotated[dict[Text, str], EmptyMapping] = Field(
        default_factory=dict,
        description="More parameters of the pipeline, beside those that every run sets.",
        examples=[{"InstanceType": "ml.m5.xlarge"}],
    )
    mode: RetrainingMode = Field(
        default="dry_run",
        description="dry_run: say what would be done, and do nothing. approval: a person confirms before anything is "
        "trained. automatic: nobody is asked.",
        examples=["approval"],
    )
    triggers: TriggerSpec = Field(
        default_factory=TriggerSpec,
        description="Which verdicts call for retraining.",
    )
    cooldown_hours: Annotated[int, Field(ge=0, le=8760)] = Field(
        default=24,
        description="At least so long between two attempts.",
        examples=[24],
    )
    maximum_per_month: Annotated[int, Field(ge=0)] = Field(
        default=4,
        description="At most so many pipeline executions in any 30 days.",
        examples=[4],
    )
    training_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=14,
        description="The newest so many days of labelled captures are trained on.",
        examples=[14],
    )
    minimum_training_rows: Annotated[int, Field(ge=1)] = Field(
        default=1000,
        description="With fewer labelled rows nothing is trained.",
        examples=[1000],
    )
    gate: GateSpec = Field(
        default_factory=GateSpec,
        description="What a challenger must do to take the champion's place.",
    )
    deployment: DeploymentSpec = Field(
        default_factory=DeploymentSpec,
        description="How a challenger that won comes into service.",
    )

    @model_validator(mode="after")
    def _can_be_run(self) -> "RetrainingSpec":
        problems = []
        if self.definition is not None and self.role_arn is None:
            problems.append(f"definition {self.definition} needs a role_arn; give it, or set definition to null")
        taken = sorted(set(self.parameters) & set(OWN_PARAMETERS))
        if taken:
            problems.append(f"parameters: {', '.join(taken)} is set by every run; take it out")
        if self.gate.evaluation_days >= self.training_days and self.gate.evaluation_share == 1:
            problems.append(
                f"gate.evaluation_days {self.gate.evaluation_days} at evaluation_share 1 leaves nothing of "
                f"training_days {self.training_days} to train on; use fewer days or a smaller share"
            )
        policy = self.deployment.roll_back
        windows = 0 if policy is None else policy.within_days * (24 if self.triggers.period == "hourly" else 1)
        if policy is not None and policy.violated_windows > windows:
            problems.append(
                f"deployment.roll_back.violated_windows {policy.violated_windows} never happens: within "
                f"{policy.within_days} days there are {windows} windows; use fewer, or more days"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self
