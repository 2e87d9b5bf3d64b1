"""What an endpoint file says about the model quality monitor."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.spec_base import EmptyMapping, Periods, Share, SpecModel, Text

ProblemType = Literal["Regression", "BinaryClassification", "MulticlassClassification"]
Dialect = Literal["exact", "compatible"]
Distance = Annotated[float, Field(ge=0)]

_SHARES = ("recall", "precision", "accuracy")
_F_SCORES = ("f0_5", "f1", "f2")
METRIC_NAMES: dict[str, tuple[str, ...]] = {
    "Regression": ("mae", "mse", "rmse", "r2"),
    "BinaryClassification": (
        *_SHARES,
        "true_positive_rate",
        "true_negative_rate",
        "false_positive_rate",
        "false_negative_rate",
        "auc",
        "au_prc",
        *_F_SCORES,
    ),
    "MulticlassClassification": (
        "accuracy",
        "weighted_recall",
        "weighted_precision",
        *(f"weighted_{name}" for name in _F_SCORES),
    ),
}
"""The metrics that may have a threshold, by problem type."""
_KNOWN_PAIRS = frozenset({"0", "1", "-1", "true", "false"})


def _as_steps(path: str) -> str:
    unbracketed = path.replace("[*]", "")
    if path.startswith((".", "[")) or "[*" in unbracketed or unbracketed.count("[") != unbracketed.count("]"):
        message = "use a column's index such as '0', a name, or a path such as instances[*].label"
        raise ValueError(message)
    return path


Attribute = Annotated[Text, AfterValidator(_as_steps)]


class ModelQualitySpec(SpecModel):
    """The model quality monitor: predictions against the ground truth that came for them."""

    enabled: bool = Field(default=True, description="Whether this monitor runs.", examples=[True])
    problem_type: ProblemType = Field(
        description="What the model answers: a number, one of two classes, or one of several.",
        examples=["BinaryClassification"],
    )
    inference_attribute: Attribute | None = Field(
        default=None,
        description="Where the prediction stands in the output: a column's index in quotes (CSV), a name of "
        "capture.output_columns, or a JSONPath. A binary model may give only a probability.",
        examples=["predictions[*].predicted_label"],
    )
    probability_attribute: Attribute | None = Field(
        default=None,
        description="Where the positive class's probability stands in the output; without it there is no auc.",
        examples=["0"],
    )
    ground_truth_attribute: Attribute | None = Field(
        default=None,
        description="Where the label stands in the ground truth; null when it is the only value there.",
        examples=["label"],
    )
    probability_threshold: Share = Field(
        default=0.5,
        description="Without an inference_attribute a prediction is positive when its probability is strictly greater.",
        examples=[0.5],
    )
    positive_label: Text = Field(
        default="1", description="The class that recall and precision are about, in quotes.", examples=["1"]
    )
    negative_label: Text | None = Field(
        default=None,
        description="The other class of a binary model; null where the positive one is 1, 0, true or false.",
        examples=["stays"],
    )
    periods: Periods = Field(
        default=("hourly", "daily"),
        description="How often windows are judged: by whole hours, by whole UTC days, or both.",
        examples=[["daily"]],
    )
    dialect: Dialect = Field(
        default="exact",
        description="exact: a baseline's own value is missed only when chance does not explain it. compatible: what "
        "Model Monitor's container answers, quirks included.",
        examples=["exact"],
    )
    minimum_rows: Annotated[int, Field(ge=1)] = Field(
        default=30,
        description="A window of fewer labelled rows is too_few: kept for the day, not judged.",
        examples=[100],
    )
    maximum_malformed_share: Share = Field(
        default=0.05,
        description="A window with a greater share of unreadable lines, or of rows that cannot be judged, is failed.",
        examples=[0.05],
    )
    thresholds: Annotated[dict[Text, float | None], EmptyMapping] = Field(
        default_factory=dict,
        description="A metric's threshold over the baseline's, taken at its word; null switches the metric off.",
        examples=[{"recall": 0.8}],
    )
    label_drift_threshold: Distance | None = Field(
        default=0.1,
        description="baseline_drift_check of the labels: violated when the distance is greater; null for none.",
        examples=[0.1],
    )
    prediction_drift_threshold: Distance | None = Field(
        default=0.1,
        description="baseline_drift_check of the predictions: violated when the distance is greater; null for none.",
        examples=[0.1],
    )
    publish_model_metrics: bool = Field(
        default=False,
        description="Also write Model Monitor's CloudWatch metrics of the model. Each custom metric costs money every "
        "month.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _can_be_read(self) -> "ModelQualitySpec":
        faults = [*self._attribute_faults(), *self._threshold_faults()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _attribute_faults(self) -> list[str]:
        if self.problem_type != "BinaryClassification":
            missing = self.inference_attribute is None
            return [f"{self.problem_type} needs inference_attribute: where the prediction stands"] if missing else []
        faults = []
        if self.inference_attribute is None and self.probability_attribute is None:
            faults.append("BinaryClassification needs inference_attribute, probability_attribute, or both")
        if self.negative_label is None and self.positive_label not in _KNOWN_PAIRS:
            faults.append(f"positive_label {self.positive_label!r} has no well-known opposite; add negative_label")
        if self.negative_label == self.positive_label:
            faults.append("positive_label and negative_label are the same; name two classes")
        return faults

    def _threshold_faults(self) -> list[str]:
        known = METRIC_NAMES[self.problem_type]
        unknown = sorted(set(self.thresholds) - set(known))
        if not unknown:
            return []
        named = ", ".join(map(repr, unknown[:5]))
        return [f"thresholds: {self.problem_type} has no metric {named}; it has {', '.join(known)}"]

    def attributes(self, output_columns: tuple[str, ...] | None = None) -> dict[str, Any]:
        """Return how the model's answers are read, by the names of the analysis."""
        names = ("problem_type", "inference_attribute", "probability_attribute", "ground_truth_attribute")
        others = ("probability_threshold", "positive_label", "negative_label")
        return {name: getattr(self, name) for name in (*names, *others)} | {"output_columns": output_columns}
