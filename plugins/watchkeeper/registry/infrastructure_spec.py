"""What an endpoint file says about its alarms, its dashboard and its logs."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.alarm_condition import ALARM_CONDITIONS, HEARTBEAT, INCIDENT
from watchkeeper.registry.alarm_rule import AlarmRule, alarm_faults, alarm_rule
from watchkeeper.registry.metric_alarm_spec import MetricAlarmSpec
from watchkeeper.registry.mute_window_spec import MuteWindowSpec
from watchkeeper.registry.spec_base import EmptyMapping, SpecModel, Text, TopicArn

_CONDITION_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_WINDOW_NAME = re.compile(r"[a-z0-9](-?[a-z0-9]){0,39}")
INSTANCE_PATTERN = r"^ml\.[a-z0-9-]+\.[a-z0-9]+$"
_RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


def _retention(days: int) -> int:
    if days not in _RETENTIONS:
        message = f"CloudWatch Logs takes {', '.join(map(str, _RETENTIONS))}"
        raise ValueError(message)
    return days


RetentionDays = Annotated[int, AfterValidator(_retention)]
"""How many days a log group keeps its logs."""


def window_names(windows: dict[str, MuteWindowSpec]) -> dict[str, MuteWindowSpec]:
    """Return ``windows`` as they are; ValueError for a name that cannot stand in the name of a mute rule."""
    wrong = [name for name in windows if not _WINDOW_NAME.fullmatch(name)]
    if wrong:
        message = f"{', '.join(map(repr, wrong[:5]))} cannot be a window's name; use lower case, digits and inner -"
        raise ValueError(message)
    return windows


MuteWindows = Annotated[dict[Text, MuteWindowSpec], EmptyMapping, AfterValidator(window_names)]


class IncidentSpec(SpecModel):
    """The one alarm over an endpoint's others: in ALARM while any of those is that belong to it."""

    enabled: bool = Field(
        default=True,
        description="Whether there is an incident; without it no alarm of this endpoint pages but those that page "
        "by themselves.",
        examples=[True],
    )
    notify: bool = Field(
        default=True,
        description="Whether CloudWatch itself tells the topic when an incident begins and ends. false where the DAG "
        "remediate tells people.",
        examples=[True],
    )
    topic_arn: TopicArn | None = Field(
        default=None,
        description="The SNS topic that CloudWatch tells; null for that of the endpoint's alerts. CloudWatch needs a "
        "standard topic: a .fifo one is not told.",
        examples=["arn:aws:sns:us-east-1:123456789012:on-call"],
    )


class InfrastructureSpec(SpecModel):
    """What AWS shall hold for one endpoint: alarms, a dashboard, how long logs are kept."""

    enabled: bool = Field(
        default=True,
        description="Whether AWS shall hold anything of ours for this endpoint; what it holds is pruned otherwise.",
        examples=[True],
    )
    alarms: Annotated[dict[Text, MetricAlarmSpec], EmptyMapping] = Field(
        default_factory=dict,
        description="Alarms by condition. The standard ones are there without being written: "
        + ", ".join(name for name, condition in ALARM_CONDITIONS.items() if condition.standard)
        + ". Another name is an alarm of your own and says its metric, statistic and threshold.",
    )
    incident: IncidentSpec = Field(
        default_factory=IncidentSpec,
        description="One alarm over all others, so that one page comes for an incident and not ten.",
    )
    anomaly_detection: bool = Field(
        default=False,
        description="Whether the standard latency alarms compare with what CloudWatch learnt to expect instead of a "
        "threshold, three standard deviations off. Such an alarm costs as much as three.",
        examples=[False],
    )
    instance_type: Annotated[str, Field(pattern=INSTANCE_PATTERN)] | None = Field(
        default=None,
        description="The variants' instance type, which tells cores and GPUs; null to ask SageMaker.",
        examples=["ml.m5.xlarge"],
    )
    dashboard: bool = Field(
        default=True,
        description="Whether the endpoint has a dashboard of its own: model and infrastructure signals side by side.",
        examples=[True],
    )
    log_retention_days: RetentionDays | None = Field(
        default=None,
        description="How long the endpoint's logs are kept, in days that CloudWatch Logs knows; null to leave that as "
        "it is.",
        examples=[30],
    )
    capture_retention_days: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="After how many days captures expire; null for the fleet's.",
        examples=[90],
    )
    manage_capture: bool = Field(
        default=False,
        description="Whether data capture on the live endpoint is brought to what capture declares. That updates the "
        "endpoint.",
        examples=[True],
    )
    mute_windows: MuteWindows = Field(
        default_factory=dict,
        description="When this endpoint pages nobody, by a name of your choice.",
    )

    @model_validator(mode="after")
    def _alarms_can_be_made(self) -> "InfrastructureSpec":
        faults = []
        for name, spec in self.alarms.items():
            if not _CONDITION_NAME.fullmatch(name) or name in {INCIDENT, HEARTBEAT}:
                faults.append(f"alarms.{name}: use another name, of lower case, digits and _, for an alarm of your own")
                continue
            faults += [f"alarms.{name}: {fault}" for fault in alarm_faults(name, spec)]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def alarm_rules(self) -> tuple[AlarmRule, ...]:
        """Return every alarm that is wanted, with all defaults filled in; those of GPUs only where asked for.

        A rule whose ``asked`` is false stands for an alarm that depends on what the endpoint is.
        """
        names = dict.fromkeys((*ALARM_CONDITIONS, *self.alarms))
        rules = (alarm_rule(name, self.alarms.get(name), self.anomaly_detection) for name in names)
        return tuple(rule for rule in rules if rule is not None)
