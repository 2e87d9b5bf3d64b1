"""Enabling capture on an endpoint of the sandbox, which updates over time and can roll back silently."""

import asyncio

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from watchkeeper.aws import service_trigger
from watchkeeper.operators.enable_data_capture import EnableDataCaptureOperator

pytestmark = pytest.mark.sandbox


@pytest.fixture
def live(world):
    """Put an endpoint in service without capture; its tag decides whether updates roll back."""
    client = world.sandbox.client("sagemaker")

    def create(*tags):
        name = f"{world.name}-flights"
        client.create_model(
            ModelName=name,
            ExecutionRoleArn="arn:aws:iam::123456789012:role/r",
            PrimaryContainer={"Image": "none", "ModelDataUrl": f"s3://{world.captures}/model.tar.gz"},
        )
        client.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic",
                    "ModelName": name,
                    "InitialInstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                }
            ],
        )
        client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=list(tags))
        client.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        world.endpoint()
        return client

    return create


def operator(**fields):
    return EnableDataCaptureOperator(task_id="capture", endpoint="flights", waiter_delay=1, **fields)


def test_capture_comes_into_service_and_a_second_run_does_nothing(world, live):
    client = live()
    made = operator(deferrable=False).execute({})
    described = client.describe_endpoint(EndpointName=f"{world.name}-flights")
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", made)
    assert described["DataCaptureConfig"]["EnableCapture"] is True
    changed = described["LastModifiedTime"]
    assert operator(deferrable=False).execute({}) == made
    assert client.describe_endpoint(EndpointName=f"{world.name}-flights")["LastModifiedTime"] == changed


def test_the_trigger_waits_until_the_endpoint_has_settled(world, live, monkeypatch):
    live()
    monkeypatch.setattr(service_trigger, "FIRST_EVENT_SECONDS", 0)
    with pytest.raises(TaskDeferred) as deferred:
        operator(deferrable=True).execute({})

    async def wait():
        return (await anext(deferred.value.trigger.run())).payload

    event = asyncio.run(wait())
    assert event == {"status": "success", "endpoint_name": f"{world.name}-flights"}
    assert operator(deferrable=True).execute_complete({}, event, **deferred.value.kwargs).startswith(world.name)


def test_a_silent_rollback_is_found_out(world, live):
    live({"Key": "sandbox:update", "Value": "rollback"})
    with pytest.raises(AirflowFailException, match="rolled back"):
        operator(deferrable=False).execute({})
