"""A model package into service and out again on an endpoint of the sandbox, whose updates take time."""

import asyncio
from datetime import UTC, datetime

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from watchkeeper.aws import endpoint_trigger
from watchkeeper.aws.action_store import AttemptRecord
from watchkeeper.operators.monitor_base import open_deployment
from watchkeeper.operators.promote_model import PromoteModelOperator
from watchkeeper.operators.roll_back_model import RollBackModelOperator

pytestmark = pytest.mark.sandbox

ROLE = "arn:aws:iam::123456789012:role/r"


@pytest.fixture
def live(world):
    """Put an endpoint with capture in service, and a package in the registry; a tag decides about rollbacks."""
    client = world.sandbox.client("sagemaker")

    def create(*tags):
        name = f"{world.name}-flights"
        artifact = {"Image": "none", "ModelDataUrl": f"s3://{world.captures}/model.tar.gz"}
        client.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=artifact)
        variant = {"VariantName": "AllTraffic", "ModelName": name}
        client.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[variant | {"InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}],
            DataCaptureConfig={
                "EnableCapture": True,
                "InitialSamplingPercentage": 40,
                "DestinationS3Uri": f"s3://{world.captures}/data",
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            },
        )
        client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=list(tags))
        client.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        client.create_model_package_group(ModelPackageGroupName=world.name)
        package = client.create_model_package(
            ModelPackageGroupName=world.name,
            ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [artifact],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )["ModelPackageArn"]
        world.endpoint(
            retraining={"pipeline_name": "p", "model_package_group": world.name, "role_arn": ROLE, "mode": "automatic"}
        )
        now = datetime.now(UTC)
        open_deployment().actions.open_attempt(
            AttemptRecord(
                attempt_id="a",
                endpoint="flights",
                state="compared",
                decided_at=f"{now:%FT%TZ}",
                model_package_arn=package,
            ),
            by="test",
            why="won",
            now=now,
        )
        return client

    return create


def promote(**fields):
    return PromoteModelOperator(task_id="promote", endpoint="flights", attempt_id="a", waiter_delay=1, **fields)


def described(world, client):
    return client.describe_endpoint(EndpointName=f"{world.name}-flights")


def test_a_package_is_promoted_once_and_taken_back(world, live):
    client = live()
    result = promote(deferrable=False).execute({})
    there = described(world, client)
    assert (there["EndpointStatus"], there["EndpointConfigName"]) == ("InService", result["config_name"])
    assert there["DataCaptureConfig"]["CurrentSamplingPercentage"] == 40
    assert promote(deferrable=False).execute({}) == result
    assert described(world, client)["LastModifiedTime"] == there["LastModifiedTime"]
    back = RollBackModelOperator(task_id="back", endpoint="flights", waiter_delay=1, deferrable=False).execute({})
    assert back["config_name"] == f"{world.name}-flights" == described(world, client)["EndpointConfigName"]
    states = [event.state for event in open_deployment().actions.read("flights", "a").history]
    assert states == ["compared", "promoted", "rolled_back"]


def test_the_trigger_waits_until_the_update_is_over(world, live, monkeypatch):
    live()
    monkeypatch.setattr(endpoint_trigger, "FIRST_EVENT_SECONDS", 0)
    with pytest.raises(TaskDeferred) as deferred:
        promote(deferrable=True).execute({})

    async def wait():
        return (await anext(deferred.value.trigger.run())).payload

    event = asyncio.run(wait())
    result = promote(deferrable=True).execute_complete({}, event, **deferred.value.kwargs)
    assert result["previous_config"] == f"{world.name}-flights"


def test_a_silent_rollback_is_found_out(world, live):
    live({"Key": "sandbox:update", "Value": "rollback"})
    with pytest.raises(AirflowFailException, match="the update was rolled back: configuration"):
        promote(deferrable=False).execute({})
    assert open_deployment().actions.read("flights", "a").state == "failed"
