"""What an endpoint file says about how a new model comes into service."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.spec_base import EndpointName, FromList, SpecModel, Text, distinct

_LONGEST_SHIFT_MINUTES = 7 * 60
DeploymentStrategy = Literal["all_at_once", "canary", "linear", "weights"]


class RollBackSpec(SpecModel):
    """When a promotion is taken back without a request: its model's first windows are violated too often.

    What counts as violated is what calls for retraining (``retraining.triggers``); whether a person confirms it first
    is the deployment's ``mode``.
    """

    violated_windows: Annotated[int, Field(ge=1)] = Field(
        default=2,
        description="So many violated windows of one monitor take the promotion back.",
        examples=[2],
    )
    within_days: Annotated[int, Field(ge=1, le=365)] = Field(
        default=3,
        description="Only windows that begin within so many days after the promotion count, whenever they are judged.",
        examples=[3],
    )


class DeploymentSpec(SpecModel):
    """A guarded update of the endpoint: how traffic moves to the new model, and what takes it back."""

    mode: Literal["approval", "automatic"] = Field(
        default="approval",
        description="approval: a person confirms before a challenger that won is put in service. automatic: nobody is "
        "asked.",
        examples=["approval"],
    )
    variant: EndpointName | None = Field(
        default=None,
        description="The variant whose model a challenger is compared with and replaces; needed where the file names "
        "several.",
        examples=["AllTraffic"],
    )
    strategy: DeploymentStrategy = Field(
        default="all_at_once",
        description="all_at_once, canary and linear: SageMaker's blue/green update. weights: a second variant beside "
        "the old one, for endpoints that deployment guardrails do not serve (Marketplace, Inferentia 1).",
        examples=["canary"],
    )
    canary_percentage: Annotated[int, Field(ge=1, le=50)] = Field(
        default=10,
        description="canary: the share of the fleet that answers with the new model first.",
        examples=[10],
    )
    step_percentage: Annotated[int, Field(ge=10, le=50)] = Field(
        default=25,
        description="linear and weights: how much moves in each step.",
        examples=[25],
    )
    step_minutes: Annotated[int, Field(ge=0, le=60)] = Field(
        default=10,
        description="How long each step is watched before the next.",
        examples=[10],
    )
    termination_wait_seconds: Annotated[int, Field(ge=0, le=3600)] = Field(
        default=300,
        description="How long the old fleet stays after all traffic has moved, ready to take it back.",
        examples=[300],
    )
    alarms: Annotated[tuple[Text, ...], FromList, Field(max_length=10), AfterValidator(distinct)] = Field(
        default=(),
        description="Names of CloudWatch alarms that roll the update back when they go off; at most 10.",
        examples=[["churn-5xx", "churn-latency"]],
    )
    roll_back: RollBackSpec | None = Field(
        default=None,
        description="When a promotion is taken back without a request; null for never.",
    )

    @model_validator(mode="after")
    def _a_canary_is_watched(self) -> "DeploymentSpec":
        if self.strategy in {"canary", "linear"} and not self.alarms:
            message = (
                f"strategy {self.strategy} without alarms: nothing would take the traffic back; name at least one "
                "CloudWatch alarm, or use all_at_once"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _ends_in_time(self) -> "DeploymentSpec":
        steps = {"canary": 2, "linear": -(-100 // self.step_percentage)}.get(self.strategy, 0)
        minutes = steps * self.step_minutes + self.termination_wait_seconds // 60
        if minutes > _LONGEST_SHIFT_MINUTES:
            message = (
                f"the update would take {minutes} minutes, and SageMaker gives up after 8 hours, an hour of which the "
                "new fleet may need; use fewer or shorter steps"
            )
            raise ValueError(message)
        return self
