import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.sandbox

CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 40,
    "DestinationS3Uri": "s3://bucket/capture",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox whose endpoints take their time: what is seen on the way must still be there on a busy machine."""
    with SandboxProcess(tmp_path_factory.mktemp("slow"), settle_seconds=4.0) as process:
        yield process


class Endpoint:
    """An endpoint of its own for one test."""

    def __init__(self, sandbox: SandboxProcess, model: str | None = None) -> None:
        self.sandbox = sandbox
        self.sagemaker = sandbox.client("sagemaker")
        self.name = f"overlay-{uuid.uuid4().hex[:8]}"
        role = "arn:aws:iam::123456789012:role/any-role"
        container = {"Image": "image", "ModelDataUrl": "s3://bucket/model.tar.gz"}
        self.model = model or self.name
        if model is None:
            self.sagemaker.create_model(ModelName=self.name, PrimaryContainer=container, ExecutionRoleArn=role)
        self.configure("first")
        self.sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=f"{self.name}-first")

    def variant(self, **changes: Any) -> dict[str, Any]:
        return {
            "VariantName": "AllTraffic",
            "ModelName": self.model,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": 1.0,
        } | changes

    def configure(self, suffix: str, **arguments: Any) -> str:
        name = f"{self.name}-{suffix}"
        variants = arguments.pop("ProductionVariants", [self.variant()])
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants, **arguments)
        return name

    def update(self, config: str, **arguments: Any) -> None:
        self.sagemaker.update_endpoint(EndpointName=self.name, EndpointConfigName=config, **arguments)

    def wait(self) -> dict[str, Any]:
        waiter = self.sagemaker.get_waiter("endpoint_in_service")
        waiter.wait(EndpointName=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        return self.describe()

    def describe(self) -> dict[str, Any]:
        return self.sagemaker.describe_endpoint(EndpointName=self.name)


@pytest.fixture
def endpoint(sandbox: SandboxProcess) -> Endpoint:
    made = Endpoint(sandbox)
    assert made.describe()["EndpointStatus"] == "Creating"
    made.wait()
    return made


def test_an_update_takes_time_and_then_the_new_configuration_is_in_service(endpoint: Endpoint) -> None:
    before = endpoint.describe()
    assert "DataCaptureConfig" not in before
    second = endpoint.configure("second", DataCaptureConfig=CAPTURE)
    endpoint.update(second)
    during = endpoint.describe()
    assert (during["EndpointStatus"], during["EndpointConfigName"]) == ("Updating", before["EndpointConfigName"])
    after = endpoint.wait()
    assert after["EndpointConfigName"] == second
    assert after["LastModifiedTime"] > before["LastModifiedTime"]
    assert after["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 40,
        "DestinationS3Uri": "s3://bucket/capture",
        "KmsKeyId": "",
    }


def test_capture_that_is_configured_but_off_is_stopped(endpoint: Endpoint) -> None:
    endpoint.update(endpoint.configure("second", DataCaptureConfig=CAPTURE | {"EnableCapture": False}))
    assert endpoint.wait()["DataCaptureConfig"]["CaptureStatus"] == "Stopped"


@pytest.mark.parametrize("tagged", ["configuration", "endpoint"])
def test_an_update_can_roll_back_silently(endpoint: Endpoint, tagged: str) -> None:
    tags = [{"Key": "sandbox:update", "Value": "rollback"}]
    if tagged == "endpoint":
        endpoint.sagemaker.add_tags(ResourceArn=endpoint.describe()["EndpointArn"], Tags=tags)
    second = endpoint.configure("second", DataCaptureConfig=CAPTURE, Tags=tags if tagged == "configuration" else [])
    endpoint.update(second)
    assert endpoint.describe()["EndpointStatus"] == "Updating"
    after = endpoint.wait()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", f"{endpoint.name}-first")
    assert "DataCaptureConfig" not in after


def test_an_update_is_refused_while_another_runs(endpoint: Endpoint) -> None:
    second = endpoint.configure("second")
    endpoint.update(second)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        endpoint.update(second)
    assert endpoint.wait()["EndpointConfigName"] == second


@pytest.mark.parametrize(
    ("arguments", "weight", "count"),
    [
        pytest.param({}, 1.0, 1, id="from the configuration"),
        pytest.param({"RetainAllVariantProperties": True}, 0.25, 3, id="retained"),
        pytest.param(
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
            },
            1.0,
            3,
            id="retained but the weight",
        ),
    ],
)
def test_variant_properties_are_retained_when_told(
    endpoint: Endpoint, arguments: dict[str, Any], weight: float, count: int
) -> None:
    endpoint.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint.name,
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredWeight": 0.25, "DesiredInstanceCount": 3}],
    )
    during = endpoint.describe()
    assert (during["EndpointStatus"], during["ProductionVariants"][0]["CurrentWeight"]) == ("Updating", 1.0)
    endpoint.wait()
    endpoint.update(endpoint.configure("second"), **arguments)
    (variant,) = endpoint.wait()["ProductionVariants"]
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == (weight, count)


def test_a_configuration_is_kept_whole(endpoint: Endpoint) -> None:
    parts = {
        "ShadowProductionVariants": [endpoint.variant(VariantName="Shadow")],
        "DataCaptureConfig": CAPTURE | {"CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]}},
        "EnableNetworkIsolation": True,
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/another-role",
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
    }
    second = endpoint.configure("second", **parts)
    described = endpoint.sagemaker.describe_endpoint_config(EndpointConfigName=second)
    assert {name: described[name] for name in parts} == parts
    endpoint.update(second)
    assert [v["VariantName"] for v in endpoint.wait()["ShadowProductionVariants"]] == ["Shadow"]


def test_an_endpoint_is_deleted_only_while_nothing_changes_it(sandbox: SandboxProcess) -> None:
    endpoint = Endpoint(sandbox)
    with pytest.raises(ClientError, match=r"ValidationException.*Cannot delete in-progress endpoint"):
        endpoint.sagemaker.delete_endpoint(EndpointName=endpoint.name)
    endpoint.wait()
    endpoint.sagemaker.delete_endpoint(EndpointName=endpoint.name)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        endpoint.describe()
    # The name is free, and nothing of the old endpoint is left.
    endpoint.sagemaker.create_endpoint(EndpointName=endpoint.name, EndpointConfigName=f"{endpoint.name}-first")
    assert endpoint.wait()["EndpointStatus"] == "InService"


def test_an_endpoint_can_fail_to_start(endpoint: Endpoint) -> None:
    name = f"{endpoint.name}-fails"
    tags = [{"Key": "sandbox:create", "Value": "fail"}]
    endpoint.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{endpoint.name}-first", Tags=tags)
    with pytest.raises(WaiterError):
        endpoint.sagemaker.get_waiter("endpoint_in_service").wait(
            EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
    described = endpoint.sagemaker.describe_endpoint(EndpointName=name)
    assert described["EndpointStatus"] == "Failed"
    assert "ping health check" in described["FailureReason"]
    runtime = endpoint.sandbox.client("sagemaker-runtime")
    with pytest.raises(ClientError, match="not found"):
        runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=b"1")
    endpoint.sagemaker.delete_endpoint(EndpointName=name)


def test_a_name_that_is_taken_is_refused(endpoint: Endpoint) -> None:
    first = f"{endpoint.name}-first"
    with pytest.raises(ClientError, match="Cannot create already existing endpoint "):
        endpoint.sagemaker.create_endpoint(EndpointName=endpoint.name, EndpointConfigName=first)
    with pytest.raises(ClientError, match="Cannot create already existing endpoint configuration"):
        endpoint.configure("first")


def test_what_does_not_exist_is_a_validation_error(endpoint: Endpoint) -> None:
    with pytest.raises(ClientError, match=r"ValidationException.*Could not find endpoint configuration"):
        endpoint.update("nowhere")
    with pytest.raises(ClientError, match=r"ValidationException.*Could not find endpoint"):
        endpoint.sagemaker.update_endpoint(EndpointName="nowhere", EndpointConfigName="nowhere")
