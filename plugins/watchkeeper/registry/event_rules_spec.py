"""What the fleet file says about platform events: which are told, what they start, and deadlines."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.alert_spec import AlertSeverity
from watchkeeper.registry.event_kind import EventKind, Outcome
from watchkeeper.registry.spec_base import EmptyMapping, FromList, PipelineName, SpecModel, Text, distinct

TemplateName = Literal[
    "account",
    "arn",
    "at",
    "change_id",
    "detail_type",
    "endpoint",
    "endpoint_name",
    "event_id",
    "kind",
    "name",
    "outcome",
    "region",
    "run",
    "source",
    "status",
]
#: What a rule may put of an event into what it starts: names and states. Never reasons or payloads.
TEMPLATE_NAMES: Final[tuple[str, ...]] = get_args(TemplateName)
PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)
#: What a deadline may be set for: what runs and ends.
RunKind = Literal[
    "code_pipeline",
    "code_build",
    "state_machine",
    "training_job",
    "tuning_job",
    "processing_job",
    "transform_job",
    "labeling_job",
    "pipeline",
]
CLOCK_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
DAG_ID_PATTERN = r"^[A-Za-z0-9_.-]{1,250}$"

Texts = Annotated[tuple[Text, ...], FromList, Field(min_length=1), AfterValidator(distinct)]


def _sound_template(value: Any) -> Any:
    """Return ``value``; ValueError names every placeholder that no event has."""
    wrong = sorted({name for text in texts_in(value) for name in _names(text) if name not in TEMPLATE_NAMES})
    if wrong:
        message = (
            f"no event has {', '.join(f'{{{name}}}' for name in wrong)}; use of "
            f"{', '.join(f'{{{name}}}' for name in TEMPLATE_NAMES)}"
        )
        raise ValueError(message)
    return value


def _names(text: str) -> Iterator[str]:
    yield from PLACEHOLDER.findall(text)
    if "{" in PLACEHOLDER.sub("", text) or "}" in PLACEHOLDER.sub("", text):
        yield text


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text inside nested mappings and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)


class EventMatch(SpecModel):
    """Which events a rule is about: all that is given has to hold, of a list any one. Names are patterns with ``*``."""

    kinds: Annotated[tuple[EventKind, ...], FromList, Field(min_length=1), AfterValidator(distinct)] | None = Field(
        default=None,
        description="What happened to what; docs/platform-events.md lists the kinds. null for any.",
        examples=[["pipeline", "training_job"]],
    )
    outcomes: Annotated[tuple[Outcome, ...], FromList, Field(min_length=1), AfterValidator(distinct)] | None = Field(
        default=None,
        description="What came of it, in our words; null for any.",
        examples=[["failed"]],
    )
    statuses: Texts | None = Field(
        default=None,
        description="What came of it, in AWS's words, compared without case, spaces and underscores; null for any.",
        examples=[["RollingBack", "Approved"]],
    )
    sources: Texts | None = Field(
        default=None, description="EventBridge's source; null for any.", examples=[["aws.sagemaker"]]
    )
    detail_types: Texts | None = Field(
        default=None,
        description="EventBridge's detail-type; null for any.",
        examples=[["SageMaker Feature Group State Change"]],
    )
    names: Texts | None = Field(
        default=None,
        description="Names of the thing, or patterns such as churn-*; null for any.",
        examples=[["churn-*"]],
    )
    endpoints: Texts | None = Field(
        default=None,
        description="The endpoints it speaks of, by their files' names, or patterns; null for any.",
        examples=[["churn"]],
    )
    known_endpoint: bool | None = Field(
        default=None,
        description="Whether it speaks of an endpoint that has a file; null for either.",
        examples=[True],
    )
    in_pipeline: bool | None = Field(
        default=None,
        description="Whether it is a job that a SageMaker pipeline runs, by its name; null for either.",
        examples=[False],
    )
    actors: Texts | None = Field(
        default=None,
        description="Who called, of an API call: ARNs or patterns; null for anybody.",
        examples=[["*:assumed-role/airflow-workers/*"]],
    )
    tags: Annotated[dict[Text, Text], EmptyMapping] = Field(
        default_factory=dict,
        description="Tags that the thing has, where the event brings them; values may be patterns.",
        examples=[{"team": "flights"}],
    )


class EventStart(SpecModel):
    """What an event starts: exactly one of a DAG, a SageMaker pipeline and a CodePipeline. One run per event."""

    dag_id: Annotated[str, Field(pattern=DAG_ID_PATTERN)] | None = Field(
        default=None, description="The DAG to trigger.", examples=["retrain"]
    )
    sagemaker_pipeline: PipelineName | None = Field(
        default=None, description="The SageMaker pipeline to execute.", examples=["churn-retraining"]
    )
    code_pipeline: Text | None = Field(
        default=None, description="The CodePipeline to execute.", examples=["churn-release"]
    )
    conf: Annotated[dict[Text, Any], EmptyMapping, AfterValidator(_sound_template)] = Field(
        default_factory=dict,
        description="The DAG run's conf. Texts may hold {endpoint}, {name}, {status} and others of the event's names; "
        "never more of the event.",
        examples=[{"endpoints": ["{endpoint}"]}],
    )
    parameters: Annotated[dict[Text, Text], EmptyMapping, AfterValidator(_sound_template)] = Field(
        default_factory=dict,
        description="The SageMaker pipeline's parameters, or the CodePipeline's variables, with the same names.",
        examples=[{"EndpointId": "{endpoint}"}],
    )

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        targets = [name for name in ("dag_id", "sagemaker_pipeline", "code_pipeline") if getattr(self, name)]
        if len(targets) != 1:
            message = f"got {' and '.join(targets) or 'none'}; name exactly one of dag_id, sagemaker_pipeline and "
            raise ValueError(message + "code_pipeline")
        if self.dag_id and self.parameters:
            message = "parameters are for a pipeline; use conf for a DAG"
            raise ValueError(message)
        if not self.dag_id and self.conf:
            message = "conf is for a DAG; use parameters for a pipeline"
            raise ValueError(message)
        return self


class EventRule(SpecModel):
    """What follows from an event. The first rule that matches decides, and no other."""

    match: EventMatch = Field(default_factory=EventMatch, description="Which events it is about.")
    severity: AlertSeverity = Field(default="warning", description="How grave it is.", examples=["critical"])
    notify: bool = Field(
        default=True, description="Whether somebody is told; it is recorded in either case.", examples=[False]
    )
    owner: Text | None = Field(
        default=None,
        description="Who is told; null for the owner of the endpoint that it speaks of.",
        examples=["ml-platform"],
    )
    archive: bool = Field(
        default=True,
        description="Whether the event is kept whole below events/archive/; false drops it once it is in the ledger.",
        examples=[False],
    )
    start: EventStart | None = Field(default=None, description="What it starts; null for nothing.")


class EventDeadline(SpecModel):
    """By when a pipeline or job has to have started, and how long it may run."""

    kind: RunKind = Field(description="What it is.", examples=["pipeline"])
    name: Text = Field(description="Its name, or a pattern such as nightly-*.", examples=["churn-retraining"])
    starts_by: Annotated[str, Field(pattern=CLOCK_PATTERN)] | None = Field(
        default=None,
        description="The time of day, UTC and in quotes, by which it has to have started within the 24 hours before; "
        "null for no such deadline.",
        examples=["06:30"],
    )
    weekdays: Annotated[tuple[Weekday, ...], FromList, Field(min_length=1), AfterValidator(distinct)] = Field(
        default=WEEKDAYS,
        description="On which days starts_by holds.",
        examples=[["mon", "tue", "wed", "thu", "fri"]],
    )
    runs_at_most_minutes: Annotated[float, Field(ge=1, le=40320)] | None = Field(
        default=None,
        description="A run that takes longer is stuck; null for no such deadline.",
        examples=[240],
    )
    severity: AlertSeverity = Field(default="warning", description="How grave that is.", examples=["critical"])
    endpoint: Text | None = Field(
        default=None, description="The endpoint it is for, by its file's name; null for none.", examples=["churn"]
    )
    owner: Text | None = Field(
        default=None, description="Who is told; null for the endpoint's owner.", examples=["ml-platform"]
    )

    @model_validator(mode="after")
    def _some_deadline(self) -> Self:
        if self.starts_by is None and self.runs_at_most_minutes is None:
            message = "a deadline needs starts_by or runs_at_most_minutes; add one"
            raise ValueError(message)
        return self


class EventRulesSpec(SpecModel):
    """The rules of platform events."""

    built_in_rules: bool = Field(
        default=True,
        description="Whether the built-in rules decide about events that no rule here matches; "
        "docs/platform-events.md lists them. false records such events and tells nobody.",
        examples=[False],
    )
    rules: Annotated[dict[Text, EventRule], EmptyMapping] = Field(
        default_factory=dict,
        description="Rules by name, tried in the order they stand here, before the built-in ones.",
    )
    deadlines: Annotated[dict[Text, EventDeadline], EmptyMapping] = Field(
        default_factory=dict, description="Deadlines of pipelines and jobs, by name."
    )
    act_within_hours: Annotated[float, Field(ge=0)] = Field(
        default=6.0,
        description="An event older than this is recorded silently: nobody is told, and nothing is started.",
        examples=[6],
    )
    job_metrics: bool = Field(
        default=True,
        description="Whether the figures of jobs that ended go to CloudWatch, under the deployment's namespace and "
        "/Jobs.",
        examples=[False],
    )
    maximum_job_names: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=50,
        description="How many different job base names of one job type have metrics of their own in 30 days; later "
        "ones are counted together as 'others'.",
        examples=[50],
    )
