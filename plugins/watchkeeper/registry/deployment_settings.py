"""Settings of one deployment: environment variables ``WATCHKEEPER_*``, else Airflow Variables ``watchkeeper_*``."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from watchkeeper.errors import SettingsError
from watchkeeper.registry.include_folder import find_include
from watchkeeper.registry.spec_base import HttpUrl, RegionName, Text, TopicArn
from watchkeeper.registry.spec_problems import shown, told

BUCKET_PATTERN = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
PREFIX_PATTERN = r"^([A-Za-z0-9!_.*'()=-]+(/[A-Za-z0-9!_.*'()=-]+)*)?$"
INTERPRETER_PATTERN = r"^/.+"
NAMESPACE_PATTERN = r"^[A-Za-z0-9._/#-]{1,255}$"
RESOURCE_PATTERN = r"^[A-Za-z0-9](-?[A-Za-z0-9]){0,30}$"
_PATTERN_REMEDIES = {
    BUCKET_PATTERN: "use a bucket's name, without s3:// and without a prefix",
    PREFIX_PATTERN: "use a prefix such as watchkeeper or teams/ml, without slashes at its ends",
    INTERPRETER_PATTERN: "use an absolute path, such as /opt/sagemaker/bin/python",
    RESOURCE_PATTERN: "use up to 31 letters, digits and single inner hyphens",
    NAMESPACE_PATTERN: "use up to 255 letters, digits and . _ / # -",
}


#: A Variable would ask the database whenever a DAG file is parsed.
_ENVIRONMENT_ONLY = frozenset({"pool", "sagemaker_python", "alarm_queue_url", "event_queue_url"})


class DeploymentSettings(BaseModel):
    """What differs between deployments of one and the same code."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    bucket: Annotated[str, Field(pattern=BUCKET_PATTERN)] = Field(
        description="The S3 bucket of the report store: baselines, reports, states, ledger, alerts.",
        examples=["example-watchkeeper"],
    )
    prefix: Annotated[str, Field(pattern=PREFIX_PATTERN)] = Field(
        default="watchkeeper",
        description="The prefix of all keys in the bucket; set but empty for none.",
        examples=["watchkeeper"],
    )
    endpoints: Path | None = Field(
        default=None,
        description="The folder of the endpoint files. Not set: endpoints/ in the include folder.",
        examples=["/usr/local/airflow/dags/include/endpoints"],
    )
    include: Path | None = Field(
        default=None,
        description="The include folder. Not set: include/ beside the DAG folder, then inside it.",
        examples=["/usr/local/airflow/dags/include"],
    )
    aws_conn_id: Text = Field(
        default="aws_default",
        description="The Airflow connection of the account that holds bucket, topic and metrics.",
        examples=["aws_default"],
    )
    region_name: RegionName | None = Field(
        default=None,
        description="The region of bucket, topic and metrics. Not set: the connection's.",
        examples=["us-east-1"],
    )
    topic_arn: TopicArn | None = Field(
        default=None,
        description="The SNS topic of alerts, for endpoints that name none. Not set: those alert nobody.",
        examples=["arn:aws:sns:us-east-1:123456789012:model-alerts"],
    )
    act_within_hours: Annotated[float, Field(ge=0)] = Field(
        default=6.0,
        description="Windows that ended longer ago are recorded silently; an endpoint's alerts.act_within_hours wins.",
        examples=[6],
    )
    pool: Text = Field(
        default="default_pool",
        description="The Airflow pool of the analysis tasks. From the environment only, since DAG files are parsed "
        "with it. Of one that does not exist Airflow warns on the DAG, and due_endpoints logs how to make it.",
        examples=["watchkeeper"],
    )
    sagemaker_python: Annotated[str, Field(pattern=INTERPRETER_PATTERN)] | None = Field(
        default=None,
        description="A Python interpreter, on every worker, that has the SageMaker SDK: retraining renders the "
        "pipelines of the include folder with it. From the environment only, since DAG files are parsed with it. Not "
        "set: the rendered definitions that are shipped serve.",
        examples=["/opt/sagemaker/bin/python"],
    )
    metrics_namespace: Annotated[str, Field(pattern=NAMESPACE_PATTERN)] = Field(
        default="Watchkeeper",
        description="What the CloudWatch namespaces of our own metrics begin with.",
        examples=["Watchkeeper"],
    )
    resource_prefix: Annotated[str, Field(pattern=RESOURCE_PATTERN)] = Field(
        default="watchkeeper",
        description="What the names of all alarms, dashboards and rules begin with that we make in AWS.",
        examples=["watchkeeper"],
    )
    alarm_queue_url: HttpUrl | None = Field(
        default=None,
        description="The SQS queue that gets the alarms' changes of state. From the environment only, since DAG files "
        "are parsed with it. Not set: the DAG remediate looks by the clock alone.",
        examples=["https://sqs.us-east-1.amazonaws.com/123456789012/watchkeeper-alarms"],
    )
    event_queue_url: HttpUrl | None = Field(
        default=None,
        description="The SQS queue that gets the platform's events. From the environment only, since DAG files are "
        "parsed with it. Not set: the DAG platform_events looks by the clock alone.",
        examples=["https://sqs.us-east-1.amazonaws.com/123456789012/watchkeeper-events"],
    )
    airflow_url: HttpUrl | None = Field(
        default=None,
        description="Where people open Airflow, for links in alerts. Not set: Airflow's own base_url.",
        examples=["https://airflow.example.com"],
    )
    console_url: HttpUrl | None = Field(
        default=None,
        description="Where people open the AWS console, for links in alerts. Not set: the region's public console.",
        examples=["https://us-east-1.console.aws.amazon.com"],
    )
    runbooks_url: HttpUrl | None = Field(
        default=None,
        description="Where the pages of include/runbooks can be read; a page's file name is put after it. Not set: "
        "alerts name the page without a link.",
        examples=["https://github.com/example/watchkeeper/blob/main/include/runbooks"],
    )

    @classmethod
    def variables(cls) -> tuple[str, ...]:
        """Return the settings that Airflow Variables may hold: those that are not needed to parse a DAG file."""
        return tuple(name for name in cls.model_fields if name not in _ENVIRONMENT_ONLY)

    @classmethod
    def from_mapping(cls, values: Mapping[str, str]) -> Self:
        """Return the settings that ``values`` hold, under the names of the environment or of Airflow Variables.

        Other names are ignored, so the whole environment may be passed. The environment's name wins over the
        Variable's. SettingsError tells every fault at once, a misspelt name included.
        """
        given = {
            name: value.strip()
            for name in cls.model_fields
            for key in (*([variable_name(name)] if name in cls.variables() else []), environment_name(name))
            if (value := values.get(key)) is not None and (value.strip() or name == "prefix")
        }
        problems = [f"{key}: no such setting; did you mean {meant!r}?" for key, meant in _misspelt(values)]
        try:
            settings = cls.model_validate({**given, **_trimmed(given)})
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                name = str(detail["loc"][0])
                pattern = detail.get("ctx", {}).get("pattern", "")
                if pattern in _PATTERN_REMEDIES:
                    fault = f"got {shown(detail['input'])}; {_PATTERN_REMEDIES[pattern]}"
                else:
                    fault = told([detail], cls)[0].removeprefix(f"{name}: ")
                problems.append(f"{environment_name(name)} (or the Airflow Variable {variable_name(name)}): {fault}")
            raise SettingsError("the settings of this deployment", tuple(problems)) from None
        if problems:
            raise SettingsError("the settings of this deployment", tuple(problems))
        return settings

    def include_folder(self) -> Path:
        """Return the include folder; SettingsError names all places that were tried."""
        return self.include if self.include is not None else find_include()

    def endpoints_folder(self) -> Path:
        """Return the folder of the endpoint files; SettingsError when no include folder is found."""
        return self.endpoints if self.endpoints is not None else self.include_folder() / "endpoints"


def environment_name(field: str) -> str:
    """Return the environment variable of a setting: ``WATCHKEEPER_BUCKET``."""
    return f"WATCHKEEPER_{field.upper()}"


def variable_name(field: str) -> str:
    """Return the Airflow Variable of a setting: ``watchkeeper_bucket``."""
    return f"watchkeeper_{field}"


def _trimmed(given: Mapping[str, str]) -> dict[str, str]:
    slashed = ("prefix", "airflow_url", "console_url", "runbooks_url")
    return {
        name: given[name].strip("/") if name == "prefix" else given[name].rstrip("/")
        for name in slashed
        if name in given
    }


def _misspelt(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the keys that nearly are a setting's. Names far from all belong to somebody else."""
    known = {name(field) for field in DeploymentSettings.model_fields for name in (environment_name, variable_name)}
    found = []
    for key in sorted(values):
        if key in known or not key.startswith(("WATCHKEEPER_", "watchkeeper_")):
            continue
        same_case = [name for name in known if name[0] == key[0]]
        close = difflib.get_close_matches(key, same_case, n=1, cutoff=0.85)
        if close:
            found.append((key, close[0]))
    return found
