"""What the fleet file says about cost: the ceiling of all endpoints together, retention, compaction, resolution."""

from typing import Annotated, Literal

from pydantic import Field

from watchkeeper.registry.spec_base import SpecModel

Days = Annotated[int, Field(ge=1, le=36500)]


class RetentionSpec(SpecModel):
    """How long housekeeping keeps what lies below the prefix, by the day that each thing is about; null for ever.

    What is not here is never deleted: baselines, audit records of actions, pipelines' definitions.
    """

    reports: Days | None = Field(
        default=None,
        description="Reports of windows and their documents, each window whole. Of label monitors: at least as long as "
        "their labels may still come.",
        examples=[400],
    )
    states: Days | None = Field(
        default=None,
        description="Mergeable states of hours; those that are gone are made anew from captures.",
        examples=[100],
    )
    merged: Days | None = Field(
        default=None,
        description="Captures merged with labels; retraining and label monitors look no further back.",
        examples=[180],
    )
    explanations: Days | None = Field(default=None, description="Explanations of single predictions.", examples=[100])
    probes: Days | None = Field(default=None, description="How often we asked live endpoints.", examples=[100])
    alerts: Days | None = Field(
        default=None,
        description="Records of alerts; what is told of a window is told once only as long as they are there.",
        examples=[400],
    )
    notices: Days | None = Field(default=None, description="Records of notices, as alerts.", examples=[400])
    ledger: Days | None = Field(default=None, description="Verdicts.", examples=[3650])
    ledger_events: Days | None = Field(default=None, description="Platform events and job outcomes.", examples=[730])
    events: Days | None = Field(default=None, description="The archive of events as they came.", examples=[180])
    cost: Days | None = Field(default=None, description="Cost reports.", examples=[1095])


class FleetCostSpec(SpecModel):
    """The cost rules of the whole fleet."""

    ceiling_usd_per_month: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="What watching all endpoints may cost a month by prediction, in USD; null for no ceiling. It is "
        "told, and stops nothing: what gives way is each endpoint's own.",
        examples=[500],
    )
    retention: RetentionSpec = Field(
        default_factory=RetentionSpec,
        description="How many days each kind of data is kept by housekeeping; captures, logs and plans are the "
        "lifecycle's of infrastructure.",
    )
    delete_expired: bool = Field(
        default=False,
        description="Whether housekeeping really deletes what is past its retention. false: it counts and reports "
        "what it would delete.",
        examples=[True],
    )
    minimum_age_days: Annotated[int, Field(ge=7)] = Field(
        default=14,
        description="Nothing whose object was written less than this ago is deleted, whatever retention says.",
        examples=[14],
    )
    compact: bool = Field(
        default=True,
        description="Whether the ledger's small files of a past day become one file for each monitor.",
        examples=[True],
    )
    compact_after_days: Annotated[int, Field(ge=3)] = Field(
        default=4,
        description="How old a day is before its files are put together: later than windows are made good.",
        examples=[4],
    )
    metric_resolution_seconds: Literal[1, 60] = Field(
        default=60,
        description="Resolution of our metrics in CloudWatch. 1 costs no more by itself, but alarms on periods under a "
        "minute do.",
        examples=[60],
    )
