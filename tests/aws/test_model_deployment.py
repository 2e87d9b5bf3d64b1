"""A model package into service and out again. moto keeps models and configurations; updates are stubbed in moto."""

import boto3
import pytest
from botocore.stub import Stubber

from tests.aws.conftest import REGION
from tests.aws.test_data_capture import described, switch
from watchkeeper.aws.model_deployment import (
    PACKAGE_TAG,
    REPLACES_TAG,
    ModelChange,
    plan_promotion,
    plan_rollback,
    start_change,
    verify_change,
)
from watchkeeper.aws.rollout import Rollout
from watchkeeper.aws.sagemaker_hook import EndpointHook
from watchkeeper.errors import EndpointStateError
from watchkeeper.registry.deployment_spec import DeploymentSpec

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/flights/7"
ROLE = "arn:aws:iam::123456789012:role/serving"
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 50,
    "DestinationS3Uri": "s3://capture/data",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}


@pytest.fixture
def client():
    return boto3.client("sagemaker", region_name=REGION)


@pytest.fixture
def hook():
    return EndpointHook(aws_conn_id=None, region_name=REGION)


@pytest.fixture
def endpoint(client):
    client.create_model(
        ModelName="old",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": "i", "ModelDataUrl": "s3://b/m"},
        VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
    )
    client.create_endpoint_config(
        EndpointConfigName="first",
        ProductionVariants=[
            {
                "VariantName": name,
                "ModelName": "old",
                "InitialInstanceCount": 2,
                "InstanceType": "ml.m5.large",
                "InitialVariantWeight": weight,
            }
            for name, weight in (("blue", 0.9), ("green", 0.1))
        ],
        DataCaptureConfig=CAPTURE,
        Tags=[{"Key": "team", "Value": "ml"}],
    )
    client.create_endpoint(EndpointName="flights", EndpointConfigName="first")
    return "flights"


def plan(hook, package=PACKAGE, variant="blue"):
    return plan_promotion(hook, "flights", variant, package)


def test_a_new_configuration_differs_in_one_variants_model_alone(client, hook, endpoint):
    change = plan(hook)
    made = client.describe_endpoint_config(EndpointConfigName=change.config_name)
    before = client.describe_endpoint_config(EndpointConfigName="first")
    assert (change.previous_config, change.in_service, change.in_progress) == ("first", False, False)
    assert change.model_name.startswith("flights-7-wk-")
    assert [variant["ModelName"] for variant in made["ProductionVariants"]] == [change.model_name, "old"]
    differing = [
        {name for name in new if new[name] != old[name]}
        for new, old in zip(made["ProductionVariants"], before["ProductionVariants"], strict=True)
    ]
    assert differing == [{"ModelName"}, set()]
    assert made["DataCaptureConfig"] == before["DataCaptureConfig"]
    tags = client.list_tags(ResourceArn=made["EndpointConfigArn"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "team": "ml",
        PACKAGE_TAG: PACKAGE,
        REPLACES_TAG: "first",
    }


def test_the_model_is_the_packages_with_the_old_ones_role_and_network(client, hook, endpoint):
    model = client.describe_model(ModelName=plan(hook).model_name)
    assert model["PrimaryContainer"] == {"ModelPackageName": PACKAGE}
    assert model["ExecutionRoleArn"] == ROLE
    assert model["VpcConfig"] == {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    other = plan_promotion(hook, "flights", "blue", f"{PACKAGE}1", "arn:aws:iam::123456789012:role/other")
    assert client.describe_model(ModelName=other.model_name)["ExecutionRoleArn"].endswith("role/other")


def test_a_retry_finds_what_it_made_and_a_served_package_is_left_alone(client, hook, endpoint):
    first = plan(hook)
    assert plan(hook) == first
    switch(client, endpoint, first.config_name)
    done = plan(hook)
    assert done.in_service
    assert (done.config_name, done.previous_config) == (first.config_name, "first")
    start_change(hook, done)
    assert verify_change(hook, done).config_name == first.config_name


def test_the_next_package_replaces_the_tags_and_the_mark(client, hook, endpoint):
    first = plan(hook)
    switch(client, endpoint, first.config_name)
    second = plan(hook, f"{PACKAGE}1")
    assert second.previous_config == first.config_name
    assert second.config_name.count("-wk-") == 1
    arn = client.describe_endpoint_config(EndpointConfigName=second.config_name)["EndpointConfigArn"]
    tags = {tag["Key"]: tag["Value"] for tag in client.list_tags(ResourceArn=arn)["Tags"]}
    assert tags[REPLACES_TAG] == first.config_name


def change(**fields):
    defaults = {
        "endpoint_name": "flights",
        "variant": "blue",
        "model_name": "new",
        "config_name": "second",
        "previous_config": "first",
    }
    return ModelChange(**(defaults | fields))


@pytest.mark.parametrize(
    ("rollout", "routing"),
    [
        (Rollout(), {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}),
        (
            Rollout("canary", canary_percentage=20, step_minutes=5),
            {
                "Type": "CANARY",
                "WaitIntervalInSeconds": 300,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 20},
            },
        ),
        (
            Rollout("linear", step_percentage=50, step_minutes=1),
            {
                "Type": "LINEAR",
                "WaitIntervalInSeconds": 60,
                "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            },
        ),
    ],
)
def test_the_update_is_guarded_and_keeps_what_runs(hook, rollout, routing):
    with Stubber(hook.client) as stub:
        stub.add_response(
            "update_endpoint",
            {"EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/flights"},
            {
                "EndpointName": "flights",
                "EndpointConfigName": "second",
                "RetainAllVariantProperties": True,
                "DeploymentConfig": {
                    "BlueGreenUpdatePolicy": {
                        "TrafficRoutingConfiguration": routing,
                        "TerminationWaitInSeconds": 300,
                        "MaximumExecutionTimeoutInSeconds": rollout.expected_seconds,
                    }
                },
            },
        )
        start_change(hook, change(), rollout)
        start_change(hook, change(in_progress=True), rollout)
        stub.assert_no_pending_responses()


def test_alarms_take_the_traffic_back_and_the_files_words_are_the_requests():
    spec = DeploymentSpec(strategy="canary", alarms=("churn-5xx",), canary_percentage=30)
    request = Rollout.of(spec).as_request()
    assert request["AutoRollbackConfiguration"] == {"Alarms": [{"AlarmName": "churn-5xx"}]}
    assert request["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["CanarySize"]["Value"] == 30
    assert Rollout.of(DeploymentSpec()) == Rollout()
    assert Rollout("weights", step_percentage=30).shares == (0.3, 0.6, 0.9, 1.0)
    assert Rollout("canary").shares == (0.1, 1.0)


def running_capture(**fields):
    return {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 50,
        "DestinationS3Uri": "s3://capture/data",
        "KmsKeyId": "",
    } | fields


def verify(hook, facts, capture=None):
    with Stubber(hook.client) as stub:
        stub.add_response("describe_endpoint", facts)
        stub.add_response("describe_endpoint", facts)
        return verify_change(hook, change(capture=capture or {}))


def test_a_silent_rollback_names_both_configurations_and_the_reason(hook):
    with pytest.raises(EndpointStateError) as caught:
        verify(hook, described("InService", FailureReason="alarm churn-5xx went off"))
    assert str(caught.value).startswith(
        "flights: the update was rolled back: configuration first is in service, and not second "
        "(alarm churn-5xx went off)."
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"EndpointStatus": "UpdateRollbackFailed", "FailureReason": "no capacity"}, r"UpdateRollbackFailed \(no cap"),
        (
            {"ProductionVariants": [{"VariantName": "blue", "CurrentInstanceCount": 1, "DesiredInstanceCount": 2}]},
            "second is in service, but variant blue has 1 of 2 instances",
        ),
        (
            {"DataCaptureConfig": running_capture(EnableCapture=False, CaptureStatus="Stopped")},
            "of capture EnableCapture is False, before it was True",
        ),
        ({}, "of capture EnableCapture is None, before it was True; of capture Dest"),
    ],
)
def test_what_does_not_hold_is_said(hook, fields, told):
    facts = described("InService") | {"EndpointConfigName": "second"} | fields
    with pytest.raises(EndpointStateError, match=told):
        verify(hook, facts, {"EnableCapture": True, "DestinationS3Uri": "s3://capture/data"})


def test_variants_without_instances_have_none_to_lack(hook):
    facts = described("InService", EndpointConfigName="second", DataCaptureConfig=running_capture())
    assert verify(hook, facts | {"ProductionVariants": [{"VariantName": "blue"}]}).config_name == "second"


@pytest.mark.parametrize("fields", [{}, {"DataCaptureConfig": running_capture(EnableCapture=False)}])
def test_capture_that_was_off_before_is_a_fault_too(hook, fields):
    facts = described("InService", EndpointConfigName="second") | fields
    with pytest.raises(EndpointStateError, match="second is in service, but data capture is off, so the model cannot"):
        verify(hook, facts)


def test_going_back_puts_the_configuration_from_before_in_service(client, hook, endpoint):
    promoted = plan(hook)
    switch(client, endpoint, promoted.config_name)
    back = plan_rollback(hook, endpoint, "blue", promoted.config_name, "first")
    assert (back.config_name, back.previous_config, back.model_name) == ("first", promoted.config_name, "old")
    switch(client, endpoint, "first")
    assert plan_rollback(hook, endpoint, "blue", promoted.config_name, "first").in_service


def test_going_back_never_undoes_what_somebody_else_did(client, hook, endpoint):
    promoted = plan(hook)
    switch(client, endpoint, promoted.config_name)
    other = plan(hook, f"{PACKAGE}1")
    switch(client, endpoint, other.config_name)
    with pytest.raises(EndpointStateError, match=f"model {other.model_name} is in service, neither"):
        plan_rollback(hook, endpoint, "blue", promoted.config_name, "first")


def test_no_such_variant_and_a_failed_endpoint_are_told_apart(client, hook, endpoint):
    with pytest.raises(EndpointStateError, match="first has no variant red; it has blue, green"):
        plan(hook, variant="red")
    client.create_endpoint(EndpointName="flights", EndpointConfigName="first")
    from moto.sagemaker.models import sagemaker_backends

    sagemaker_backends["123456789012"][REGION].endpoints["flights"].endpoint_status = "Failed"
    with pytest.raises(EndpointStateError, match="its status is Failed"):
        plan(hook)
    sagemaker_backends["123456789012"][REGION].endpoints["flights"].endpoint_status = "Updating"
    assert plan(hook).in_progress
    assert plan_rollback(hook, "flights", "blue", "first", "first").in_progress
