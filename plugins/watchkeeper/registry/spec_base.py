"""What all models of the registry share: strict values, no unknown keys, frozen, every field described."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator

from watchkeeper.registry.capture_window import Period

ENDPOINT_NAME_PATTERN = r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$"
"""SageMaker's rule for the names of endpoints and variants."""
S3_URI_PATTERN = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$"
REGION_PATTERN = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
TOPIC_ARN_PATTERN = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$"
ROLE_ARN_PATTERN = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$"
PIPELINE_NAME_PATTERN = r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}$"
DEFINITION_FILE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*\.json$"
HTTP_URL_PATTERN = r"^https?://[^\s]+$"
CONTENT_TYPE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9.+_-]*/[A-Za-z0-9][A-Za-z0-9.+_-]*$"
NOT_BLANK_PATTERN = r"\S"

PATTERN_REMEDIES: dict[str, str] = {
    ENDPOINT_NAME_PATTERN: "use SageMaker's form: up to 63 letters, digits and inner hyphens",
    S3_URI_PATTERN: "use an S3 URI such as s3://bucket/prefix",
    REGION_PATTERN: "use a region's code such as us-east-1",
    TOPIC_ARN_PATTERN: "use a topic's ARN such as arn:aws:sns:us-east-1:123456789012:model-alerts",
    ROLE_ARN_PATTERN: "use a role's ARN such as arn:aws:iam::123456789012:role/training",
    PIPELINE_NAME_PATTERN: "use SageMaker's form: up to 256 letters, digits and inner hyphens",
    DEFINITION_FILE_PATTERN: "use a file's name in include/pipelines that ends with .json, without a folder",
    HTTP_URL_PATTERN: "use a whole address that starts with https://",
    CONTENT_TYPE_PATTERN: "use a plain content type such as text/csv, without parameters",
    NOT_BLANK_PATTERN: "write some text",
}
"""What to do about a text that does not match, told instead of the pattern."""

EndpointName = Annotated[str, Field(pattern=ENDPOINT_NAME_PATTERN)]
S3Uri = Annotated[str, Field(pattern=S3_URI_PATTERN)]
RegionName = Annotated[str, Field(pattern=REGION_PATTERN)]
TopicArn = Annotated[str, Field(pattern=TOPIC_ARN_PATTERN)]
RoleArn = Annotated[str, Field(pattern=ROLE_ARN_PATTERN)]
PipelineName = Annotated[str, Field(pattern=PIPELINE_NAME_PATTERN)]
DefinitionFile = Annotated[str, Field(pattern=DEFINITION_FILE_PATTERN)]
HttpUrl = Annotated[str, Field(pattern=HTTP_URL_PATTERN)]
ContentType = Annotated[str, Field(pattern=CONTENT_TYPE_PATTERN)]
Text = Annotated[str, Field(pattern=NOT_BLANK_PATTERN)]
Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole, from 0 to 1."""

FromList = Strict(strict=False)
"""Lets a YAML list fill a tuple, while the items stay strict."""

EmptyMapping = BeforeValidator(lambda value: {} if value is None else value)
"""Lets a mapping be left empty in YAML."""


class SpecModel(BaseModel):
    """A frozen part of an endpoint file. A section that is left empty means all its defaults."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _empty_section(cls, value: Any) -> Any:
        return {} if value is None else value


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``values`` as they are; ValueError names those that stand there twice."""
    repeated = sorted({value for value in values if values.count(value) > 1}) if len(set(values)) < len(values) else []
    if repeated:
        message = f"name each only once: {', '.join(map(repr, repeated[:5]))} stands there twice"
        raise ValueError(message)
    return values


Periods = Annotated[tuple[Period, ...], FromList, Field(min_length=1), AfterValidator(distinct)]
