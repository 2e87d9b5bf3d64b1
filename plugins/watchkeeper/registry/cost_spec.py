"""What an endpoint file says about its cost: the ceiling, and what gives way at it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.spec_base import FromList, Share, SpecModel, Text, distinct

CostStep = Literal[
    "skip_empty_windows", "roll_up_metrics", "longer_cadence", "lower_sampling", "no_dashboard", "fewer_alarms"
]
Positive = Annotated[float, Field(gt=0)]


class CostAssumptions(SpecModel):
    """What a prediction takes for granted where nothing else says it."""

    invocations_per_hour: Annotated[float, Field(ge=0)] | None = Field(
        default=None,
        description="How often each variant is invoked in an hour, on average; null for 1,000, and in the report of "
        "housekeeping for what CloudWatch counted.",
        examples=[12000],
    )
    bytes_per_record: Positive | None = Field(
        default=None,
        description="How long a captured line is, request and answer together; null for 2,000 bytes, and in the report "
        "for what the ledger says.",
        examples=[1500],
    )
    capture_files_per_hour: Positive = Field(
        default=60.0,
        description="At most how many files capture writes in an hour for each variant; it never writes more than "
        "there are captured invocations.",
        examples=[60],
    )
    traffic_hours_share: Share = Field(
        default=1.0,
        description="The share of hours in which the endpoint is invoked at all.",
        examples=[0.4],
    )
    features: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="How many columns are captured; null for those that capture names, or 50.",
        examples=[30],
    )
    log_bytes_per_invocation: Annotated[float, Field(ge=0)] = Field(
        default=200.0,
        description="What the model's containers log for one invocation.",
        examples=[200],
    )
    shadow_instance_type: Text = Field(
        default="ml.m5.large",
        description="What a shadow endpoint runs on where neither it nor its variant's type is declared.",
        examples=["ml.m5.large"],
    )
    shadow_minutes_per_window: Positive = Field(
        default=15.0,
        description="How long a shadow endpoint is paid for, for each window and variant that is explained.",
        examples=[15],
    )
    training_instance_type: Text = Field(
        default="ml.m5.xlarge",
        description="What retraining runs on where its parameters hold no InstanceType.",
        examples=["ml.m5.xlarge"],
    )
    training_hours_per_attempt: Annotated[float, Field(ge=0)] = Field(
        default=1.0,
        description="How many instance hours an attempt at retraining takes, all steps of its pipeline together.",
        examples=[0.5],
    )


class CostSpec(SpecModel):
    """The cost ceiling of one endpoint, and what it does without to stay under it."""

    ceiling_usd_per_month: Positive | None = Field(
        default=None,
        description="What watching this endpoint may cost a month by prediction, in USD; null for no ceiling.",
        examples=[25],
    )
    on_exceed: Literal["warn", "degrade", "refuse"] = Field(
        default="warn",
        description="When the prediction is over the ceiling. warn: tell people. degrade: take the steps of degrade, "
        "one after another, until it is not, and warn if that is not enough. refuse: as degrade where steps are given, "
        "then apply none of the endpoint's infrastructure; its monitors go on.",
        examples=["degrade"],
    )
    degrade: Annotated[tuple[CostStep, ...], FromList, AfterValidator(distinct)] = Field(
        default=(),
        description="What gives way, the first first. skip_empty_windows: windows without invocations get a verdict "
        "and no metrics. roll_up_metrics: a few metrics over all features in place of three per feature. "
        "longer_cadence: days only, no hours. lower_sampling: capture keeps fewer, down to "
        "minimum_sampling_percentage. no_dashboard: none of its own. fewer_alarms: only critical ones and the "
        "incident.",
        examples=[["skip_empty_windows", "roll_up_metrics", "no_dashboard"]],
    )
    minimum_sampling_percentage: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10,
        description="Below this lower_sampling does not go.",
        examples=[10],
    )
    roll_up_metrics: bool = Field(
        default=False,
        description="Write the metrics that publish_… asks for rolled up: worst, mean and number over all features in "
        "place of some for each. The step of degrade of this name sets it.",
        examples=[True],
    )
    skip_empty_windows: bool = Field(
        default=False,
        description="Windows without captured files and without invocations get the verdict no_traffic in the ledger, "
        "and neither report nor metrics. The step of degrade of this name sets it.",
        examples=[True],
    )
    assumptions: CostAssumptions = Field(
        default_factory=CostAssumptions,
        description="What the prediction takes for granted.",
    )

    @model_validator(mode="after")
    def _a_ceiling_to_degrade_at(self) -> "CostSpec":
        if self.ceiling_usd_per_month is None and (self.on_exceed != "warn" or self.degrade):
            message = "on_exceed and degrade say what happens at a ceiling; give ceiling_usd_per_month"
            raise ValueError(message)
        if self.on_exceed == "degrade" and not self.degrade:
            message = "on_exceed is degrade, but degrade lists no steps; name some, or use warn"
            raise ValueError(message)
        if self.on_exceed == "warn" and self.degrade:
            message = "degrade lists steps that on_exceed warn never takes; use degrade or refuse"
            raise ValueError(message)
        return self
