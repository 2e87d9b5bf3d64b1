"""What an endpoint file says about its monitors."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.bias_spec import BiasSpec
from watchkeeper.registry.explainability_spec import ExplainabilitySpec
from watchkeeper.registry.model_quality_spec import ModelQualitySpec
from watchkeeper.registry.spec_base import EmptyMapping, FromList, Periods, Share, SpecModel, Text, distinct
from watchkeeper.registry.threshold_spec import FeatureSpec, ThresholdSpec

MonitorName = Literal["data_quality", "model_quality", "bias", "explainability"]
MONITOR_NAMES: tuple[MonitorName, ...] = ("data_quality", "model_quality", "bias", "explainability")
"""Model Monitor's four types."""
LABEL_MONITORS: tuple[MonitorName, ...] = ("model_quality", "bias")
"""Those that judge a window by its labels, which come later."""
CAPTURE_MONITORS: tuple[MonitorName, ...] = ("data_quality", "explainability")
"""Those that judge a window by its captures alone."""


class DataQualitySpec(SpecModel):
    """The data quality monitor: captured columns against the baseline."""

    enabled: bool = Field(default=True, description="Whether this monitor runs.", examples=[True])
    periods: Periods = Field(
        default=("hourly", "daily"),
        description="How often windows are judged: by whole hours, by whole UTC days, or both.",
        examples=[["hourly", "daily"]],
    )
    dialect: Literal["exact", "compatible"] = Field(
        default="exact",
        description="exact: correct distances, and the tolerances of this file. compatible: what Model Monitor's "
        "container answers, number for number, quirks included.",
        examples=["exact"],
    )
    minimum_rows: Annotated[int, Field(ge=1)] = Field(
        default=30,
        description="A window of fewer rows is too_few: kept for the day, not judged.",
        examples=[30],
    )
    maximum_malformed_share: Share = Field(
        default=0.05,
        description="A window with a greater share of malformed lines is failed; up to it they are counted and "
        "reported.",
        examples=[0.05],
    )
    publish_feature_metrics: bool = Field(
        default=False,
        description="Also write Model Monitor's CloudWatch metrics per feature. Each custom metric costs money "
        "every month.",
        examples=[False],
    )
    thresholds: ThresholdSpec = Field(
        default_factory=ThresholdSpec,
        description="Thresholds of the whole endpoint, over those of the baseline.",
    )
    features: Annotated[dict[Text, FeatureSpec], EmptyMapping] = Field(
        default_factory=dict,
        description="Thresholds of single features by name, over thresholds.",
    )
    exclude: Annotated[tuple[Text, ...], FromList, AfterValidator(distinct)] = Field(
        default=(),
        description="Columns that are captured and not judged, such as identifiers.",
        examples=[["inference_id"]],
    )

    @model_validator(mode="after")
    def _excluded_features_have_no_rules(self) -> "DataQualitySpec":
        both = sorted(set(self.features) & set(self.exclude))
        if both:
            message = f"{', '.join(map(repr, both[:5]))} stands under both features and exclude; keep one"
            raise ValueError(message)
        return self


class MonitorsSpec(SpecModel):
    """The monitors of an endpoint by Model Monitor's names."""

    data_quality: DataQualitySpec = Field(
        default_factory=DataQualitySpec,
        description="Captured columns against the baseline: types, completeness, values, drift.",
    )
    model_quality: ModelQualitySpec | None = Field(
        default=None,
        description="Predictions against ground truth: recall, errors and the like; null for no such monitor.",
    )
    bias: BiasSpec | None = Field(
        default=None,
        description="Labels and predictions by group, against the baseline; null for no such monitor.",
    )
    explainability: ExplainabilitySpec | None = Field(
        default=None,
        description="Which features the answers come from, against the baseline; null for no such monitor.",
    )
