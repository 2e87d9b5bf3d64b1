import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.sandbox.conftest import Replayed
from tests.sandbox.test_live_endpoint import eventually
from tests.sandbox.test_sagemaker_overlay import Endpoint
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.sandbox


@dataclass
class Bus:
    """All that AWS's services put on the default bus since it was made."""

    sandbox: SandboxProcess
    queue_url: str
    seen: list[dict[str, Any]]

    def events(self, detail_type: str, matches: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        sqs = self.sandbox.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
                self.seen.append(json.loads(message["Body"]))
        return [event for event in self.seen if event["detail-type"] == detail_type and matches(event["detail"])]

    def wait(self, detail_type: str, matches: Callable[[dict[str, Any]], bool], count: int = 1) -> list[dict[str, Any]]:
        found = eventually(lambda: self.events(detail_type, matches), lambda events: len(events) >= count)
        assert len(found) == count, [event["detail"] for event in found]
        return found


@pytest.fixture
def bus(sandbox: SandboxProcess) -> Iterator[Bus]:
    name = f"bus-{uuid.uuid4().hex[:8]}"
    sqs, events = sandbox.client("sqs"), sandbox.client("events")
    queue_url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [{"prefix": "aws."}]}))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    yield Bus(sandbox, queue_url, [])
    events.remove_targets(Rule=name, Ids=["queue"])
    events.delete_rule(Name=name)


def test_an_endpoint_tells_of_its_states_and_of_who_changed_it(bus: Bus, replayed: Replayed) -> None:
    endpoint = Endpoint(replayed.sandbox, model="flights-delay-1")
    endpoint.wait()
    second = endpoint.configure("second")
    endpoint.update(second)
    endpoint.wait()
    told = "SageMaker Endpoint State Change"
    events = bus.wait(told, lambda detail: detail["EndpointName"] == endpoint.name, 4)
    assert [event["detail"]["EndpointStatus"] for event in events] == [
        "CREATING",
        "IN_SERVICE",
        "UPDATING",
        "IN_SERVICE",
    ]
    assert events[-1]["detail"]["EndpointConfigName"] == second
    assert events[-1]["resources"] == [endpoint.describe()["EndpointArn"]]
    assert events[-1]["source"] == "aws.sagemaker"
    assert bus.events("SageMaker Endpoint Config State Change", lambda one: one["EndpointConfigName"] == second)
    (call,) = bus.events("AWS API Call via CloudTrail", lambda detail: detail["eventName"] == "UpdateEndpoint")
    assert call["detail"]["requestParameters"] == {"endpointName": endpoint.name, "endpointConfigName": second}
    assert call["detail"]["userIdentity"]["arn"] == "arn:aws:iam::123456789012:user/sandbox"
    assert call["detail"]["eventSource"] == "sagemaker.amazonaws.com"
    replayed.sandbox.client("sagemaker").delete_endpoint(EndpointName=endpoint.name)
    (gone,) = bus.wait(told, lambda one: (one["EndpointName"], one["EndpointStatus"]) == (endpoint.name, "DELETING"))
    assert gone["detail"]["EndpointConfigName"] == second


def test_a_model_package_tells_of_its_approval(bus: Bus, sandbox: SandboxProcess) -> None:
    sagemaker, group = sandbox.client("sagemaker"), f"group-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    arn = sagemaker.create_model_package(ModelPackageGroupName=group)["ModelPackageArn"]

    def approval(status: str) -> Callable[[dict[str, Any]], bool]:
        return lambda one: (one["ModelPackageArn"], one["ModelApprovalStatus"]) == (arn, status)

    bus.wait("SageMaker Model Package State Change", approval("PendingManualApproval"))
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    (event,) = bus.wait("SageMaker Model Package State Change", approval("Approved"))
    assert event["detail"]["ModelPackageGroupName"] == group


def test_a_training_job_tells_of_its_end(bus: Bus, sandbox: SandboxProcess) -> None:
    name = f"job-{uuid.uuid4().hex[:8]}"
    sandbox.client("sagemaker").create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::123456789012:role/x",
        OutputDataConfig={"S3OutputPath": "s3://watchkeeper/x"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    (event,) = bus.wait("SageMaker Training Job State Change", lambda detail: detail["TrainingJobName"] == name)
    assert event["detail"]["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize(("failing", "outcome"), [(False, "Succeeded"), (True, "Failed")])
def test_a_code_pipeline_takes_a_while(bus: Bus, sandbox: SandboxProcess, failing: bool, outcome: str) -> None:
    name = f"release-{uuid.uuid4().hex[:8]}"
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "codepipeline.amazonaws.com"}}]}
    role = sandbox.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    stage = {"name": "Source", "actions": []}
    codepipeline = sandbox.client("codepipeline")
    codepipeline.create_pipeline(
        pipeline={"name": name, "roleArn": role, "stages": [stage, {**stage, "name": "Deploy"}], "version": 1},
        tags=[{"key": "sandbox:run", "value": "fail"}] if failing else [],
    )
    execution = {"pipelineName": name}
    execution["pipelineExecutionId"] = codepipeline.start_pipeline_execution(name=name)["pipelineExecutionId"]

    def status() -> str:
        return str(codepipeline.get_pipeline_execution(**execution)["pipelineExecution"]["status"])

    assert status() == "InProgress"
    assert eventually(status, lambda found: found != "InProgress") == outcome
    (event,) = bus.wait(
        "CodePipeline Pipeline Execution State Change",
        lambda one: one["pipeline"] == name and one["state"] != "STARTED",
    )
    assert event["detail"]["state"] == outcome.upper()
    assert event["detail"]["execution-id"] == execution["pipelineExecutionId"]


def test_a_build_takes_a_while_and_fails_when_told(bus: Bus, sandbox: SandboxProcess) -> None:
    name = f"build-{uuid.uuid4().hex[:8]}"
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}}]}
    role = sandbox.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    codebuild = sandbox.client("codebuild")
    codebuild.create_project(
        name=name,
        source={"type": "S3", "location": "bucket/path"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=role,
        tags=[{"key": "sandbox:run", "value": "fail"}],
    )
    build_id = codebuild.start_build(projectName=name)["build"]["id"]

    def status() -> str:
        return str(codebuild.batch_get_builds(ids=[build_id])["builds"][0]["buildStatus"])

    assert status() == "IN_PROGRESS"
    assert eventually(status, lambda found: found != "IN_PROGRESS") == "FAILED"
    bus.wait("CodeBuild Build State Change", lambda one: (one["project-name"], one["build-status"]) == (name, "FAILED"))
