"""What an endpoint file says about the explainability monitor, and about how the model is asked."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.model_quality_spec import Attribute, Dialect
from watchkeeper.registry.spec_base import (
    ContentType,
    EndpointName,
    FromList,
    Periods,
    S3Uri,
    Share,
    SpecModel,
    Text,
    distinct,
)

Cell = str | int | float | None
Row = Annotated[tuple[Cell, ...], FromList, Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]


class ShapSpec(SpecModel):
    """SageMaker Clarify's options of KernelSHAP."""

    baseline: Annotated[tuple[Row, ...], FromList] = Field(
        default=(),
        description="Rows that stand for an absent feature, in the order of capture.input_columns; empty for "
        "prototypes of the baseline's dataset.",
        examples=[[[39, "private", 0]]],
    )
    num_clusters: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10,
        description="Without baseline rows: how many prototypes are made of the baseline's dataset, by k-means.",
        examples=[10],
    )
    num_samples: Positive | None = Field(
        default=None,
        description="How many coalitions of features are tried per explained row; null for 2 × features + 2048, and "
        "for all there are where they are fewer.",
        examples=[500],
    )
    agg_method: Literal["mean_abs", "median", "mean_sq"] = Field(
        default="mean_abs",
        description="How rows become one value of a feature: mean of the absolute values, median, mean square.",
        examples=["mean_abs"],
    )
    use_logit: bool = Field(
        default=False, description="Explain the log-odds of the model's probabilities.", examples=[False]
    )
    seed: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Of sampling: the same seed gives the same values.", examples=[0]
    )
    features_to_explain: Annotated[tuple[Text, ...], FromList, AfterValidator(distinct)] = Field(
        default=(),
        description="Only these features; the others keep their values. Empty for all.",
        examples=[["age", "income"]],
    )


class ShadowSpec(SpecModel):
    """An endpoint of its own for each run: made, asked and deleted. Null fields are as in the watched variant."""

    model_name: EndpointName | None = Field(
        default=None,
        description="SageMaker's model; null for the one in service behind the variant.",
        examples=["churn-model-12"],
    )
    instance_type: Text | None = Field(
        default=None, description="Its instance type; null for the variant's.", examples=["ml.m5.large"]
    )
    instance_count: Annotated[int, Field(ge=1, le=10)] = Field(
        default=1, description="Its number of instances.", examples=[1]
    )


class LiveSpec(SpecModel):
    """Asking the endpoint in service: its requests are tagged, left out of monitoring, and not counted as traffic."""

    requests_per_second: Annotated[float, Field(ge=0.01, le=1000)] = Field(
        default=1.0, description="At most so many requests a second.", examples=[1.0]
    )
    maximum_rows: Positive = Field(
        default=100_000,
        description="At most so many rows are asked of a variant in a run; what may need more is failed before it "
        "begins.",
        examples=[100000],
    )


class ExplainedModelSpec(SpecModel):
    """How the model is reached: exactly one of the three; none of them means a shadow endpoint."""

    artefact: S3Uri | None = Field(
        default=None,
        description="A tree model for exact TreeSHAP (of a classifier's log-odds): XGBoost's JSON or UBJSON, "
        "LightGBM's text, or a model.tar.gz that holds one.",
        examples=["s3://example-models/churn/model.tar.gz"],
    )
    shadow: ShadowSpec | None = Field(
        default=None, description="A shadow endpoint, created for each run and always deleted."
    )
    live: LiveSpec | None = Field(default=None, description="The endpoint in service, by opt-in.")

    @property
    def is_shadow(self) -> bool:
        """Whether a shadow endpoint is made."""
        return self.artefact is None and self.live is None

    @model_validator(mode="after")
    def _one_way(self) -> "ExplainedModelSpec":
        given = [name for name in ("artefact", "shadow", "live") if getattr(self, name) is not None]
        if len(given) > 1:
            message = f"got {' and '.join(given)}; keep one way to the model"
            raise ValueError(message)
        return self


class RequestSpec(SpecModel):
    """How rows are written for the model and its answers read, as in the ``predictor`` of an analysis_config.json."""

    content_type: ContentType = Field(default="text/csv", description="Of requests.", examples=["text/csv"])
    accept_type: ContentType | None = Field(
        default=None, description="Of answers; null for content_type.", examples=["application/json"]
    )
    content_template: Text | None = Field(
        default=None,
        description="A request's whole body, with $records (JSON) or $features (JSON Lines).",
        examples=['{"instances": $records}'],
    )
    record_template: Text | None = Field(
        default=None,
        description="One row of it, with $features or $features_kvp.",
        examples=['{"features": $features}'],
    )
    label: Attribute | None = Field(
        default=None,
        description="Where an answer's number stands: a CSV column's index in quotes, or a JSONPath.",
        examples=["predictions[*].score"],
    )
    label_headers: Annotated[tuple[Text, ...], FromList, AfterValidator(distinct)] = Field(
        default=(),
        description="Names of a model's several outputs; empty for label0 and so on.",
        examples=[["leaves", "stays"]],
    )


class ExplainabilitySpec(SpecModel):
    """The explainability monitor: which features the model's answers come from, against the baseline."""

    enabled: bool = Field(default=True, description="Whether this monitor runs.", examples=[True])
    model: ExplainedModelSpec = Field(
        default_factory=ExplainedModelSpec, description="How the model is reached: artefact, shadow or live."
    )
    request: RequestSpec = Field(
        default_factory=RequestSpec, description="How rows are written for the model and its answers read."
    )
    shap: ShapSpec = Field(default_factory=ShapSpec, description="SageMaker Clarify's options of KernelSHAP.")
    features_attribute: Attribute | None = Field(
        default=None,
        description="Where the features stand in JSON input, as a JSONPath; null where each is a field of its own.",
        examples=["instances[*].features"],
    )
    analysis_config: str | dict[str, Any] | None = Field(
        default=None,
        description="An analysis_config.json of SageMaker Clarify, taken as it is: the name of a file beside this "
        "one. Its shap and predictor stand in for sections of this file that are left out.",
        examples=["churn-analysis_config.json"],
    )
    sample_rows: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=500,
        description="How many of a window's rows are explained, drawn by their event ids; null for all.",
        examples=[500],
    )
    local_values: bool = Field(
        default=False,
        description="Also keep the explanation of each explained row, to be looked up by eventId or inferenceId.",
        examples=[True],
    )
    periods: Periods = Field(
        default=("daily",),
        description="How often windows are judged: by whole hours, by whole UTC days, or both.",
        examples=[["daily"]],
    )
    dialect: Dialect = Field(
        default="exact",
        description="exact: violated when chance does not explain that the score is under the threshold. compatible: "
        "SageMaker Clarify's rule.",
        examples=["exact"],
    )
    ndcg_threshold: Share = Field(
        default=0.9,
        description="Violated when the NDCG of the window's ranking against the baseline's is less.",
        examples=[0.9],
    )
    minimum_rows: Positive = Field(
        default=30,
        description="A window of fewer rows is too_few, as one with fewer rows than features is.",
        examples=[30],
    )
    maximum_malformed_share: Share = Field(
        default=0.05,
        description="A window with a greater share of unreadable lines is failed.",
        examples=[0.05],
    )
    publish_attribution_metrics: bool = Field(
        default=False,
        description="Also write SageMaker Clarify's CloudWatch metrics of each feature. Each custom metric costs money "
        "every month.",
        examples=[False],
    )
