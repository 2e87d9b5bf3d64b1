"""Thresholds of the data quality checks, for a whole endpoint and for single features."""

from typing import Annotated, Any, Literal

from pydantic import Field

from watchkeeper.registry.spec_base import Share, SpecModel

Distance = Annotated[float, Field(ge=0)]


class ThresholdSpec(SpecModel):
    """Thresholds laid over those of the baseline whenever its constraints are loaded; null keeps the baseline's."""

    comparison_threshold: Distance | None = Field(
        default=None,
        description="baseline_drift_check of numeric columns: violated when the distance is greater than this.",
        examples=[0.1],
    )
    comparison_method: Literal["Robust", "Simple"] | None = Field(
        default=None,
        description="Distance of distributions: Simple is the L-infinity distance, Robust is that less what chance "
        "alone explains at this sample size.",
        examples=["Robust"],
    )
    categorical_comparison_threshold: Distance | None = Field(
        default=None,
        description="baseline_drift_check of string columns: violated when the distance is greater than this "
        "(LInfinity), or when the p-value is smaller (ChiSquared).",
        examples=[0.1],
    )
    categorical_drift_method: Literal["LInfinity", "ChiSquared"] | None = Field(
        default=None,
        description="How string columns are compared. ChiSquared flags nearly everything in large windows.",
        examples=["LInfinity"],
    )
    datatype_check_threshold: Share | None = Field(
        default=None,
        description="data_type_check: violated when a smaller share of the present values has the baseline's type.",
        examples=[0.99],
    )
    domain_content_threshold: Share | None = Field(
        default=None,
        description="categorical_values_check: violated when a smaller share of the present values is one of the "
        "baseline's values.",
        examples=[0.99],
    )
    perform_comparison: bool | None = Field(
        default=None,
        description="Whether distributions are compared with the baseline's at all (baseline_drift_check).",
        examples=[True],
    )

    def given(self) -> dict[str, Any]:
        """Return the thresholds that the file sets, by their name here, as plain values."""
        return self.model_dump(exclude_none=True)


class FeatureSpec(ThresholdSpec):
    """Rules of one feature: they win over the endpoint's thresholds and over the baseline."""

    completeness: Share | None = Field(
        default=None,
        description="completeness_check: violated when a smaller share of the rows has a value in this column.",
        examples=[0.95],
    )
    evaluate_constraints: bool | None = Field(
        default=None,
        description="false keeps the feature's statistics and switches off all its checks.",
        examples=[False],
    )
