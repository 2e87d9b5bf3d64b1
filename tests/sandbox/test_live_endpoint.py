import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import Replayed
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.sandbox

FLIGHT = b"UA,EWR,1569,2,4.1,48.02,53.63,0.0,8.0,0.0"
ORDER = {
    "unit_price": 2.55,
    "basket_lines": 12,
    "description_words": 4,
    "article_orders": 30,
    "customer_kind": "registered",
    "country": "United Kingdom",
}


@dataclass(frozen=True)
class OwnEndpoint:
    """An endpoint with the flights' model whose captures no other test reads."""

    sandbox: SandboxProcess
    name: str

    def invoke(self, body: bytes, content_type: str = "text/csv", **arguments: Any) -> dict[str, Any]:
        runtime = self.sandbox.client("sagemaker-runtime")
        return runtime.invoke_endpoint(EndpointName=self.name, Body=body, ContentType=content_type, **arguments)

    def captured(self, variant: str = "A") -> list[dict[str, Any]]:
        s3 = self.sandbox.client("s3")
        listed = s3.list_objects_v2(Bucket="watchkeeper", Prefix=f"live/{self.name}/{variant}/").get("Contents", [])
        bodies = [s3.get_object(Bucket="watchkeeper", Key=item["Key"])["Body"].read() for item in listed]
        return [json.loads(line) for body in bodies for line in body.splitlines()]


@pytest.fixture
def own(replayed: Replayed) -> Iterator[OwnEndpoint]:
    sagemaker = replayed.sandbox.client("sagemaker")
    name = f"live-{uuid.uuid4().hex[:8]}"
    common = {"ModelName": "flights-delay-1", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {"VariantName": "A", "InitialVariantWeight": 1.0, **common},
            {"VariantName": "B", "InitialVariantWeight": 0.0, **common},
        ],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": "s3://watchkeeper/live",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        },
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    waiter = sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    yield OwnEndpoint(replayed.sandbox, name)
    sagemaker.delete_endpoint(EndpointName=name)


def eventually[T](ask: Callable[[], T], enough: Callable[[T], bool], seconds: float = 15) -> T:
    deadline = time.monotonic() + seconds
    while not enough(found := ask()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def test_a_model_answers_in_the_content_type_of_the_question(replayed: Replayed) -> None:
    runtime = replayed.sandbox.client("sagemaker-runtime")

    def ask(endpoint: str, content_type: str, body: bytes) -> tuple[str, list[str]]:
        answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType=content_type, Body=body)
        return answer["ContentType"], answer["Body"].read().decode().splitlines()

    late = FLIGHT.replace(b",2,4.1,", b",95,60.0,")
    content_type, lines = ask("flights-delay", "text/csv", FLIGHT + b"\n" + late)
    probabilities = [float(line) for line in lines]
    assert content_type == "text/csv; charset=utf-8"
    assert probabilities[0] < 0.2
    assert probabilities[1] > 0.9

    one, many = json.dumps(ORDER).encode(), json.dumps(ORDER | {"basket_lines": None}).encode()
    assert ask("order-quantity", "application/json", one)[0] == "application/json"
    content_type, lines = ask("order-quantity", "application/jsonlines", one + b"\n" + many)
    assert content_type == "application/jsonlines"
    assert [set(json.loads(line)) for line in lines] == [{"predicted_quantity"}] * 2


def test_a_json_request_may_hold_many_records_by_name_or_by_position(replayed: Replayed) -> None:
    runtime = replayed.sandbox.client("sagemaker-runtime")

    def ask(document: object, content_type: str = "application/json") -> str:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        answer = runtime.invoke_endpoint(EndpointName="order-quantity", ContentType=content_type, Body=body)
        return answer["Body"].read().decode()

    bulk = ORDER | {"unit_price": 0.1}
    alone = [json.loads(ask(record))["predicted_quantity"] for record in (ORDER, bulk)]
    assert alone[0] != alone[1]
    assert [answer["predicted_quantity"] for answer in json.loads(ask([ORDER, bulk]))] == alone
    for records in ([ORDER, bulk], [{"features": list(ORDER.values())}, {"features": bulk}]):
        answers = json.loads(ask({"instances": records}))["predictions"]
        assert [answer["score"] for answer in answers] == alone
    lines = b"".join(json.dumps({"features": list(record.values())}).encode() + b"\n" for record in (ORDER, bulk))
    answers = [json.loads(line) for line in ask(lines, "application/jsonlines").splitlines()]
    assert [answer["predicted_quantity"] for answer in answers] == alone
    for broken in ({"instances": []}, {"instances": [[1, 2]]}, [1], "x"):
        with pytest.raises(ClientError, match=r"ModelError.*400"):
            ask(broken)


def test_an_invocation_is_captured_as_the_configuration_says(own: OwnEndpoint) -> None:
    answer = own.invoke(FLIGHT, InferenceId="flight-7", CustomAttributes="trace=7")
    assert answer["InvokedProductionVariant"] == "A"
    body = answer["Body"].read().decode()
    (line,) = eventually(own.captured, bool)
    assert line["captureData"]["endpointInput"]["data"] == FLIGHT.decode()
    assert line["captureData"]["endpointOutput"]["data"] == body
    assert line["eventMetadata"]["inferenceId"] == "flight-7"
    assert line["eventMetadata"]["customAttributes"] == ["trace=7"]
    at = datetime.fromisoformat(line["eventMetadata"]["inferenceTime"])
    assert timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=1)


def test_a_variant_without_traffic_answers_when_it_is_asked_for(own: OwnEndpoint) -> None:
    assert {own.invoke(FLIGHT)["InvokedProductionVariant"] for _ in range(20)} == {"A"}
    assert own.invoke(FLIGHT, TargetVariant="B")["InvokedProductionVariant"] == "B"
    assert len(eventually(lambda: own.captured("B"), bool)) == 1


def test_invocations_and_errors_are_counted(own: OwnEndpoint) -> None:
    for _ in range(3):
        own.invoke(FLIGHT)
    with pytest.raises(ClientError) as caught:
        own.invoke(FLIGHT + b",one too many")
    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    now = datetime.now(UTC)

    def sums() -> dict[str, float]:
        found = {}
        for metric in ("Invocations", "InvocationModelErrors"):
            points = own.sandbox.client("cloudwatch").get_metric_statistics(
                Namespace="AWS/SageMaker",
                MetricName=metric,
                Dimensions=[{"Name": "EndpointName", "Value": own.name}, {"Name": "VariantName", "Value": "A"}],
                StartTime=now - timedelta(hours=1),
                EndTime=now + timedelta(hours=1),
                Period=60,
                Statistics=["Sum"],
            )["Datapoints"]
            found[metric] = sum(point["Sum"] for point in points)
        return found

    wanted = {"Invocations": 4.0, "InvocationModelErrors": 1.0}
    assert eventually(sums, lambda found: found == wanted) == wanted
    # What the model refused has no output, and is not captured. Captures have a flush of their own.
    assert len(eventually(own.captured, lambda lines: len(lines) >= 3)) == 3


def test_bytes_that_are_not_text_reach_the_model(own: OwnEndpoint) -> None:
    with pytest.raises(ClientError, match="ModelError"):
        own.invoke(FLIGHT.replace(b"UA", b"\xff\xfe"))
    with pytest.raises(ClientError, match=r"ModelError.*unsupported content type application/x-npy"):
        own.invoke(b"\x93NUMPY", "application/x-npy")


def test_an_endpoint_that_is_not_there_is_a_validation_error(replayed: Replayed) -> None:
    runtime = replayed.sandbox.client("sagemaker-runtime")
    with pytest.raises(ClientError, match=r"ValidationError.*Endpoint nowhere of account \d+ not found"):
        runtime.invoke_endpoint(EndpointName="nowhere", ContentType="text/csv", Body=FLIGHT)
