"""What the fleet file says about who is told, how, how often, and what is silent until when."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from watchkeeper.registry.alert_spec import AlertSeverity
from watchkeeper.registry.capture_window import parse_moment, utc_moment
from watchkeeper.registry.spec_base import EmptyMapping, FromList, SpecModel, Text, TopicArn, distinct

NoticeKind = Literal[
    "alert",
    "correction",
    "withdrawal",
    "recovery",
    "retraining",
    "action",
    "approval_wanted",
    "event",
    "reminder",
    "cost",
    "plan",
]
"""What a message is about; the attribute ``kind`` of every message."""

NOT_BY_THE_WAY = frozenset({"approval_wanted", "recovery", "withdrawal"})
"""Kinds that only a silence that names them holds back: somebody waits for an answer, or believes the bad news."""


def _moment(value: Any) -> Any:
    if isinstance(value, str):
        return parse_moment(value)
    return utc_moment(value) if isinstance(value, datetime) else value


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A time with its offset, kept as UTC."""
Texts = Annotated[tuple[Text, ...], FromList, AfterValidator(distinct)]


class SnsChannelSpec(SpecModel):
    """An SNS topic: e-mail, SMS, HTTPS, queues and chat bots are its subscriptions."""

    topic_arn: TopicArn = Field(
        description="The topic; its region is read from the ARN.",
        examples=["arn:aws:sns:us-east-1:123456789012:flight-ops"],
    )


class SlackChannelSpec(SpecModel):
    """A Slack channel, through the Slack provider."""

    conn_id: Text = Field(
        default="slack_api_default",
        description="The Airflow connection of the type Slack API that holds the token.",
        examples=["slack_api_default"],
    )
    channel: Text = Field(description="The channel to post to, by name or id, in quotes.", examples=["#model-alerts"])


class PagerDutyChannelSpec(SpecModel):
    """A PagerDuty service, through the PagerDuty provider."""

    conn_id: Text = Field(
        default="pagerduty_events_default",
        description="The Airflow connection of the type PagerDuty Events that holds the integration key; its host, if "
        "any, is the service region's address.",
        examples=["pagerduty_events_default"],
    )


class ChannelSpec(SpecModel):
    """One way to people; exactly one of its sections is given."""

    sns: SnsChannelSpec | None = Field(default=None, description="Publish to an SNS topic.")
    slack: SlackChannelSpec | None = Field(default=None, description="Post to a Slack channel.")
    pagerduty: PagerDutyChannelSpec | None = Field(default=None, description="Open and resolve PagerDuty incidents.")

    @model_validator(mode="after")
    def _one_way(self) -> "ChannelSpec":
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            message = f"got {' and '.join(given) or 'nothing'}; give one of sns, slack or pagerduty"
            raise ValueError(message)
        return self

    @property
    def provider(self) -> str | None:
        """The Airflow provider that the channel needs beside amazon's, as pip knows it."""
        name = "slack" if self.slack else "pagerduty" if self.pagerduty else None
        return None if name is None else f"apache-airflow-providers-{name}"


class NoticeMatcher(SpecModel):
    """Which notices are meant: all that is given must hold; of a list, any. ``*`` and ``?`` stand for what they do."""

    severity: Annotated[tuple[AlertSeverity, ...], FromList] = Field(
        default=(), description="Severities.", examples=[["critical"]]
    )
    kind: Annotated[tuple[NoticeKind, ...], FromList] = Field(
        default=(), description="Kinds of messages.", examples=[["alert", "recovery"]]
    )
    owner: Texts = Field(default=(), description="Teams or persons who own the endpoint.", examples=[["flight-*"]])
    endpoint: Texts = Field(default=(), description="Registry ids.", examples=[["flights", "churn-*"]])
    monitor: Texts = Field(default=(), description="Monitors.", examples=[["bias"]])
    tags: Annotated[dict[Text, str], EmptyMapping] = Field(
        default_factory=dict,
        description="Tags of the endpoint's file, each with its value.",
        examples=[{"tier": "gold"}],
    )

    @property
    def is_empty(self) -> bool:
        """Whether it names nothing, and so means everything."""
        return not any(getattr(self, name) for name in type(self).model_fields)


class RouteSpec(SpecModel):
    """One route: what it takes, and where that goes."""

    match: NoticeMatcher = Field(default_factory=NoticeMatcher, description="What it takes; left out, everything.")
    channels: Annotated[tuple[Text, ...], FromList, Field(min_length=1), AfterValidator(distinct)] = Field(
        description="Names of the channels that it goes to.", examples=[["flight-slack", "pager"]]
    )
    go_on: bool = Field(
        default=False,
        description="Whether later routes are looked at too; without it the first route that takes a message is the "
        "only one.",
        examples=[True],
    )


class SilenceSpec(SpecModel):
    """What nobody is told of until a moment. The verdicts are recorded all the same."""

    match: NoticeMatcher = Field(
        description="What is silent; at least one field. Recoveries, withdrawals and requests for an approval are so "
        "only if kind names them."
    )
    until: Moment = Field(description="When it ends, with its offset.", examples=["2026-12-01T08:00Z"])
    reason: Text = Field(description="Why.", examples=["the warehouse is moved"])
    author: Text = Field(description="Who answers for it.", examples=["ana"])

    @model_validator(mode="after")
    def _something_is_meant(self) -> "SilenceSpec":
        if self.match.is_empty:
            message = 'match: got nothing; name what is to be silent, endpoint: ["*"] for all endpoints'
            raise ValueError(message)
        return self


class ExportSpec(SpecModel):
    """Verdicts, metrics and events to whoever takes OpenTelemetry's OTLP over HTTP."""

    conn_id: Text = Field(
        description="The Airflow connection of the type HTTP: its host is the receiver's address, its extra the "
        "headers with their keys.",
        examples=["otlp_default"],
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=10.0, description="How long a run waits for the receiver in all.", examples=[10]
    )


class RoutingSpec(SpecModel):
    """Routes of messages, silences, reminders and exports."""

    channels: Annotated[dict[Text, ChannelSpec], EmptyMapping] = Field(
        default_factory=dict, description="The ways to people, by a name of your own."
    )
    routes: Annotated[tuple[RouteSpec, ...], FromList] = Field(
        default=(),
        description="Looked at in order, for endpoints that name no alerts.topic_arn of their own. What no route takes "
        "goes to the deployment's topic.",
    )
    silences: Annotated[tuple[SilenceSpec, ...], FromList] = Field(
        default=(), description="What nobody is told of until when."
    )
    reminder_hours: Annotated[float, Field(gt=0)] | None = Field(
        default=24.0,
        description="What is still violated, with the same findings, is told again after so many hours; null for "
        "never.",
        examples=[24],
    )
    quiet_minutes: Annotated[float, Field(ge=0)] = Field(
        default=60.0,
        description="A notice with the same fingerprint as one that was sent so recently is recorded and not sent.",
        examples=[60],
    )
    group: bool = Field(
        default=True,
        description="Whether several alerts of one endpoint in one run make one message.",
        examples=[True],
    )
    storm_endpoints: Annotated[int, Field(ge=2)] | None = Field(
        default=20,
        description="When more endpoints than these alert in one run through the same channels, one summary tells of "
        "them all; null for a message each.",
        examples=[20],
    )
    export: ExportSpec | None = Field(default=None, description="Where telemetry goes; null for nowhere.")

    @model_validator(mode="after")
    def _channels_are_declared(self) -> "RoutingSpec":
        named = {name for route in self.routes for name in route.channels}
        unknown = sorted(named - self.channels.keys())
        if unknown:
            known = ", ".join(sorted(self.channels)) or "none"
            message = f"routes: got the channel {', '.join(map(repr, unknown))}; declared in channels are {known}"
            raise ValueError(message)
        return self
