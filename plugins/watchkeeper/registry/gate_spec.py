"""What an endpoint file says a challenger must do to take the champion's place."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from watchkeeper.registry.spec_base import FromList, SpecModel, Text, distinct

GateMetric = Literal[
    "rmse",
    "mae",
    "mse",
    "r2",
    "auc",
    "au_prc",
    "accuracy",
    "precision",
    "recall",
    "f0_5",
    "f1",
    "f2",
    "weighted_precision",
    "weighted_recall",
    "weighted_f0_5",
    "weighted_f1",
    "weighted_f2",
]


class GateSpec(SpecModel):
    """The comparison of a challenger with the champion, on labelled rows that neither was trained on."""

    metric: GateMetric | None = Field(
        default=None,
        description="The metric to compare by, under Model Monitor's name; null for the problem type's: rmse, auc or "
        "weighted_f1.",
        examples=["auc"],
    )
    minimum_improvement: float = Field(
        default=0.0,
        description="By how much the challenger must be better, in the metric's units: the whole confidence interval "
        "must lie above it. Below 0 a challenger passes that is worse by at most so much.",
        examples=[0.005],
    )
    confidence: Annotated[float, Field(ge=0.5, le=0.999)] = Field(
        default=0.95,
        description="How sure the comparison must be: the confidence of its interval.",
        examples=[0.95],
    )
    minimum_rows: Annotated[int, Field(ge=2)] = Field(
        default=200,
        description="With fewer labelled rows that both models answered nothing is decided.",
        examples=[200],
    )
    evaluation_days: Annotated[int, Field(ge=1, le=365)] = Field(
        default=3,
        description="The newest so many days of the training window give the rows to compare on.",
        examples=[3],
    )
    evaluation_share: Annotated[float, Field(ge=0.05, le=1)] = Field(
        default=0.3,
        description="So many of these days' invocations, chosen by their ids, are kept out of training and compared "
        "on; at 1 none of these days is trained on.",
        examples=[0.3],
    )
    segments: Annotated[tuple[Text, ...], FromList, AfterValidator(distinct)] = Field(
        default=(),
        description="Input columns on each of whose values the challenger must not be worse.",
        examples=[["plan"]],
    )
    segment_minimum_rows: Annotated[int, Field(ge=2)] = Field(
        default=100,
        description="Values with fewer rows are left out.",
        examples=[100],
    )
    segment_tolerance: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="How much worse the challenger may be on a value of a segment, in the metric's units; more counts "
        "when it is also more than chance explains.",
        examples=[0.01],
    )
