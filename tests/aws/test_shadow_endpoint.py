"""What a shadow endpoint is made of, and how it goes when SageMaker hesitates: the service is stubbed in botocore.

`tests/integration/test_model_reach.py` has endpoints that live.
"""

import re
from dataclasses import dataclass

import boto3
import pytest
from botocore.stub import ANY, Stubber

from tests.aws.conftest import REGION
from watchkeeper.aws.endpoint_removal import remove_endpoint
from watchkeeper.aws.shadow_endpoint import ShadowEndpoint, delete_shadow_endpoints, plan_shadow
from watchkeeper.errors import EndpointStateError, PermissionMissingError

NOW = "2026-11-20T05:00:00Z"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/flights"
CONFIG_ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/flights-2"
INSTANCES = {"VariantName": "Blue", "ModelName": "m-2", "InstanceType": "ml.c5.xlarge", "InitialInstanceCount": 20}
SERVERLESS = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 0.0

    def sleep(self, seconds):
        self.now += seconds

    def arguments(self):
        return {"sleep": self.sleep, "clock": lambda: self.now}


@pytest.fixture
def client():
    return boto3.client("sagemaker", region_name=REGION)


@pytest.fixture
def stub(client):
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def describe(stub, status, name="s", **more):
    if status is None:
        stub.add_client_error("describe_endpoint", "ValidationException", f'Could not find endpoint "{name}".')
        return
    answer = {
        "EndpointName": name, "EndpointArn": ARN, "EndpointConfigName": "flights-2",
        "EndpointStatus": status, "CreationTime": NOW, "LastModifiedTime": NOW,
    }  # fmt: skip
    stub.add_response("describe_endpoint", answer | more, {"EndpointName": name})


def serving(stub, *variants, **config):
    describe(stub, "InService", "flights")
    answer = {"EndpointConfigName": "flights-2", "EndpointConfigArn": CONFIG_ARN, "CreationTime": NOW}
    stub.add_response("describe_endpoint_config", answer | {"ProductionVariants": list(variants)} | config)


def plan(client, **more):
    return plan_shadow(client, **{"endpoint": "flights", "run_digest": "a1b2", "endpoint_name": "flights"} | more)


# ---- what is made


def test_the_model_in_service_on_one_instance_of_the_live_type(client, stub):
    serving(stub, INSTANCES | {"VolumeSizeInGB": 30, "RoutingConfig": {"RoutingStrategy": "RANDOM"}}, KmsKeyId="k")
    made = plan(client)
    assert made.variant == {
        "VariantName": "AllTraffic",
        "ModelName": "m-2",
        "InitialVariantWeight": 1.0,
        "InstanceType": "ml.c5.xlarge",
        "InitialInstanceCount": 1,
        "VolumeSizeInGB": 30,
    }
    assert made.kms_key_id == "k"


def test_a_serverless_model_stays_serverless_without_paid_concurrency(client, stub):
    part = {"VariantName": "Blue", "ModelName": "m", "ServerlessConfig": SERVERLESS | {"ProvisionedConcurrency": 3}}
    serving(stub, part, KmsKeyId="k")
    made = plan(client)
    assert made.variant["ServerlessConfig"] == SERVERLESS
    assert "InstanceType" not in made.variant
    assert made.kms_key_id is None


def test_what_is_declared_wins(client, stub):
    serving(stub, INSTANCES | {"VolumeSizeInGB": 30}, KmsKeyId="k")
    made = plan(client, instance_type="ml.m5.large", instance_count=2)
    assert (made.variant["InstanceType"], made.variant["InitialInstanceCount"]) == ("ml.m5.large", 2)
    assert "VolumeSizeInGB" not in made.variant
    assert made.kms_key_id is None
    serving(stub, INSTANCES)
    assert plan(client, serverless=SERVERLESS).variant["ServerlessConfig"] == SERVERLESS
    serving(stub, INSTANCES)
    made = plan(client, model_name="m-1")
    assert (made.model_name, made.variant["InstanceType"]) == ("m-1", "ml.c5.xlarge")
    # With all of it declared nobody is asked.
    assert plan(client, model_name="m-1", instance_type="ml.m5.large").model_name == "m-1"


def test_the_variant_is_chosen(client, stub):
    green = INSTANCES | {"VariantName": "Green", "ModelName": "m-3"}
    serving(stub, INSTANCES, green)
    assert plan(client, variant="Green").model_name == "m-3"
    serving(stub, INSTANCES, green)
    with pytest.raises(EndpointStateError, match=r"variants are Blue, Green, and none was chosen\. Name one"):
        plan(client)
    serving(stub, INSTANCES)
    with pytest.raises(EndpointStateError, match="variants are Blue, and Red was chosen"):
        plan(client, variant="Red")


def test_inference_components_are_refused(client, stub):
    serving(stub, {"VariantName": "Blue", "InstanceType": "ml.c5.xlarge", "InitialInstanceCount": 1})
    with pytest.raises(EndpointStateError, match=r"serves inference components.*Give the name of the model"):
        plan(client)


def test_what_is_missing_is_told(client, stub):
    describe(stub, None, "flights")
    with pytest.raises(EndpointStateError, match="SageMaker in us-east-1 knows no such endpoint"):
        plan(client)
    with pytest.raises(EndpointStateError, match="neither a model nor a live endpoint"):
        plan(client, endpoint_name=None)
    with pytest.raises(EndpointStateError, match="nothing says what model m shall run on"):
        plan(client, endpoint_name=None, model_name="m")


def test_names_are_functions_of_run_and_content(client):
    def name(endpoint="flights", run_digest="a1b2", **more):
        arguments = {"endpoint_name": None, "model_name": "m", "instance_type": "ml.m5.large"} | more
        return plan(client, endpoint=endpoint, run_digest=run_digest, **arguments).name

    names = [name(), name("x" * 80), name("a.b_c-" * 20), name(run_digest="b"), name(model_name="n"), name("-9-")]
    assert len(set(names)) == len(names)
    for found in names:
        assert re.fullmatch(r"watchkeeper-shadow-[a-zA-Z0-9](-*[a-zA-Z0-9])*", found)
        assert len(found) <= 63
    assert name() == name()


# ---- removal


def deleted(stub):
    stub.add_response("delete_endpoint", {}, {"EndpointName": "s"})


def config_deleted(stub):
    stub.add_response("delete_endpoint_config", {}, {"EndpointConfigName": "s"})


def remove(client, moment, **more):
    return remove_endpoint(client, "s", **{"patience_seconds": 60.0} | more, **moment.arguments())


def test_an_endpoint_goes_with_its_configuration(client, stub):
    describe(stub, "InService")
    deleted(stub)
    describe(stub, "Deleting")
    config_deleted(stub)
    moment = Time()
    assert remove(client, moment)
    assert moment.now == 0


def test_what_is_gone_already_is_fine(client, stub):
    describe(stub, None)
    stub.add_client_error("delete_endpoint_config", "ValidationException", "Could not find endpoint configuration.")
    assert remove(client, Time())


@pytest.mark.parametrize("refuses", [True, False], ids=["refused", "a yes that means nothing"])
def test_one_that_is_being_made_is_asked_again_until_it_goes(client, stub, refuses):
    for status in ("Creating", "Creating", "InService"):
        describe(stub, status)
        if refuses and status == "Creating":
            stub.add_client_error("delete_endpoint", "ValidationException", "Cannot update in-progress endpoint")
        else:
            deleted(stub)
        describe(stub, "Creating" if status == "Creating" else None)
    config_deleted(stub)
    moment = Time()
    assert remove(client, moment)
    assert moment.now == 4.0


def test_patience_ends_and_the_configuration_stays_with_its_endpoint(client, stub):
    for _ in range(3):
        describe(stub, "Creating")
        deleted(stub)
        describe(stub, "Creating")
    assert not remove(client, Time(), patience_seconds=4.0)


def test_a_request_on_its_way_is_waited_for(client, stub):
    describe(stub, None)
    describe(stub, None)
    describe(stub, "InService")
    describe(stub, "InService")
    deleted(stub)
    describe(stub, "Deleting")
    config_deleted(stub)
    assert remove(client, Time(), may_appear=True)
    for _ in range(4):
        describe(stub, None)
    config_deleted(stub)
    moment = Time()
    assert remove(client, moment, may_appear=True)
    assert moment.now == 6.0


# ---- making


def shadow(client, moment=None, **more):
    made = plan(client, endpoint_name=None, model_name="m", instance_type="ml.m5.large")
    return ShadowEndpoint(client, made, **more, **(moment or Time()).arguments())


def created(stub, name):
    tags = [
        {"Key": "watchkeeper:shadow", "Value": "true"},
        {"Key": "watchkeeper:endpoint", "Value": "flights"},
        {"Key": "watchkeeper:run", "Value": "a1b2"},
    ]
    config = {"EndpointConfigName": name, "ProductionVariants": ANY, "Tags": tags}
    stub.add_response("create_endpoint_config", {"EndpointConfigArn": CONFIG_ARN}, config)
    wanted = {"EndpointName": name, "EndpointConfigName": name, "Tags": tags}
    stub.add_response("create_endpoint", {"EndpointArn": ARN}, wanted)


def removed(stub, name, status="InService"):
    describe(stub, status, name)
    stub.add_response("delete_endpoint", {}, {"EndpointName": name})
    describe(stub, None, name)
    stub.add_response("delete_endpoint_config", {}, {"EndpointConfigName": name})


def test_progress_is_told_once_a_minute(client, stub):
    told = []
    entering = shadow(client, tell=told.append)
    name = entering.endpoint_name
    describe(stub, None, name)
    created(stub, name)
    for _ in range(12):
        describe(stub, "Creating", name)
    describe(stub, "InService", name)
    removed(stub, name)
    with entering:
        pass
    assert told == [
        f"Shadow endpoint {name} is being made, for model m",
        f"Shadow endpoint {name} is Creating since 65 seconds",
        f"Shadow endpoint {name} is in service after 95 seconds",
        f"Shadow endpoint {name} is deleted",
    ]


@pytest.mark.parametrize("status", ["Failed", "Deleting"])
def test_remains_that_cannot_be_adopted_are_out_of_the_way_first(client, stub, status):
    entering = shadow(client)
    name = entering.endpoint_name
    describe(stub, status, name)
    if status == "Failed":
        removed(stub, name, "Failed")
    else:
        describe(stub, "Deleting", name)
    describe(stub, None, name)
    created(stub, name)
    describe(stub, "InService", name)
    removed(stub, name)
    with entering:
        pass


def test_a_configuration_of_an_earlier_try_is_adopted(client, stub):
    entering = shadow(client)
    name = entering.endpoint_name
    describe(stub, None, name)
    taken = f'Cannot create already existing endpoint configuration "{name}".'
    stub.add_client_error("create_endpoint_config", "ValidationException", taken)
    stub.add_response("create_endpoint", {"EndpointArn": ARN})
    describe(stub, "InService", name)
    removed(stub, name)
    with entering:
        pass


@pytest.mark.parametrize(
    ("operation", "message", "needed"),
    [
        ("create_endpoint", "", "sagemaker:CreateEndpoint on endpoint/watchkeeper-shadow-flights-"),
        (
            "create_endpoint_config",
            "User: u is not authorized to perform: sagemaker:AddTags on resource: arn:aws:sagemaker:x:1:y because",
            "sagemaker:AddTags on arn:aws:sagemaker:x:1:y",
        ),
    ],
)
def test_a_refusal_names_the_permission_and_nothing_stays(client, stub, operation, message, needed):
    entering = shadow(client)
    name = entering.endpoint_name
    describe(stub, None, name)
    if operation == "create_endpoint":
        stub.add_response("create_endpoint_config", {"EndpointConfigArn": CONFIG_ARN})
    stub.add_client_error(operation, "AccessDeniedException", message)
    describe(stub, None, name)
    stub.add_client_error("delete_endpoint_config", "ValidationException", "Could not find endpoint configuration")
    with pytest.raises(PermissionMissingError, match=f"Allow {re.escape(needed)}"):
        entering.__enter__()


@pytest.mark.parametrize("operation", ["create_endpoint_config", "create_endpoint"])
def test_what_sagemaker_does_not_make_is_told_in_its_words(client, stub, operation):
    entering = shadow(client)
    name = entering.endpoint_name
    describe(stub, None, name)
    if operation == "create_endpoint":
        stub.add_response("create_endpoint_config", {"EndpointConfigArn": CONFIG_ARN})
        stub.add_client_error(operation, "ResourceLimitExceeded", "The account-level service limit is 0 Instances.")
    else:
        stub.add_client_error(operation, "ValidationException", 'Could not find model "arn:m".')
    describe(stub, None, name)
    stub.add_client_error("delete_endpoint_config", "ValidationException", "Could not find endpoint configuration")
    with pytest.raises(EndpointStateError, match=r"SageMaker made no shadow endpoint: (Could not|The account)"):
        entering.__enter__()


def test_an_interrupted_request_is_cleared_up_when_the_endpoint_shows(client, stub):
    moment = Time()
    entering = shadow(client, moment)
    name = entering.endpoint_name
    describe(stub, None, name)
    stub.add_response("create_endpoint_config", {"EndpointConfigArn": CONFIG_ARN})
    describe(stub, None, name)
    describe(stub, "Creating", name)
    removed(stub, name)

    def interrupt(**_event):
        raise SystemExit(143)

    client.meta.events.register("provide-client-params.sagemaker.CreateEndpoint", interrupt)
    with pytest.raises(SystemExit):
        entering.__enter__()
    assert moment.now == 2.0


def test_what_cannot_be_deleted_is_an_error_or_a_note_on_the_one_there_is(client, stub):
    def enter(fault):
        entering = shadow(client)
        name = entering.endpoint_name
        describe(stub, None, name)
        created(stub, name)
        describe(stub, "InService", name)
        describe(stub, "InService", name)
        stub.add_client_error("delete_endpoint", "AccessDeniedException")
        with entering:
            if fault:
                raise fault

    with pytest.raises(PermissionMissingError, match="Allow sagemaker:DeleteEndpoint on endpoint/"):
        enter(None)
    with pytest.raises(KeyError) as caught:
        enter(KeyError("x"))
    (note,) = caught.value.__notes__
    assert "may be left behind: sagemaker:DeleteEndpoint on endpoint/" in note


def test_the_sweep_needs_its_permissions(client, stub):
    stub.add_client_error("list_endpoint_configs", "AccessDeniedException")
    with pytest.raises(PermissionMissingError, match="Allow sagemaker:ListEndpointConfigs"):
        delete_shadow_endpoints(client)
