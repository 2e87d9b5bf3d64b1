"""SageMaker pipelines and the model packages that they register."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal

from watchkeeper.aws.sagemaker_hook import EndpointHook
from watchkeeper.aws.service_failure import error_code, is_missing, permission_named
from watchkeeper.errors import PipelineError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

APPROVED: Final = "Approved"
REJECTED: Final = "Rejected"
_SUCCEEDED = "Succeeded"
_UNSUCCESSFUL = frozenset({"Failed", "Stopped"})
#: Executions to look through for an attempt's own; they are listed newest first.
_LOOK_BACK = 300
_DESCRIPTION_LIMIT = 1024
_DIGEST_MARK = "definition sha256:"


@dataclass(frozen=True)
class ExecutionFacts:
    """What SageMaker says about one execution; ``failures`` holds why steps failed, by their name."""

    arn: str
    status: str
    failure_reason: str | None = None
    failures: Mapping[str, str] = field(default_factory=dict)
    model_package_arn: str | None = None

    @property
    def has_succeeded(self) -> bool:
        """Whether all of it is done."""
        return self.status == _SUCCEEDED

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.has_succeeded or self.status in _UNSUCCESSFUL

    @property
    def reason(self) -> str:
        """Why it did not succeed, in a sentence: the failed steps' reasons, else its own."""
        steps = "; ".join(f"{name}: {why.strip().rstrip('.')}" for name, why in self.failures.items())
        why = steps or self.failure_reason or "no reason is given"
        return f"the execution is {self.status}: {why}"


@dataclass(frozen=True)
class PackageFacts:
    """What the registry says about one model package, and where its file, training data and baseline lie."""

    arn: str
    approval_status: str
    approval_description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    training_data_uri: str | None = None
    baseline_uri: str | None = None
    model_data_uri: str | None = None

    @property
    def version(self) -> str:
        """The package's number within its group: the last part of its ARN."""
        return self.arn.rpartition("/")[2]


class PipelineHook(EndpointHook):
    """Interact with Amazon SageMaker pipelines and model packages.

    Provide a thin wrapper around :external+boto3:py:class:`boto3.client("sagemaker") <SageMaker.Client>`.

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.
    """

    def put_pipeline(self, pipeline_name: str, definition: str, role_arn: str) -> bool:
        """Put a definition in force; return ``False``, having done nothing, where it is already.

        What is in force is compared, not what was put there last: an edit by hand is undone too.

        :param pipeline_name: the pipeline's name; it is made if there is none.
        :param definition: the definition, as JSON.
        :param role_arn: the role that executions run under.
        """
        wanted = _canonical(definition, pipeline_name)
        digest = sha256(wanted.encode()).hexdigest()
        content: dict[str, Any] = {
            "PipelineName": pipeline_name,
            "PipelineDefinition": definition,
            "PipelineDescription": f"Kept by Watchkeeper; {_DIGEST_MARK}{digest}",
            "RoleArn": role_arn,
        }
        with permission_named("sagemaker", f"pipeline/{pipeline_name}"):
            current = self._pipeline(pipeline_name)
            if current is None:
                self.client.create_pipeline(
                    **content, PipelineDisplayName=pipeline_name, ClientRequestToken=_token(pipeline_name, digest)
                )
                return True
            same = _canonical(current["PipelineDefinition"], pipeline_name) == wanted
            if same and current.get("RoleArn") == role_arn:
                return False
            self.client.update_pipeline(**content)
        return True

    def pipeline_parameters(self, pipeline_name: str) -> frozenset[str]:
        """Return the names of the parameters that a pipeline takes; PipelineError if there is no such pipeline.

        :param pipeline_name: the pipeline's name.
        """
        with permission_named("sagemaker", f"pipeline/{pipeline_name}"):
            current = self._pipeline(pipeline_name)
        if current is None:
            raise PipelineError(
                pipeline_name,
                f"SageMaker in {self.client.meta.region_name} knows no such pipeline",
                "Correct retraining.pipeline_name, or name a definition in include/pipelines.",
            )
        document = json.loads(_canonical(current["PipelineDefinition"], pipeline_name))
        return frozenset(parameter["Name"] for parameter in document.get("Parameters", []))

    def start_execution(self, pipeline_name: str, attempt_id: str, parameters: Mapping[str, str]) -> str:
        """Return the ARN of the attempt's execution: the one that runs or has succeeded, else a new one.

        An execution that failed or was stopped is followed by another. The request's token follows from the attempt,
        so that two workers at once start one.

        :param pipeline_name: the pipeline's name.
        :param attempt_id: what the execution is for; its display name.
        :param parameters: values by the parameter's name.
        """
        with permission_named("sagemaker", f"pipeline/{pipeline_name}"):
            earlier = self._executions_of(pipeline_name, attempt_id)
            for arn, status in earlier:
                if status not in _UNSUCCESSFUL:
                    return arn
            answer = self.client.start_pipeline_execution(
                PipelineName=pipeline_name,
                PipelineExecutionDisplayName=_display_name(attempt_id),
                PipelineParameters=[{"Name": name, "Value": value} for name, value in sorted(parameters.items())],
                ClientRequestToken=_token(pipeline_name, attempt_id, str(len(earlier))),
            )
        return answer["PipelineExecutionArn"]

    def start_once(self, pipeline_name: str, token: str, parameters: Mapping[str, str]) -> str:
        """Start an execution and return its ARN; asked again with the same token, AWS answers with the same one.

        PipelineError if there is no such pipeline.

        :param pipeline_name: the pipeline's name.
        :param token: 32 to 128 letters and digits that stand for what the execution is for.
        :param parameters: values by the parameter's name.
        """
        from botocore.exceptions import ClientError

        with permission_named("sagemaker", f"pipeline/{pipeline_name}"):
            try:
                answer = self.client.start_pipeline_execution(
                    PipelineName=pipeline_name,
                    PipelineExecutionDisplayName=_display_name(f"event-{token}"),
                    PipelineParameters=[{"Name": name, "Value": value} for name, value in sorted(parameters.items())],
                    ClientRequestToken=token,
                )
            except ClientError as error:
                if not _is_unknown(error):
                    raise
                raise PipelineError(
                    pipeline_name,
                    f"SageMaker in {self.client.meta.region_name} knows no such pipeline",
                    "Correct its name where it is to be started.",
                ) from error
        return answer["PipelineExecutionArn"]

    def execution(self, arn: str) -> ExecutionFacts:
        """Return what became of an execution so far, with the steps' reasons and the model package.

        :param arn: the execution's ARN.
        """
        with permission_named("sagemaker", arn):
            answer = self.client.describe_pipeline_execution(PipelineExecutionArn=arn)
            status = str(answer["PipelineExecutionStatus"])
            failures, package = self._steps(arn)
        return ExecutionFacts(
            arn=arn,
            status=status,
            failure_reason=answer.get("FailureReason") or None,
            failures=failures,
            model_package_arn=package,
        )

    def stop_execution(self, arn: str) -> bool:
        """Ask an execution to stop; return ``False`` if it has ended already.

        :param arn: the execution's ARN.
        """
        from botocore.exceptions import ClientError

        with permission_named("sagemaker", arn):
            try:
                self.client.stop_pipeline_execution(**stop_request(arn))
            except ClientError as error:
                status = self.client.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
                if status in {*_UNSUCCESSFUL, _SUCCEEDED, "Stopping"}:
                    return False
                raise error from None
        return True

    def package(self, arn: str, execution_arn: str | None = None) -> PackageFacts:
        """Return a model package's facts; PipelineError if there is no such package.

        Where its data lies is told by its customer metadata (``training_data_uri``, ``baseline_uri``), else by the
        parameters of the execution that made it.

        :param arn: the package's ARN.
        :param execution_arn: the execution that registered it, if that is known.
        """
        from botocore.exceptions import ClientError

        with permission_named("sagemaker", arn):
            try:
                answer = self.client.describe_model_package(ModelPackageName=arn)
            except ClientError as error:
                if not _is_unknown(error):
                    raise
                raise PipelineError(
                    arn, "there is no such model package", "Check the model package group, or retrain."
                ) from error
        metadata = dict(answer.get("CustomerMetadataProperties") or {})
        wanted = {"training_data_uri": "TrainingDataUri", "baseline_uri": "BaselineUri"}
        told = {name: metadata.get(name) for name in wanted}
        if execution_arn is not None and None in told.values():
            given = self._parameters_of(execution_arn)
            told = {name: value or given.get(wanted[name]) for name, value in told.items()}
        return PackageFacts(
            arn=answer["ModelPackageArn"],
            approval_status=answer.get("ModelApprovalStatus", ""),
            approval_description=answer.get("ApprovalDescription", ""),
            metadata=metadata,
            model_data_uri=next(iter(_model_data(answer)), None),
            **told,
        )

    def decide_package(self, arn: str, status: Literal["Approved", "Rejected"], description: str) -> bool:
        """Approve or reject a model package and say why; return ``False`` if that stands there already.

        :param arn: the package's ARN.
        :param status: ``Approved`` or ``Rejected``.
        :param description: why, in a sentence.
        """
        told = " ".join(description.split())[:_DESCRIPTION_LIMIT]
        facts = self.package(arn)
        if (facts.approval_status, facts.approval_description) == (status, told):
            return False
        with permission_named("sagemaker", arn):
            self.client.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status, ApprovalDescription=told)
        return True

    def _pipeline(self, pipeline_name: str) -> Any:
        from botocore.exceptions import ClientError

        try:
            return self.client.describe_pipeline(PipelineName=pipeline_name)
        except ClientError as error:
            if _is_unknown(error):
                return None
            raise

    def _executions_of(self, pipeline_name: str, attempt_id: str) -> list[tuple[str, str]]:
        pages = self.client.get_paginator("list_pipeline_executions").paginate(
            PipelineName=pipeline_name,
            SortBy="CreationTime",
            SortOrder="Descending",
            PaginationConfig={"MaxItems": _LOOK_BACK},
        )
        name = _display_name(attempt_id)
        return [
            (summary["PipelineExecutionArn"], str(summary["PipelineExecutionStatus"]))
            for page in pages
            for summary in page["PipelineExecutionSummaries"]
            if summary.get("PipelineExecutionDisplayName") == name
        ]

    def _steps(self, arn: str) -> tuple[dict[str, str], str | None]:
        failures: dict[str, str] = {}
        package = None
        pages = self.client.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=arn, SortOrder="Ascending"
        )
        for page in pages:
            for step in page["PipelineExecutionSteps"]:
                if step.get("StepStatus") == "Failed":
                    failures[step["StepName"]] = step.get("FailureReason") or "no reason is given"
                package = step.get("Metadata", {}).get("RegisterModel", {}).get("Arn") or package
        return failures, package

    def _parameters_of(self, execution_arn: str) -> dict[str, str]:
        pages = self.client.get_paginator("list_pipeline_parameters_for_execution").paginate(
            PipelineExecutionArn=execution_arn
        )
        with permission_named("sagemaker", execution_arn):
            return {item["Name"]: item["Value"] for page in pages for item in page.get("PipelineParameters", [])}


def stop_request(arn: str) -> Any:
    """Return the arguments of StopPipelineExecution: asked twice, it is one request."""
    return {"PipelineExecutionArn": arn, "ClientRequestToken": _token("stop", arn)}


def _canonical(definition: str, pipeline_name: str) -> str:
    try:
        document = json.loads(definition)
    except ValueError as error:
        raise PipelineError(
            pipeline_name, f"its definition is not JSON ({error})", "Render it anew with `make pipelines`."
        ) from error
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _token(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()


def _display_name(attempt_id: str) -> str:
    """Return a name as executions may have: up to 82 letters, digits and inner hyphens."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in attempt_id)
    return plain[:82].strip("-")


def _model_data(package: Mapping[str, Any]) -> Iterator[str]:
    for container in package.get("InferenceSpecification", {}).get("Containers", ()):
        packed = container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri")
        if (uri := container.get("ModelDataUrl") or packed) is not None:
            yield uri


def _is_unknown(error: "ClientError") -> bool:
    # SageMaker answers a ValidationException where others answer that nothing was found.
    told = str(error)
    return is_missing(error) or (
        error_code(error) == "ValidationException"
        and any(words in told for words in ("Could not find", "does not exist", "not found"))
    )
