"""What an endpoint file says about data capture: where it lies and how its columns are called."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from watchkeeper.registry.spec_base import ContentType, FromList, S3Uri, Share, SpecModel, Text, distinct

ColumnNames = Annotated[tuple[Text, ...], FromList, Field(min_length=1), AfterValidator(distinct)]
ContentTypes = Annotated[tuple[ContentType, ...], FromList, AfterValidator(distinct)]


class CaptureSpec(SpecModel):
    """The endpoint's data capture, and how a captured line becomes columns."""

    s3_uri: Annotated[S3Uri, AfterValidator(lambda uri: uri.rstrip("/"))] = Field(
        description="SageMaker's DestinationS3Uri. Objects lie at {s3_uri}/{endpoint_name}/{variant}/yyyy/mm/dd/hh/.",
        examples=["s3://example-capture/churn"],
    )
    sampling_percentage: Annotated[int, Field(ge=1, le=100)] = Field(
        default=100,
        description="The share of invocations that capture keeps, in percent. Scales the expectation behind "
        "capture_gap, and is what enabling capture sets.",
        examples=[20],
    )
    kms_key_id: Text | None = Field(
        default=None,
        description="The KMS key that capture encrypts with (id, ARN or alias); null for the bucket's own default.",
        examples=["alias/model-capture"],
    )
    csv_content_types: ContentTypes = Field(
        default=("text/csv",),
        description="Content types that capture stores as CSV text; what is in neither list is stored as base64.",
        examples=[["text/csv"]],
    )
    json_content_types: ContentTypes = Field(
        default=("application/json", "application/jsonlines"),
        description="Content types that capture stores as JSON text.",
        examples=[["application/json"]],
    )
    input_columns: ColumnNames | None = Field(
        default=None,
        description="Names of the request's columns in the order of the payload. Needed for CSV only; without them "
        "the baseline's names are used, by position. JSON brings its own names.",
        examples=[["tenure_months", "monthly_charge"]],
    )
    output_columns: ColumnNames | None = Field(
        default=None,
        description="Names of the response's columns in the order of the payload; as input_columns.",
        examples=[["churn_probability"]],
    )
    output_columns_position: Literal["START", "END"] = Field(
        default="START",
        description="Whether the response's columns come before (START, Model Monitor's default) or after (END) the "
        "request's when the two are put side by side.",
        examples=["START"],
    )
    gap_share: Share = Field(
        default=0.5,
        description="A window of which capture kept less than this share of what Invocations × sampling_percentage "
        "promise is a capture_gap; at 0 none is.",
        examples=[0.5],
    )

    @model_validator(mode="after")
    def _columns_distinct(self) -> "CaptureSpec":
        shared = sorted(set(self.input_columns or ()) & set(self.output_columns or ()))
        if shared:
            message = (
                f"input_columns and output_columns share {', '.join(map(repr, shared[:5]))}; "
                "give each column a name of its own"
            )
            raise ValueError(message)
        if set(self.csv_content_types) & set(self.json_content_types):
            both = sorted(set(self.csv_content_types) & set(self.json_content_types))
            message = f"csv_content_types and json_content_types share {', '.join(both)}; keep each in one list"
            raise ValueError(message)
        return self
