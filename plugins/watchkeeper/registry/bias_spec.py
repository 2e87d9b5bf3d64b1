"""What an endpoint file says about the bias monitor."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from watchkeeper.registry.model_quality_spec import Attribute, Dialect, Distance
from watchkeeper.registry.spec_base import EmptyMapping, FromList, Periods, Share, SpecModel, Text

PRE_TRAINING_METRICS = ("CDDL", "CI", "DPL", "JS", "KL", "KS", "LP", "TVD")
POST_TRAINING_METRICS = ("AD", "CDDPL", "DAR", "DCA", "DCR", "DI", "DPPL", "DRR", "FT", "GE", "RD", "SD", "TE")
BIAS_METRICS = tuple(sorted((*PRE_TRAINING_METRICS, *POST_TRAINING_METRICS)))
"""Clarify's metrics, each of which may have a threshold."""

Value = str | int | float
Values = Annotated[tuple[Value, ...], FromList]
Confidence = Annotated[float, Field(gt=0, lt=1)]


class FacetSpec(SpecModel):
    """A sensitive attribute, and which of its values make up the group that is compared with all others."""

    name: Text = Field(description="The input column.", examples=["sex"])
    values_or_threshold: Values = Field(
        default=(),
        description="The values of the group, or one number for a numeric column: the group is above it. Empty: each "
        "value is a group for itself.",
        examples=[["female"]],
    )


class BiasSpec(SpecModel):
    """The bias monitor: how labels and predictions fall on groups, against the baseline.

    How predictions and labels are read is as in ``monitors.model_quality`` where it is not said here.
    """

    enabled: bool = Field(default=True, description="Whether this monitor runs.", examples=[True])
    facets: Annotated[tuple[FacetSpec, ...], FromList] = Field(
        default=(),
        description="The sensitive attributes.",
        examples=[[{"name": "sex", "values_or_threshold": ["female"]}]],
    )
    intersections: Annotated[tuple[Annotated[tuple[Text, ...], FromList, Field(min_length=2)], ...], FromList] = Field(
        default=(),
        description="Facets that are judged together too: the group is who belongs to all of them.",
        examples=[[["sex", "age"]]],
    )
    label_values_or_threshold: Values = Field(
        default=(),
        description="The labels of a favourable outcome, or one number: favourable is above it. Empty for the "
        "positive_label of monitors.model_quality.",
        examples=[[1]],
    )
    group_variable: Text | None = Field(
        default=None,
        description="The input column whose values CDDL and CDDPL are conditioned on; null for neither.",
        examples=["department"],
    )
    inference_attribute: Attribute | None = Field(
        default=None,
        description="Where the prediction stands in the output; null for monitors.model_quality's.",
        examples=["predictions[*].predicted_label"],
    )
    probability_attribute: Attribute | None = Field(
        default=None,
        description="Where the favourable outcome's probability stands in the output; null for "
        "monitors.model_quality's.",
        examples=["0"],
    )
    probability_threshold: Share | None = Field(
        default=None,
        description="A prediction is favourable when its probability is strictly greater; null for "
        "monitors.model_quality's, else 0.5.",
        examples=[0.5],
    )
    ground_truth_attribute: Attribute | None = Field(
        default=None,
        description="Where the label stands in the ground truth; null for monitors.model_quality's, else the only "
        "value there.",
        examples=["label"],
    )
    features_attribute: Attribute | None = Field(
        default=None,
        description="Where the features stand in JSON input, as a JSONPath; null where each is a field of its own.",
        examples=["instances[*].features"],
    )
    analysis_config: str | dict[str, Any] | None = Field(
        default=None,
        description="An analysis_config.json of SageMaker Clarify, taken as it is: the name of a file beside this "
        "one. What is said here wins over it.",
        examples=["churn-analysis_config.json"],
    )
    periods: Periods = Field(
        default=("daily",),
        description="How often windows are judged: by whole hours, by whole UTC days, or both.",
        examples=[["daily"]],
    )
    dialect: Dialect = Field(
        default="exact",
        description="exact: violated when a metric is surely further from its ideal than the baseline's. compatible: "
        "what SageMaker Clarify answers, for which 0 is the ideal of every metric.",
        examples=["exact"],
    )
    minimum_rows: Annotated[int, Field(ge=1)] = Field(
        default=100,
        description="A window of fewer labelled rows is too_few: kept for the day, not judged.",
        examples=[100],
    )
    minimum_group_rows: Annotated[int, Field(ge=1)] = Field(
        default=30,
        description="A facet of which either group has fewer rows is not evaluated (exact only).",
        examples=[30],
    )
    maximum_malformed_share: Share = Field(
        default=0.05,
        description="A window with a greater share of unreadable lines, or of rows that cannot be judged, is failed.",
        examples=[0.05],
    )
    confidence: Confidence = Field(
        default=0.95,
        description="Of all bootstrap intervals of a window together; a metric is violated where its interval lies "
        "beyond the baseline's distance (exact only).",
        examples=[0.95],
    )
    tolerance: Distance = Field(
        default=0.0,
        description="So much further from its ideal than the baseline's a metric may be (exact only).",
        examples=[0.02],
    )
    thresholds: Annotated[dict[Text, Distance | None], EmptyMapping] = Field(
        default_factory=dict,
        description="A metric's greatest distance from its ideal, over the baseline's and taken at its word; null "
        "switches the metric off.",
        examples=[{"DPPL": 0.1}],
    )
    publish_bias_metrics: bool = Field(
        default=False,
        description="Also write SageMaker Clarify's CloudWatch metrics. Each custom metric costs money every month.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _can_be_judged(self) -> "BiasSpec":
        faults = [*self._facet_faults(), *self._threshold_faults()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _facet_faults(self) -> list[str]:
        if not self.facets and self.analysis_config is None:
            return ["facets: name at least one, or give an analysis_config"]
        names = {facet.name for facet in self.facets}
        faults = []
        if len(names) < len(self.facets):
            faults.append("facets: name each column only once")
        unknown = sorted({name for group in self.intersections for name in group} - names)
        if unknown and self.facets:
            faults.append(f"intersections: {', '.join(unknown)} is none of facets: {', '.join(sorted(names))}")
        return faults

    def _threshold_faults(self) -> list[str]:
        unknown = sorted(set(self.thresholds) - set(BIAS_METRICS))
        if not unknown:
            return []
        return [f"thresholds: there is no metric {', '.join(unknown[:5])}; there are {', '.join(BIAS_METRICS)}"]
