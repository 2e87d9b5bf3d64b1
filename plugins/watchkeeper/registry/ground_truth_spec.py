"""What an endpoint file says about its labels: where they lie, and how long a window waits for them."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.spec_base import S3Uri, Share, SpecModel


class GroundTruthSpec(SpecModel):
    """The endpoint's labels, as Model Monitor's ground truth: JSON Lines by the hour in which they were collected."""

    enabled: bool = Field(default=True, description="Whether labels are joined with captures.", examples=[True])
    s3_uri: Annotated[S3Uri, AfterValidator(lambda uri: uri.rstrip("/"))] = Field(
        description="Where labels are put: objects {s3_uri}/yyyy/mm/dd/hh/*.jsonl (or .jsonl.gz), by the UTC hour in "
        "which they were collected.",
        examples=["s3://example-labels/churn"],
    )
    label_coverage: Share = Field(
        default=0.9,
        description="A window is judged as soon as this share of its captured invocations has a label.",
        examples=[0.9],
    )
    waiting_hours: Annotated[int, Field(ge=0, le=8760)] = Field(
        default=48,
        description="So long after its end a window is judged with the labels there are, however few.",
        examples=[48],
    )
    horizon_days: Annotated[int, Field(ge=1, le=365)] = Field(
        default=14,
        description="Labels collected later than this after the captured hour are not looked for.",
        examples=[14],
    )

    @model_validator(mode="after")
    def _waits_within_the_horizon(self) -> "GroundTruthSpec":
        if self.waiting_hours > self.horizon_days * 24:
            message = (
                f"waiting_hours {self.waiting_hours} is longer than horizon_days {self.horizon_days}, after which no "
                f"label is looked for; use at most {self.horizon_days * 24} hours, or more days"
            )
            raise ValueError(message)
        return self
