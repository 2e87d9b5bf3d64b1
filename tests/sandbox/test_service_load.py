"""The queueing law, and what CloudWatch shows of an endpoint under it."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.service_load import PLACES, ServiceLoad, ServiceProfile
from tests.sandbox.conftest import Replayed
from tests.sandbox.test_live_endpoint import FLIGHT, eventually
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.sandbox


def load(arrivals_per_second: float, instances: int = 1) -> ServiceLoad:
    return ServiceLoad.of(ServiceProfile(service_ms=100), arrivals_per_second, instances)


def test_waiting_and_refusals_follow_from_utilisation() -> None:
    assert load(0) == ServiceLoad(utilisation=0, refused_share=0, waiting_ms=0)
    assert load(5).waiting_ms == pytest.approx(100)  # M/M/1: r / (1 - r) times the service time
    assert load(9).waiting_ms == pytest.approx(900, rel=0.3)
    assert load(9).refused_share < 0.01
    assert load(10).waiting_ms == pytest.approx(load(10.0001).waiting_ms, rel=0.01)
    assert load(20).refused_share == pytest.approx(0.5)
    assert load(20).waiting_ms == pytest.approx((PLACES - 2) * 100, rel=0.01)
    assert load(1e6).refused_share == pytest.approx(1, abs=1e-4)
    # Twice the instances and twice the load is the same state; more instances help.
    assert load(20, instances=2) == load(10)
    assert load(20, instances=4) == load(5)


@dataclass(frozen=True)
class Loaded:
    """An endpoint of one instance whose model needs 200 ms, so that five calls a second are too many."""

    sandbox: SandboxProcess
    name: str

    @property
    def sagemaker(self) -> Any:
        return self.sandbox.client("sagemaker")

    def configure(self, suffix: str, instances: int = 1, **environment: str) -> str:
        artifact = self.sagemaker.describe_model(ModelName="flights-delay-1")["PrimaryContainer"]
        name = f"{self.name}-{suffix}"
        self.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={**artifact, "Environment": environment},
            ExecutionRoleArn="arn:aws:iam::123456789012:role/x",
        )
        variant = {"VariantName": "A", "ModelName": name, "InstanceType": "ml.m5.large"}
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": instances}]
        )
        return name

    def wait(self) -> None:
        waiter = self.sagemaker.get_waiter("endpoint_in_service")
        waiter.wait(EndpointName=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})

    @property
    def instances(self) -> int:
        (variant,) = self.sagemaker.describe_endpoint(EndpointName=self.name)["ProductionVariants"]
        return int(variant["CurrentInstanceCount"])

    def call(self, count: int) -> list[int]:
        """Call at once as often, and return the status codes."""
        runtime = self.sandbox.client("sagemaker-runtime")

        def status(_number: int) -> int:
            try:
                answer = runtime.invoke_endpoint(EndpointName=self.name, ContentType="text/csv", Body=FLIGHT)
            except ClientError as error:
                return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
            return int(answer["ResponseMetadata"]["HTTPStatusCode"])

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(status, range(count)))

    def metric(self, name: str, stat: str, namespace: str = "AWS/SageMaker") -> float | None:
        """Return the metric's value over the last minutes, None if there is none."""
        now = datetime.now(UTC)
        metric = {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": "EndpointName", "Value": self.name}, {"Name": "VariantName", "Value": "A"}],
        }
        (found,) = self.sandbox.client("cloudwatch").get_metric_data(
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=1),
            MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": stat}}],
        )["MetricDataResults"]
        return max(found["Values"], default=None)


@pytest.fixture
def loaded(replayed: Replayed) -> Iterator[Loaded]:
    made = Loaded(replayed.sandbox, f"loaded-{uuid.uuid4().hex[:8]}")
    first = made.configure("first", SANDBOX_SERVICE_MS="200")
    made.sagemaker.create_endpoint(EndpointName=made.name, EndpointConfigName=first)
    made.wait()
    yield made
    made.wait()
    made.sagemaker.delete_endpoint(EndpointName=made.name)


def test_an_idle_endpoint_shows_its_instances_and_no_invocations(loaded: Loaded) -> None:
    assert eventually(lambda: loaded.metric("CPUUtilization", "Average", "/aws/sagemaker/Endpoints"), bool) == 4
    assert loaded.metric("DiskUtilization", "Maximum", "/aws/sagemaker/Endpoints") == 12
    assert loaded.metric("Invocations", "Sum") is None


def test_more_than_it_can_take_is_slow_and_partly_refused_and_instances_help(loaded: Loaded) -> None:
    assert set(loaded.call(60)) == {200, 503}
    calls = eventually(lambda: loaded.metric("Invocations", "Sum"), lambda found: found == 60)
    assert calls == 60
    refused = loaded.metric("Invocation5XXErrors", "Sum")
    assert refused
    assert loaded.metric("InvocationModelErrors", "Sum") == 0
    assert (loaded.metric("ModelLatency", "p95") or 0) > 2_000_000
    assert (loaded.metric("OverheadLatency", "p50") or 0) > 500
    assert (loaded.metric("CPUUtilization", "Maximum", "/aws/sagemaker/Endpoints") or 0) > 150
    scaling = loaded.sandbox.client("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{loaded.name}/variant/A",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=4, MaxCapacity=8)
    assert eventually(lambda: loaded.instances, lambda found: found == 4) == 4
    (activity,) = eventually(
        lambda: scaling.describe_scaling_activities(**target)["ScalingActivities"],
        lambda found: bool(found) and found[0]["StatusCode"] == "Successful",
    )
    assert activity["Description"] == "Setting desired instance count to 4."
    assert activity["Cause"] == "minimum capacity was set to 4"
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    assert eventually(lambda: loaded.instances, lambda found: found == 2) == 2
    scaling.deregister_scalable_target(**target)


def test_a_faulty_model_fails_and_rolling_back_helps(loaded: Loaded) -> None:
    second = loaded.configure("second", SANDBOX_FAULT_SHARE="1")
    loaded.sagemaker.update_endpoint(EndpointName=loaded.name, EndpointConfigName=second)
    loaded.wait()
    with pytest.raises(ClientError, match=r"ModelError.*server error \(500\)"):
        loaded.sandbox.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=loaded.name, ContentType="text/csv", Body=FLIGHT
        )
    assert eventually(lambda: loaded.metric("Invocation5XXErrors", "Sum"), bool) == 1
    assert loaded.metric("InvocationModelErrors", "Sum") == 1
    assert loaded.metric("Invocation4XXErrors", "Sum") == 0
    loaded.sagemaker.update_endpoint(EndpointName=loaded.name, EndpointConfigName=f"{loaded.name}-first")
    loaded.wait()
    assert loaded.call(1) == [200]
