"""Events as EventBridge sends them: shapes of the services' documentation, content of our own."""

import json
from datetime import UTC, datetime
from typing import Any

from watchkeeper.registry.endpoint_index import EndpointIndex
from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.platform_event import PlatformEvent, read_platform_event

ACCOUNT, REGION = "123456789012", "eu-west-1"
AT = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
_ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
PIPELINE_ARN = f"{_ARN}:pipeline/flights-retraining"
EXECUTION_ARN = f"{PIPELINE_ARN}/execution/k3v9q1x7m2ab"


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def envelope(
    source: str,
    detail_type: str,
    detail: dict[str, Any],
    *,
    resources: tuple[str, ...] = (),
    at: datetime = AT,
    event_id: str = "e-1",
) -> dict[str, Any]:
    return {
        "version": "0",
        "id": event_id,
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT,
        "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "region": REGION,
        "resources": list(resources),
        "detail": detail,
    }


def code_pipeline(state: str = "FAILED", execution: str = "7c1f", **more: Any) -> dict[str, Any]:
    detail = {"pipeline": "flights-release", "execution-id": execution, "state": state, "version": 3.0} | more
    return envelope("aws.codepipeline", "CodePipeline Pipeline Execution State Change", detail)


def code_pipeline_action(state: str = "FAILED") -> dict[str, Any]:
    detail = {
        "pipeline": "flights-release",
        "execution-id": "7c1f",
        "stage": "Deploy",
        "action": "UpdateEndpoint",
        "state": state,
        "region": REGION,
        "type": {"owner": "AWS", "provider": "CloudFormation", "category": "Deploy", "version": "1"},
        "execution-result": {
            "external-execution-url": "https://example.com/run",
            "external-execution-summary": "Stack flights is in ROLLBACK_COMPLETE",
            "error-code": "JobFailed",
        },
        "version": 3.0,
    }
    return envelope("aws.codepipeline", "CodePipeline Action Execution State Change", detail)


def code_build(status: str = "FAILED") -> dict[str, Any]:
    build = f"arn:aws:codebuild:{REGION}:{ACCOUNT}:build/flights-image:0a1b-22"
    detail = {
        "build-status": status,
        "project-name": "flights-image",
        "build-id": build,
        "current-phase": "COMPLETED",
        "additional-information": {
            "build-complete": True,
            "initiator": "flights-release",
            "phases": [
                {"phase-type": "INSTALL", "phase-status": "SUCCEEDED", "phase-context": [": "]},
                {"phase-type": "BUILD", "phase-status": "FAILED", "phase-context": ["exit status 2", ": "]},
            ],
        },
        "version": "1",
    }
    return envelope("aws.codebuild", "CodeBuild Build State Change", detail, resources=(build,))


def state_machine(status: str = "FAILED") -> dict[str, Any]:
    execution = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:nightly-features:run-41"
    detail = {
        "executionArn": execution,
        "stateMachineArn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:nightly-features",
        "name": "run-41",
        "status": status,
        "startDate": milliseconds(AT) - 60_000,
        "stopDate": milliseconds(AT),
        "input": json.dumps({"customer": "secret-4711"}),
        "output": None,
        "error": "States.TaskFailed",
        "cause": "the query ended with an error",
    }
    return envelope("aws.states", "Step Functions Execution Status Change", detail, resources=(execution,))


def job(noun: str, detail_noun: str, path: str, status: str = "Failed", **more: Any) -> dict[str, Any]:
    """Return the event of a SageMaker job: ``detail_noun`` is the API's, ``path`` the ARN's."""
    name = more.pop("name", "flights-train-2026-11-20-04-00-00-123")
    arn = f"{_ARN}:{path}/{name}"
    at = more.pop("at", AT)
    detail = {
        f"{detail_noun}Name": name,
        f"{detail_noun}Arn": arn,
        f"{detail_noun}Status": status,
        "CreationTime": milliseconds(AT) - 600_000,
        "LastModifiedTime": milliseconds(at),
        "Tags": {"team": "flights"},
    } | more
    if status == "Failed":
        detail.setdefault("FailureReason", "AlgorithmError: exit code 1")
    return envelope("aws.sagemaker", f"SageMaker {noun} State Change", detail, resources=(arn,), at=at)


def training_job(status: str = "Failed", **more: Any) -> dict[str, Any]:
    more.setdefault("HyperParameters", {"password": "hunter2"})
    return job("Training Job", "TrainingJob", "training-job", status, **more)


def tuning_job(status: str = "Failed") -> dict[str, Any]:
    return job("HyperParameter Tuning Job", "HyperParameterTuningJob", "hyper-parameter-tuning-job", status)


def processing_job(status: str = "Failed", **more: Any) -> dict[str, Any]:
    return job("Processing Job", "ProcessingJob", "processing-job", status, **more)


def transform_job(status: str = "Failed") -> dict[str, Any]:
    return job("Transform Job", "TransformJob", "transform-job", status)


def labeling_job(status: str = "Failed") -> dict[str, Any]:
    """Return an event of Ground Truth: its detail has the status alone, the name stands in the resource."""
    resource = f"{_ARN}:labeling-job/delays-2026"
    detail = {"LabelingJobStatus": status}
    detail_type = "SageMaker Ground Truth Labeling Job State Change"
    return envelope("aws.sagemaker", detail_type, detail, resources=(resource,))


def pipeline(status: str = "Failed", *, at: datetime = AT, event_id: str = "e-1") -> dict[str, Any]:
    detail = {
        "pipelineExecutionDisplayName": "attempt-1",
        "currentPipelineExecutionStatus": status,
        "previousPipelineExecutionStatus": "Executing",
        "executionStartTime": "2026-11-20T04:00:00Z",
        "executionEndTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "pipelineArn": PIPELINE_ARN,
        "pipelineExecutionArn": EXECUTION_ARN,
    }
    return envelope(
        "aws.sagemaker",
        "SageMaker Model Building Pipeline Execution Status Change",
        detail,
        resources=(PIPELINE_ARN, EXECUTION_ARN),
        at=at,
        event_id=event_id,
    )


def pipeline_step(status: str = "Failed") -> dict[str, Any]:
    detail = {
        "metadata": {"trainingJob": {"arn": f"{_ARN}:training-job/x"}},
        "stepStartTime": "2026-11-20T04:10:00Z",
        "stepEndTime": "2026-11-20T05:00:00Z",
        "stepName": "Train",
        "stepType": "Training",
        "previousStepStatus": "Executing",
        "currentStepStatus": status,
        "failureReason": "ClientError: no such image",
        "pipelineArn": PIPELINE_ARN,
        "pipelineExecutionArn": EXECUTION_ARN,
    }
    return envelope("aws.sagemaker", "SageMaker Model Building Pipeline Execution Step Status Change", detail)


def endpoint(status: str = "FAILED", name: str = "flights-delay", **more: Any) -> dict[str, Any]:
    arn = f"{_ARN}:endpoint/{name}"
    at = more.pop("at", AT)
    detail = {
        "EndpointName": name,
        "EndpointArn": arn,
        "EndpointConfigName": f"{name}-2",
        "ProductionVariants": [{"VariantName": "AllTraffic", "CurrentWeight": 1.0, "CurrentInstanceCount": 1}],
        "EndpointStatus": status,
        "CreationTime": milliseconds(AT) - 86_400_000,
        "LastModifiedTime": milliseconds(at),
        "Tags": {},
    } | more
    return envelope("aws.sagemaker", "SageMaker Endpoint State Change", detail, resources=(arn,), at=at)


def endpoint_config() -> dict[str, Any]:
    detail = {"EndpointConfigName": "flights-delay-2", "EndpointConfigArn": f"{_ARN}:endpoint-config/flights-delay-2"}
    return envelope("aws.sagemaker", "SageMaker Endpoint Config State Change", detail)


def model() -> dict[str, Any]:
    detail = {"ModelName": "flights-7", "ModelArn": f"{_ARN}:model/flights-7"}
    return envelope("aws.sagemaker", "SageMaker Model State Change", detail)


def model_package(approval: str = "Approved", status: str = "Completed") -> dict[str, Any]:
    detail = {
        "ModelPackageName": "flights/7",
        "ModelPackageGroupName": "flights",
        "ModelPackageVersion": 7,
        "ModelPackageArn": f"{_ARN}:model-package/flights/7",
        "ModelPackageStatus": status,
        "ModelApprovalStatus": approval,
        "LastModifiedTime": milliseconds(AT),
        "ApprovalDescription": "wins on the held-out rows",
    }
    return envelope("aws.sagemaker", "SageMaker Model Package State Change", detail)


def api_call(call: str = "UpdateEndpoint", *, request: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    detail = {
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:mira",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/ml-admin/mira",
            "accountId": ACCOUNT,
        },
        "eventTime": "2026-11-20T04:59:30Z",
        "eventSource": "sagemaker.amazonaws.com",
        "eventName": call,
        "awsRegion": REGION,
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2",
        "requestParameters": request or {"endpointName": "flights-delay", "endpointConfigName": "flights-delay-3"},
        "responseElements": {"endpointArn": f"{_ARN}:endpoint/flights-delay"},
        "eventID": "c-9",
        "eventType": "AwsApiCall",
    } | more
    return envelope("aws.sagemaker", "AWS API Call via CloudTrail", detail)


def feature_group() -> dict[str, Any]:
    resource = f"{_ARN}:feature-group/delays"
    return envelope("aws.sagemaker", "SageMaker Feature Group State Change", {"x": 1}, resources=(resource,))


SPEC = EndpointSpec.model_validate(
    {
        "registry_id": "flights",
        "endpoint_name": "flights-delay",
        "owner": "flight-ops",
        "capture": {"s3_uri": "s3://bucket/capture"},
        "retraining": {
            "pipeline_name": "flights-retraining",
            "model_package_group": "flights",
            "definition": None,
        },
    }
)
INDEX = EndpointIndex.of([SPEC], "watchkeeper")


def read(event: dict[str, Any], index: EndpointIndex = INDEX) -> PlatformEvent:
    """Return an envelope, normalised."""
    return read_platform_event(
        event_id=event["id"],
        source=event["source"],
        detail_type=event["detail-type"],
        at=event["time"],
        detail=event["detail"],
        resources=event["resources"],
        account=event["account"],
        region=event["region"],
        endpoints=index,
    )
