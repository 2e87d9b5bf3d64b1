"""An endpoint of another account: what asks for it goes there, what is ours stays here."""

import boto3
import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from tests.operators.conftest import BUCKET, REGION
from watchkeeper.aws.endpoint_trigger import EndpointSettledTrigger
from watchkeeper.operators.enable_data_capture import EnableDataCaptureOperator

OTHER = "210987654321"
ROLE = f"arn:aws:iam::{OTHER}:role/watchkeeper"


@pytest.fixture
def elsewhere(place, monkeypatch):
    """An endpoint that is in service in the other account only; moto's UpdateEndpoint is given to it."""
    from moto.core.responses import ActionResult
    from moto.sagemaker.responses import SageMakerResponse

    def update_endpoint(response):
        endpoint = response.sagemaker_backend.endpoints[response._get_param("EndpointName")]
        endpoint.endpoint_config_name = response._get_param("EndpointConfigName")
        return ActionResult({"EndpointArn": endpoint.arn})

    monkeypatch.setattr(SageMakerResponse, "update_endpoint", update_endpoint, raising=False)
    place.endpoint(role_arn=ROLE)
    spec = place.deployment.registry.require("flights")
    client = place.deployment.access_of(spec).client("sagemaker")
    client.create_model(ModelName="m", ExecutionRoleArn=ROLE)
    variant = {"VariantName": "AllTraffic", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(EndpointConfigName="first", ProductionVariants=[variant])
    client.create_endpoint(EndpointName="flights-delay", EndpointConfigName="first")
    return client


def test_a_task_works_on_the_endpoint_in_the_roles_account(place, elsewhere):
    made = EnableDataCaptureOperator(task_id="t", endpoint="flights", waiter_delay=0, deferrable=False).execute({})
    described = elsewhere.describe_endpoint(EndpointName="flights-delay")
    assert described["EndpointConfigName"] == made != "first"
    assert f":{OTHER}:" in described["EndpointArn"]
    assert boto3.client("sagemaker", region_name=REGION).list_endpoint_configs()["EndpointConfigs"] == []


def test_a_deferred_task_waits_in_the_roles_account(place, elsewhere):
    with pytest.raises(TaskDeferred) as deferred:
        EnableDataCaptureOperator(task_id="t", endpoint="flights", deferrable=True).execute({})
    fields = deferred.value.trigger.serialize()[1]
    assert fields["role_arn"] == ROLE
    assert EndpointSettledTrigger(**fields).hook().account_id == OTHER


def test_the_store_stays_in_our_own_account(place):
    place.endpoint(role_arn=ROLE, region_name="eu-west-1")
    deployment = place.deployment
    access = deployment.access_of(deployment.registry.require("flights"))
    assert (access.role_arn, access.region_name, access.resolved_region()) == (ROLE, "eu-west-1", "eu-west-1")
    assert deployment.access.role_arn is None
    assert deployment.reports.objects.client is deployment.access.client("s3")
    assert deployment.reports.objects.bucket == BUCKET


def test_without_a_role_the_endpoint_is_reached_as_the_store_is(place):
    deployment = place.deployment
    assert deployment.access_of(deployment.registry.require("flights")) is deployment.access


def test_a_role_that_may_not_be_assumed_is_named(place, elsewhere, monkeypatch):
    from moto.core.exceptions import AccessDeniedError
    from moto.sts.responses import TokenResponse

    def refuse(_response):
        raise AccessDeniedError("arn:aws:iam::1:user/w", f"sts:AssumeRole on resource: {ROLE}")

    monkeypatch.setattr(TokenResponse, "assume_role", refuse)
    with pytest.raises(AirflowFailException, match=f"sts:AssumeRole on {ROLE}: AWS refused"):
        EnableDataCaptureOperator(task_id="t", endpoint="flights").execute({})
