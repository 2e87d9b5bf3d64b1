"""Enabling capture. moto keeps configurations but cannot update an endpoint, so the update is stubbed in moto."""

from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import ANY, Stubber

from tests.aws.conftest import REGION
from watchkeeper.aws.data_capture import DeclaredCapture, plan_capture, start_update, verify_capture
from watchkeeper.aws.sagemaker_hook import EndpointHook
from watchkeeper.errors import EndpointStateError, PermissionMissingError

MOMENT = datetime(2026, 11, 1, tzinfo=UTC)
DECLARED = DeclaredCapture(s3_uri="s3://capture/data", sampling_percentage=50, kms_key_id="alias/k")


@pytest.fixture
def client():
    return boto3.client("sagemaker", region_name=REGION)


@pytest.fixture
def hook():
    return EndpointHook(aws_conn_id=None, region_name=REGION)


@pytest.fixture
def endpoint(client):
    client.create_model(ModelName="m", ExecutionRoleArn="arn:aws:iam::123456789012:role/r")
    client.create_endpoint_config(
        EndpointConfigName="first",
        ProductionVariants=[
            {
                "VariantName": name,
                "ModelName": "m",
                "InitialInstanceCount": 2,
                "InstanceType": "ml.m5.large",
                "InitialVariantWeight": weight,
            }
            for name, weight in (("blue", 0.9), ("green", 0.1))
        ],
        Tags=[{"Key": "team", "Value": "ml"}],
    )
    client.create_endpoint(EndpointName="flights", EndpointConfigName="first")
    return "flights"


def switch(client, endpoint, config):
    """Put a configuration in service: moto has no UpdateEndpoint, but creating again replaces."""
    client.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)


def test_the_current_configuration_is_cloned_with_all_that_it_holds(client, hook, endpoint):
    change = plan_capture(hook, endpoint, DECLARED)
    assert change.config_name.startswith("first-wk-")
    assert any(text.startswith("EnableCapture: False") for text in change.differences)
    made = client.describe_endpoint_config(EndpointConfigName=change.config_name)
    assert made["DataCaptureConfig"] == DECLARED.as_request()
    source = client.describe_endpoint_config(EndpointConfigName="first")
    assert made["ProductionVariants"] == source["ProductionVariants"]
    assert client.list_tags(ResourceArn=made["EndpointConfigArn"])["Tags"] == [{"Key": "team", "Value": "ml"}]


def test_the_update_keeps_weights_and_counts_and_lets_capture_change(hook, endpoint):
    change = plan_capture(hook, endpoint, DECLARED)
    with Stubber(hook.client) as stub:
        stub.add_response(
            "update_endpoint",
            {"EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/flights"},
            {
                "EndpointName": "flights",
                "EndpointConfigName": change.config_name,
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DataCaptureConfig"}],
            },
        )
        start_update(hook, change)
        stub.assert_no_pending_responses()


def test_what_is_as_declared_is_left_alone(client, hook, endpoint):
    change = plan_capture(hook, endpoint, DECLARED)
    switch(client, endpoint, change.config_name)
    before = client.list_endpoint_configs()["EndpointConfigs"]
    assert plan_capture(hook, endpoint, DECLARED).config_name is None
    assert client.list_endpoint_configs()["EndpointConfigs"] == before
    assert verify_capture(hook, endpoint, DECLARED).config_name == change.config_name


def test_a_second_change_replaces_the_mark_instead_of_adding_one(client, hook, endpoint):
    first = plan_capture(hook, endpoint, DECLARED)
    switch(client, endpoint, first.config_name)
    second = plan_capture(hook, endpoint, DeclaredCapture(s3_uri="s3://capture/elsewhere"))
    assert second.config_name != first.config_name
    assert second.config_name.count("-wk-") == 1
    assert not any(text.startswith("EnableCapture") for text in second.differences)


def test_a_silent_rollback_is_an_error(hook, endpoint):
    plan_capture(hook, endpoint, DECLARED)
    with pytest.raises(EndpointStateError, match=r"rolled back: configuration first is in service") as caught:
        verify_capture(hook, endpoint, DECLARED)
    assert "EnableCapture: False, declared True" in str(caught.value)


def described(status, **fields):
    return {
        "EndpointName": "flights",
        "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/flights",
        "EndpointConfigName": "first",
        "EndpointStatus": status,
        "CreationTime": MOMENT,
        "LastModifiedTime": MOMENT,
    } | fields


CONFIG = {
    "EndpointConfigName": "first",
    "EndpointConfigArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/first",
    "ProductionVariants": [{"VariantName": "blue"}],
    "CreationTime": MOMENT,
}


def test_an_update_under_way_is_waited_for(hook):
    with Stubber(hook.client) as stub:
        stub.add_response("describe_endpoint", described("Updating"))
        stub.add_response("describe_endpoint_config", CONFIG)
        change = plan_capture(hook, "flights", DECLARED)
    assert (change.in_progress, change.config_name) == (True, None)


def test_an_endpoint_that_failed_is_left_to_people(hook):
    with Stubber(hook.client) as stub:
        stub.add_response("describe_endpoint", described("Failed", FailureReason="no capacity"))
        stub.add_response("describe_endpoint_config", CONFIG)
        with pytest.raises(EndpointStateError, match=r"its status is Failed \(no capacity\)"):
            plan_capture(hook, "flights", DECLARED)


def test_capture_that_was_retained_under_a_new_configuration_is_found_out(hook):
    config = CONFIG | {"DataCaptureConfig": DECLARED.as_request()}
    retained = {"EnableCapture": True, "CaptureStatus": "Started", "CurrentSamplingPercentage": 5}
    running = retained | {"DestinationS3Uri": "s3://capture/data/", "KmsKeyId": "alias/k"}
    with Stubber(hook.client) as stub:
        stub.add_response("describe_endpoint", described("InService", DataCaptureConfig=running))
        stub.add_response("describe_endpoint_config", config)
        with pytest.raises(EndpointStateError, match="CurrentSamplingPercentage in service: 5, declared 50"):
            verify_capture(hook, "flights", DECLARED)


def test_a_retry_finds_the_configuration_that_it_made(hook):
    with Stubber(hook.client) as stub:
        stub.add_response("describe_endpoint", described("InService"))
        stub.add_response("describe_endpoint_config", CONFIG)
        stub.add_response("describe_endpoint_config", CONFIG)
        stub.add_response("list_tags", {"Tags": []})
        stub.add_client_error(
            "create_endpoint_config",
            "ValidationException",
            "Cannot create already existing endpoint configuration",
            expected_params={"EndpointConfigName": ANY, "ProductionVariants": ANY, "DataCaptureConfig": ANY},
        )
        assert plan_capture(hook, "flights", DECLARED).config_name.startswith("first-wk-")


def test_no_such_endpoint_and_no_permission_are_told_apart(hook):
    with pytest.raises(EndpointStateError, match="knows no such endpoint"):
        plan_capture(hook, "nobody", DECLARED)
    with Stubber(hook.client) as stub:
        stub.add_client_error("describe_endpoint", "AccessDeniedException", http_status_code=400)
        with pytest.raises(PermissionMissingError, match="sagemaker:DescribeEndpoint on endpoint/flights"):
            plan_capture(hook, "flights", DECLARED)


def test_long_names_stay_within_sagemakers_limit(hook):
    name = "x" * 63
    with Stubber(hook.client) as stub:
        stub.add_response("describe_endpoint", described("InService", EndpointConfigName=name))
        stub.add_response("describe_endpoint_config", CONFIG | {"EndpointConfigName": name})
        stub.add_response("describe_endpoint_config", CONFIG | {"EndpointConfigName": name})
        stub.add_response("list_tags", {"Tags": []})
        stub.add_response("create_endpoint_config", {"EndpointConfigArn": CONFIG["EndpointConfigArn"]})
        made = plan_capture(hook, "flights", DECLARED).config_name
    assert len(made) == 63
