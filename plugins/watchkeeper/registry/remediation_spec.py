"""What an endpoint file says must follow from which alarms, and within which guards."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.alert_spec import AlertSeverity
from watchkeeper.registry.infrastructure_spec import MuteWindows
from watchkeeper.registry.spec_base import EndpointName, FromList, PipelineName, Share, SpecModel, Text, distinct

RemediationMode = Literal["dry_run", "approval", "automatic"]
ActionName = Literal[
    "notify",
    "scale_out",
    "shift_weights",
    "roll_back",
    "restart",
    "retrain",
    "invoke_lambda",
    "start_pipeline",
]
StepName = Literal[ActionName, "approve"]
CHANGES_OF_ENDPOINT: frozenset[ActionName] = frozenset({"scale_out", "shift_weights", "roll_back", "restart"})
"""The actions that update the endpoint: one at a time, and none during another update."""
HANDED_OVER: frozenset[ActionName] = frozenset({"notify", "retrain"})
"""The actions after which nobody waits for the alarm: whether it returns is looked at by the next runs."""

_DAY_MINUTES = 24 * 60
_RETRAINING_MINUTES = 3 * _DAY_MINUTES
Names = Annotated[tuple[Text, ...], FromList, Field(min_length=1), AfterValidator(distinct)]


class RemediationRule(SpecModel):
    """What follows from some alarms, step by step."""

    name: Text = Field(description="What the rule is called in records and messages.", examples=["server errors"])
    alarms: Names = Field(
        description="The alarms that it follows: names of conditions, for those that are ours (server_errors, for each "
        "of the endpoint's variants), or whole names of alarms that are not.",
        examples=[["server_errors"]],
    )
    persists_minutes: Annotated[int, Field(ge=0, le=10080)] = Field(
        default=0,
        description="Only an alarm that has lasted so long counts.",
        examples=[10],
    )
    do: Annotated[tuple[StepName, ...], FromList, Field(min_length=1)] = Field(
        description="What is done, first things first: each next step when the one before did not help in time. notify "
        "tells people; approve lets a person confirm the step that follows it; the others are set in their sections.",
        examples=[["scale_out", "approve", "roll_back"]],
    )
    verify_within_minutes: Annotated[int, Field(ge=1, le=43200)] | None = Field(
        default=None,
        description="Within so many minutes after a step the alarm must be OK again. null for the policy's; after "
        "retrain, whose effect takes days, null waits three days.",
        examples=[20],
    )

    @model_validator(mode="after")
    def _steps_make_sense(self) -> "RemediationRule":
        before: str | None = None
        for step in self.do:
            if step == before:
                message = f"do: {step} stands there twice in a row"
                raise ValueError(message)
            if before == "approve" and step == "notify":
                message = "do: approve stands before notify; a message needs nobody's approval"
                raise ValueError(message)
            before = step
        if before == "approve":
            message = "do: approve stands last, and there is nothing to approve; put it before the step that it is for"
            raise ValueError(message)
        waited_for = [action for action, _ in self.steps if action not in HANDED_OVER]
        if waited_for and (self.verify_within_minutes or 0) > _DAY_MINUTES:
            message = (
                f"verify_within_minutes {self.verify_within_minutes} with {waited_for[0]}, whose run would wait for "
                f"more than a day; use at most {_DAY_MINUTES}"
            )
            raise ValueError(message)
        return self

    @property
    def steps(self) -> tuple[tuple[ActionName, bool], ...]:
        """The actions in order, each with whether a person has to confirm it."""
        found: list[tuple[ActionName, bool]] = []
        asked = False
        for step in self.do:
            if step == "approve":
                asked = True
                continue
            found.append((step, asked))
            asked = False
        return tuple(found)


class CircuitBreakerSpec(SpecModel):
    """Stops acting on an endpoint where acting does not help."""

    maximum_actions: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3,
        description="So many actions on the endpoint, within within_hours, open the circuit breaker: people are told, "
        "and nothing more is done.",
        examples=[3],
    )
    within_hours: Annotated[int, Field(ge=1, le=720)] = Field(
        default=24,
        description="Only actions of the last so many hours count.",
        examples=[24],
    )
    closes_after_hours: Annotated[int, Field(ge=1, le=720)] | None = Field(
        default=24,
        description="It closes by itself after so long; null for by hand only (DAG remediate, close_circuit_breakers).",
        examples=[24],
    )


class ScaleOutSpec(SpecModel):
    """More instances: application autoscaling's minimum where the variant is scaled by it, else the variant's count."""

    variant: EndpointName | None = Field(
        default=None,
        description="The variant; null for the one that the alarm is of, else the endpoint's only one.",
        examples=["AllTraffic"],
    )
    add_instances: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1, description="So many more each time.", examples=[2]
    )
    maximum_instances: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=4,
        description="Never more than this; autoscaling's own maximum holds too.",
        examples=[6],
    )


class ShiftWeightsSpec(SpecModel):
    """Traffic from one variant to another."""

    to_variant: EndpointName = Field(description="The variant that takes the traffic over.", examples=["Stable"])
    from_variant: EndpointName | None = Field(
        default=None,
        description="The variant that gives it; null for the one that the alarm is of.",
        examples=["Candidate"],
    )
    share: Share = Field(default=1.0, description="How much of the variant's weight moves.", examples=[1.0])


class RollBackActionSpec(SpecModel):
    """What is put back in service."""

    to: Literal["previous_config", "previous_package"] = Field(
        default="previous_config",
        description="previous_config: the EndpointConfig that served before, by the record of a promotion, its tags or "
        "what was seen in service. previous_package: the newest approved model package older than the one in service.",
        examples=["previous_package"],
    )


class InvokeLambdaSpec(SpecModel):
    """A Lambda function that acts; it gets the incident as JSON."""

    function_name: Text = Field(description="The function's name or ARN.", examples=["restart-feature-store"])


class StartPipelineSpec(SpecModel):
    """A pipeline of CodePipeline that acts."""

    pipeline_name: PipelineName = Field(description="The pipeline's name.", examples=["redeploy-churn"])


class RemediationSpec(SpecModel):
    """The remediation policy of one endpoint. It only says what it would do until ``mode`` says otherwise."""

    enabled: bool = Field(
        default=True,
        description="false keeps the section and looks at nothing.",
        examples=[False],
    )
    mode: RemediationMode = Field(
        default="dry_run",
        description="dry_run: say what would be done, and do nothing but tell people. approval: a person confirms each "
        "action. automatic: nobody is asked, except where a rule says approve.",
        examples=["automatic"],
    )
    rules: Annotated[tuple[RemediationRule, ...], FromList] = Field(
        default=(),
        description="What follows from which alarms; where several go off, the first rule that acts is followed.",
    )
    severity: AlertSeverity = Field(
        default="warning",
        description="The severity of messages about an incident; what is escalated to people is critical.",
        examples=["critical"],
    )
    cooldown_minutes: Annotated[int, Field(ge=0, le=10080)] = Field(
        default=30,
        description="At least so long between an action and the next incident's first.",
        examples=[30],
    )
    verify_within_minutes: Annotated[int, Field(ge=1, le=1440)] = Field(
        default=30,
        description="Within so many minutes after an action the alarm must be OK again.",
        examples=[15],
    )
    circuit_breaker: CircuitBreakerSpec = Field(
        default_factory=CircuitBreakerSpec,
        description="When acting stops.",
    )
    maintenance_windows: MuteWindows = Field(
        default_factory=dict,
        description="When nothing is done to this endpoint, beside the fleet's.",
    )
    scale_out: ScaleOutSpec = Field(default_factory=ScaleOutSpec, description="What scale_out does.")
    shift_weights: ShiftWeightsSpec | None = Field(
        default=None, description="What shift_weights does; needed where a rule does it."
    )
    roll_back: RollBackActionSpec = Field(default_factory=RollBackActionSpec, description="What roll_back does.")
    invoke_lambda: InvokeLambdaSpec | None = Field(
        default=None, description="What invoke_lambda does; needed where a rule does it."
    )
    start_pipeline: StartPipelineSpec | None = Field(
        default=None, description="What start_pipeline does; needed where a rule does it."
    )

    @model_validator(mode="after")
    def _can_be_done(self) -> "RemediationSpec":
        problems = []
        names = [rule.name for rule in self.rules]
        problems += [f"rules: {name!r} stands there twice" for name in sorted(set(names)) if names.count(name) > 1]
        for action in ("shift_weights", "invoke_lambda", "start_pipeline"):
            users = [rule.name for rule in self.rules if action in rule.do]
            if users and getattr(self, action) is None:
                problems.append(f"rule {users[0]!r} does {action}; add remediation.{action}, which says how")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def rule(self, name: str) -> RemediationRule | None:
        """Return a rule by its name."""
        return next((rule for rule in self.rules if rule.name == name), None)

    def patience_minutes(self, rule: RemediationRule, action: ActionName) -> int:
        """Return within how many minutes after an action the alarm must be OK again."""
        if rule.verify_within_minutes is not None:
            return rule.verify_within_minutes
        return _RETRAINING_MINUTES if action == "retrain" else self.verify_within_minutes
