"""What an endpoint file says about where its baseline comes from."""

from pathlib import PurePosixPath
from typing import Literal, Self

from pydantic import Field, model_validator

from watchkeeper.registry.spec_base import S3Uri, SpecModel, Text

DatasetFormat = Literal["csv", "jsonlines", "parquet"]
_FORMATS_BY_SUFFIX: dict[str, DatasetFormat] = {
    ".csv": "csv",
    ".jsonl": "jsonlines",
    ".jsonlines": "jsonlines",
    ".ndjson": "jsonlines",
    ".parquet": "parquet",
}


class BaselineSource(SpecModel):
    """A dataset to profile, or Model Monitor's own documents to take over."""

    dataset: S3Uri | None = Field(
        default=None,
        description="The training data that the baseline is made from: one object, or a prefix that ends with a slash.",
        examples=["s3://example-data/churn/train.csv"],
    )
    format: DatasetFormat | None = Field(
        default=None,
        description="How the dataset is written; null to tell by its suffix (.csv, .jsonl, .parquet). CSV has a header "
        "line.",
        examples=["csv"],
    )
    import_statistics: S3Uri | None = Field(
        default=None,
        description="An existing statistics.json to take over instead of profiling a dataset.",
        examples=["s3://example-monitor/baseline/statistics.json"],
    )
    import_constraints: S3Uri | None = Field(
        default=None,
        description="The constraints.json that goes with import_statistics; thresholds edited in it by hand survive.",
        examples=["s3://example-monitor/baseline/constraints.json"],
    )

    @property
    def dataset_format(self) -> DatasetFormat | None:
        """The dataset's format, by ``format`` or by its suffix; None without a dataset."""
        return _format_of(self.dataset, self.format)

    @property
    def is_import(self) -> bool:
        """Whether existing documents are taken over."""
        return self.import_statistics is not None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.import_statistics is None) != (self.import_constraints is None):
            given = "import_statistics" if self.import_statistics else "import_constraints"
            message = f"only {given} is given; give import_statistics and import_constraints together"
            raise ValueError(message)
        if self.dataset is not None and self.import_statistics is not None:
            message = "both dataset and import_statistics are given; keep the one that the baseline shall come from"
            raise ValueError(message)
        _require_known_format(self)
        return self


class ModelQualityBaselineSpec(BaselineSource):
    """The source of the model quality baseline: labelled predictions, such as those of the validation set."""

    inference_attribute: Text | None = Field(
        default=None,
        description="The dataset's column of predictions; null when it is called as in monitors.model_quality.",
        examples=["prediction"],
    )
    probability_attribute: Text | None = Field(
        default=None,
        description="The dataset's column of probabilities; null when it is called as in monitors.model_quality.",
        examples=["probability"],
    )
    ground_truth_attribute: Text = Field(
        default="label", description="The dataset's column of labels.", examples=["label"]
    )


class AnalysisSource(SpecModel):
    """A dataset to analyze, or SageMaker Clarify's own document to take over."""

    dataset: S3Uri | None = Field(
        default=None,
        description="The dataset that the baseline is made from: one object, or a prefix that ends with a slash.",
        examples=["s3://example-data/churn/validation.csv"],
    )
    format: DatasetFormat | None = Field(
        default=None,
        description="How the dataset is written; null to tell by its suffix (.csv, .jsonl, .parquet). CSV has a header "
        "line.",
        examples=["csv"],
    )
    import_analysis: S3Uri | None = Field(
        default=None,
        description="An existing analysis.json of SageMaker Clarify to take over instead.",
        examples=["s3://example-monitor/bias/analysis.json"],
    )

    @property
    def dataset_format(self) -> DatasetFormat | None:
        """The dataset's format, by ``format`` or by its suffix; None without a dataset."""
        return _format_of(self.dataset, self.format)

    @property
    def is_import(self) -> bool:
        """Whether an existing document is taken over."""
        return self.import_analysis is not None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.dataset is not None and self.import_analysis is not None:
            message = "both dataset and import_analysis are given; keep the one that the baseline shall come from"
            raise ValueError(message)
        _require_known_format(self)
        return self


class BiasBaselineSpec(AnalysisSource):
    """The source of the bias baseline: training or validation data with its labels and the model's predictions."""

    inference_attribute: Text | None = Field(
        default=None,
        description="The dataset's column of predictions; null when it is called as in the monitor.",
        examples=["prediction"],
    )
    probability_attribute: Text | None = Field(
        default=None,
        description="The dataset's column of probabilities; null when it is called as in the monitor.",
        examples=["probability"],
    )
    ground_truth_attribute: Text = Field(
        default="label", description="The dataset's column of labels.", examples=["label"]
    )


class ExplainabilityBaselineSpec(AnalysisSource):
    """The source of the explainability baseline: rows of training data, of which a sample is explained."""


class BaselineSpec(BaselineSource):
    """The data quality baseline's source, and those of the other monitors by their names."""

    model_quality: ModelQualityBaselineSpec | None = Field(
        default=None,
        description="Where the baseline of model quality comes from; null when the baseline DAG is told each time.",
    )
    bias: BiasBaselineSpec | None = Field(
        default=None,
        description="Where the baseline of bias comes from; null when the baseline DAG is told each time.",
    )
    explainability: ExplainabilityBaselineSpec | None = Field(
        default=None,
        description="Where the baseline of explainability comes from; null when the baseline DAG is told each time.",
    )


def _format_of(dataset: str | None, given: DatasetFormat | None) -> DatasetFormat | None:
    return None if dataset is None else given or _FORMATS_BY_SUFFIX.get(PurePosixPath(dataset).suffix.lower())


def _require_known_format(source: BaselineSource | AnalysisSource) -> None:
    if source.dataset is not None and source.dataset_format is None:
        message = f"the suffix of {source.dataset!r} does not tell its format; add format: csv, jsonlines or parquet"
        raise ValueError(message)
