import boto3
import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from tests.operators.conftest import BUCKET, REGION
from watchkeeper.operators.enable_data_capture import EnableDataCaptureOperator

CAPTURE = {"s3_uri": f"s3://{BUCKET}/capture", "sampling_percentage": 30}


@pytest.fixture
def sagemaker(place):
    client = boto3.client("sagemaker", region_name=REGION)
    client.create_model(ModelName="m", ExecutionRoleArn="arn:aws:iam::123456789012:role/r")
    client.create_endpoint_config(
        EndpointConfigName="first",
        ProductionVariants=[
            {"VariantName": "AllTraffic", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        ],
    )
    client.create_endpoint(EndpointName="flights-delay", EndpointConfigName="first")
    place.endpoint(capture=CAPTURE)
    return client


@pytest.fixture
def updates(monkeypatch):
    """Give moto the UpdateEndpoint that it lacks: a switch of configuration, or a silent rollback."""
    from moto.core.responses import ActionResult
    from moto.sagemaker.responses import SageMakerResponse

    seen = []

    def update_endpoint(response):
        seen.append(
            {
                name: response._get_param(name)
                for name in (
                    "EndpointName",
                    "EndpointConfigName",
                    "RetainAllVariantProperties",
                    "ExcludeRetainedVariantProperties",
                )
            }
        )
        endpoint = response.sagemaker_backend.endpoints[seen[-1]["EndpointName"]]
        if not getattr(update_endpoint, "rolls_back", False):
            endpoint.endpoint_config_name = seen[-1]["EndpointConfigName"]
        return ActionResult({"EndpointArn": endpoint.arn})

    monkeypatch.setattr(SageMakerResponse, "update_endpoint", update_endpoint, raising=False)
    return seen, update_endpoint


def operator(**fields):
    return EnableDataCaptureOperator(task_id="capture", endpoint="flights", waiter_delay=0, **fields)


def in_service(client):
    name = client.describe_endpoint(EndpointName="flights-delay")["EndpointConfigName"]
    return client.describe_endpoint_config(EndpointConfigName=name)


def test_capture_is_brought_to_what_is_declared_and_then_left_alone(sagemaker, updates):
    seen, _ = updates
    name = operator(deferrable=False).execute({})
    found = in_service(sagemaker)
    assert found["EndpointConfigName"] == name
    assert found["DataCaptureConfig"]["InitialSamplingPercentage"] == 30
    assert [update["RetainAllVariantProperties"] for update in seen] == [True]
    assert seen[0]["ExcludeRetainedVariantProperties"] == [{"VariantPropertyType": "DataCaptureConfig"}]
    assert operator(deferrable=False).execute({}) == name
    assert operator(deferrable=True).execute({}) == name
    assert len(seen) == 1


def test_a_deferred_update_is_verified_when_it_comes_back(sagemaker, updates):
    with pytest.raises(TaskDeferred) as deferred:
        operator(deferrable=True).execute({})
    trigger, named = deferred.value.trigger, deferred.value.kwargs
    assert trigger.serialized_fields == {"endpoint_name": "flights-delay"}
    event = {"status": "success", "endpoint_name": "flights-delay"}
    assert operator(deferrable=True).execute_complete({}, event, **named) == in_service(sagemaker)["EndpointConfigName"]


def test_a_silent_rollback_fails_at_once(sagemaker, updates):
    _, switch = updates
    switch.rolls_back = True
    with pytest.raises(AirflowFailException, match="rolled back: configuration first is in service"):
        operator(deferrable=False).execute({})


def test_no_such_endpoint_fails_at_once(place):
    with pytest.raises(AirflowFailException, match="knows no such endpoint"):
        operator(deferrable=False).execute({})
