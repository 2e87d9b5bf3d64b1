"""What the fleet file says about what AWS shall hold for all endpoints together."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from watchkeeper.registry.infrastructure_spec import MuteWindows, RetentionDays
from watchkeeper.registry.spec_base import EmptyMapping, FromList, RoleArn, SpecModel, Text, TopicArn, distinct

Days = Annotated[int, Field(ge=1)]


class HeartbeatSpec(SpecModel):
    """How long one of our DAGs may be silent."""

    silence_minutes: Annotated[int, Field(ge=1, le=10_080)] | None = Field(
        default=None,
        description="After how many minutes without a run that came to its end the alarm goes off; whole hours from "
        "an hour on, a week at most. null for the standard, 180 for a DAG that has none.",
        examples=[180],
    )
    enabled: bool = Field(default=True, description="Whether there is such an alarm.", examples=[True])

    @field_validator("silence_minutes")
    @classmethod
    def _whole_hours(cls, minutes: int | None) -> int | None:
        if minutes is not None and minutes > 60 and minutes % 60:
            message = "use whole hours, such as 180, or up to 60 minutes"
            raise ValueError(message)
        return minutes


STANDARD_SILENCES = {
    "monitor_hourly": 180,
    "ground_truth": 180,
    "model_quality": 180,
    "remediate": 120,
    "platform_events": 120,
    "monitor_daily": 1800,
    "infrastructure": 1800,
    "housekeeping": 1800,
}
"""Our scheduled DAGs, and after how many minutes of silence each is missed."""
_OTHER_SILENCE = 180


class LifecycleSpec(SpecModel):
    """How long S3 keeps what lies in the buckets; a rule of somebody else in the same bucket stays."""

    capture_days: Days | None = Field(
        default=None,
        description="After how many days captures expire; null for never. An endpoint's own days win.",
        examples=[90],
    )
    report_days: Days | None = Field(
        default=None,
        description="After how many days S3 itself lets reports and their documents expire; null for never. What "
        "housekeeping deletes, by the day that it is about, stands in cost.retention.",
        examples=[730],
    )
    state_days: Days | None = Field(
        default=None,
        description="As report_days, of the states of hours; those that are gone are made again from captures.",
        examples=[400],
    )
    merged_days: Days | None = Field(
        default=None,
        description="As report_days, of captures merged with labels.",
        examples=[180],
    )
    plan_days: Days | None = Field(
        default=180,
        description="After how many days the plans of the DAG infrastructure expire; null for never.",
        examples=[180],
    )


class EventSourcesSpec(SpecModel):
    """Which events EventBridge hands to our queues."""

    alarms: bool = Field(
        default=True,
        description="Whether changes of our alarms' states go to the alarm queue, where the settings name one.",
        examples=[True],
    )
    services: Annotated[tuple[Text, ...], FromList, AfterValidator(distinct)] = Field(
        default=("aws.sagemaker", "aws.codepipeline", "aws.codebuild", "aws.states"),
        description="Services whose events go to the event queue, where the settings name one.",
        examples=[["aws.sagemaker", "aws.codepipeline"]],
    )
    api_calls: bool = Field(
        default=True,
        description="Whether calls that change endpoints, recorded by CloudTrail, go to the event queue too. That "
        "needs a trail.",
        examples=[True],
    )


class FleetInfrastructureSpec(SpecModel):
    """The fleet's dashboard, lifecycles, log retention and event rules."""

    mode: Literal["plan", "apply"] = Field(
        default="plan",
        description="What the daily run of the DAG infrastructure does: plan shows and stores what differs, apply also "
        "brings it about. A run by hand says so itself.",
        examples=["apply"],
    )
    dashboard: bool = Field(
        default=True,
        description="Whether there is a dashboard of the whole fleet.",
        examples=[True],
    )
    heartbeats: Annotated[dict[Text, HeartbeatSpec], EmptyMapping] = Field(
        default_factory=dict,
        description="Our DAGs by name, and how long each may be silent. The standard ones are there without being "
        "written, in minutes: "
        + ", ".join(f"{name} {minutes}" for name, minutes in STANDARD_SILENCES.items())
        + "; each from its first run on.",
    )
    topic_arn: TopicArn | None = Field(
        default=None,
        description="The SNS topic that CloudWatch tells of heartbeats that are missing; null for the deployment's. "
        "CloudWatch needs a standard topic: a .fifo one is not told.",
        examples=["arn:aws:sns:us-east-1:123456789012:platform-on-call"],
    )
    owner: Text = Field(
        default="platform",
        description="Who answers for Watchkeeper itself; named in the alarms of the fleet.",
        examples=["ml-platform"],
    )
    lifecycle: LifecycleSpec = Field(
        default_factory=LifecycleSpec,
        description="After how many days what lies in S3 expires.",
    )
    log_retention_days: Annotated[dict[Text, RetentionDays], EmptyMapping] = Field(
        default_factory=dict,
        description="Log groups by name, and how many days each keeps its logs; others are left as they are.",
        examples=[{"/aws/sagemaker/ProcessingJobs": 30}],
    )
    event_sources: EventSourcesSpec = Field(
        default_factory=EventSourcesSpec,
        description="Which events reach the queues of the DAGs remediate and platform_events.",
    )
    event_bus_role_arn: RoleArn | None = Field(
        default=None,
        description="The role with which EventBridge hands events of endpoints in other regions and accounts on to "
        "this region's bus; null to leave those events where they are.",
        examples=["arn:aws:iam::123456789012:role/watchkeeper-events"],
    )
    mute_windows: MuteWindows = Field(
        default_factory=dict,
        description="When nobody is paged for any endpoint or DAG, by a name of your choice.",
    )

    def silences(self) -> dict[str, int]:
        """Return how many minutes each DAG may be silent, the standard ones included."""
        declared = {
            name: spec.silence_minutes or STANDARD_SILENCES.get(name, _OTHER_SILENCE)
            for name, spec in self.heartbeats.items()
        }
        off = {name for name, spec in self.heartbeats.items() if not spec.enabled}
        return {name: minutes for name, minutes in (STANDARD_SILENCES | declared).items() if name not in off}
