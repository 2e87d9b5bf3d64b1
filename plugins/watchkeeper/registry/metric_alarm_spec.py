"""What an endpoint file says about one alarm; what it leaves out is the standard condition's."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.alarm_condition import Comparison, MissingData, Paging
from watchkeeper.registry.alert_spec import AlertSeverity
from watchkeeper.registry.spec_base import EmptyMapping, HttpUrl, SpecModel, Text

STATISTIC_PATTERN = r"^(Average|Sum|Minimum|Maximum|SampleCount|p(100|\d{1,2}(\.\d{1,10})?))$"
_HIGH_RESOLUTIONS = (10, 20, 30)
_DAY, _WEEK, _HOUR = 86_400, 604_800, 3600


def _period(seconds: int) -> int:
    if seconds not in _HIGH_RESOLUTIONS and seconds % 60:
        message = "use 10, 20, 30 or a multiple of 60"
        raise ValueError(message)
    return seconds


PeriodSeconds = Annotated[int, Field(ge=10, le=_DAY), AfterValidator(_period)]
"""A period that CloudWatch takes; under a minute the alarm costs more, and only few metrics have such points."""
Threshold = Annotated[float, Field(ge=0)]


class MetricAlarmSpec(SpecModel):
    """One alarm. Under a standard condition's name every field may be left out."""

    enabled: bool | None = Field(
        default=None,
        description="Whether there is such an alarm; null for the standard: yes, but for concurrency, and for GPUs "
        "only where the instance has one.",
        examples=[False],
    )
    metric: Text | None = Field(
        default=None,
        description="Of an alarm of your own: the metric's name, as CloudWatch has it. Standard ones have theirs.",
        examples=["ModelLatency"],
    )
    namespace: Text | None = Field(
        default=None,
        description="Of an alarm of your own: the metric's namespace; null for SageMaker's.",
        examples=["AWS/SageMaker"],
    )
    dimensions: Annotated[dict[Text, Text], EmptyMapping] = Field(
        default_factory=dict,
        description="Of an alarm of your own: the metric's dimensions; the endpoint's and the variant's if empty.",
        examples=[{"EndpointName": "churn-prod"}],
    )
    statistic: Annotated[str, Field(pattern=STATISTIC_PATTERN)] | None = Field(
        default=None,
        description="Average, Sum, Minimum, Maximum, SampleCount or a percentile such as p99; null for the standard.",
        examples=["p99"],
    )
    comparison: Comparison | None = Field(
        default=None,
        description="Whether above or below the threshold is bad; null for the standard.",
        examples=["above"],
    )
    threshold_percent: Threshold | None = Field(
        default=None,
        description="Threshold of a utilization (of the whole instance, however many cores or GPUs it has) or of a "
        "share of invocations, in percent.",
        examples=[80],
    )
    threshold_milliseconds: Threshold | None = Field(
        default=None,
        description="Threshold of a latency, in milliseconds.",
        examples=[500],
    )
    threshold_count: Threshold | None = Field(
        default=None,
        description="Threshold of a number: of invocations a period, requests at once, violations.",
        examples=[10],
    )
    threshold_distance: Threshold | None = Field(
        default=None,
        description="Threshold of drift: the worst feature's distance from the baseline.",
        examples=[0.2],
    )
    threshold_value: float | None = Field(
        default=None,
        description="Threshold of an alarm of your own on a metric with another unit, in the metric's own unit.",
        examples=[1],
    )
    anomaly_band: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="Instead of a threshold: how many standard deviations off what CloudWatch learnt to expect of the "
        "metric is bad. Not for shares and not for monitors' verdicts.",
        examples=[2],
    )
    minimum_invocations: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Of a share: with fewer invocations in a period it counts as 0, as one error in three calls says "
        "nothing.",
        examples=[20],
    )
    period_seconds: PeriodSeconds | None = Field(
        default=None,
        description="Over how long points are gathered: 10, 20, 30 or a multiple of 60 seconds; null for the standard.",
        examples=[60],
    )
    evaluation_periods: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="How many of the last periods are looked at; null for the standard.",
        examples=[5],
    )
    datapoints_to_alarm: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="In how many of them it must be bad; null for the standard, or for all where only "
        "evaluation_periods is given.",
        examples=[3],
    )
    missing_data: MissingData | None = Field(
        default=None,
        description="What a period without points means: missing (nothing is known), breaching (bad), not_breaching "
        "(good), ignore (as it was); null for the standard.",
        examples=["not_breaching"],
    )
    page: Paging | None = Field(
        default=None,
        description="Whom it pages: incident (through the endpoint's one incident), itself, or nobody; null for the "
        "condition's.",
        examples=["incident"],
    )
    severity: AlertSeverity | None = Field(
        default=None,
        description="How bad it is; null for the standard.",
        examples=["critical"],
    )
    runbook_url: HttpUrl | None = Field(
        default=None,
        description="The page that its description links to; null for the standard in include/runbooks.",
        examples=["https://wiki.example.com/churn-latency"],
    )

    @model_validator(mode="after")
    def _periods_fit(self) -> "MetricAlarmSpec":
        periods, points = self.evaluation_periods, self.datapoints_to_alarm
        if periods is not None and points is not None and points > periods:
            message = f"datapoints_to_alarm {points} never happens in evaluation_periods {periods}; use at most as many"
            raise ValueError(message)
        thresholds = [name for name in THRESHOLD_FIELDS if getattr(self, name) is not None]
        if len(thresholds) + (self.anomaly_band is not None) > 1:
            named = [*thresholds, *(["anomaly_band"] if self.anomaly_band is not None else [])]
            message = f"got {' and '.join(named)}; give one of them"
            raise ValueError(message)
        return self


THRESHOLD_FIELDS = (
    "threshold_percent",
    "threshold_milliseconds",
    "threshold_count",
    "threshold_distance",
    "threshold_value",
)


def longest_evaluation(period_seconds: int) -> int:
    """Return how many seconds an alarm may look back: a day, or a week in periods of an hour and more."""
    return _WEEK if period_seconds >= _HOUR else _DAY
