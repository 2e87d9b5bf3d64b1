import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.conftest import Replayed
from tests.sandbox.test_live_endpoint import FLIGHT, eventually
from tests.sandbox.test_sagemaker_overlay import Endpoint
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.sandbox

# A sandbox's second of waiting takes a hundredth: 300 are 3 s.
WAIT = 300


def blue_green(routing: dict[str, Any], *alarms: str) -> dict[str, Any]:
    deployment: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": 0,
            "MaximumExecutionTimeoutInSeconds": 3600,
        }
    }
    if alarms:
        deployment["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return deployment


def canary(percent: int = 50) -> dict[str, Any]:
    size = {"Type": "CAPACITY_PERCENT", "Value": percent}
    return {"Type": "CANARY", "WaitIntervalInSeconds": WAIT, "CanarySize": size}


def baking(described: dict[str, Any]) -> bool:
    """Whether the new fleet gets traffic."""
    (variant,) = described["PendingDeploymentSummary"]["ProductionVariants"]
    return bool(variant["VariantStatus"][0]["Status"] == "Baking")


@pytest.fixture
def alarm(sandbox: SandboxProcess) -> Iterator[str]:
    cloudwatch = sandbox.client("cloudwatch")
    name = f"guard-{uuid.uuid4().hex[:8]}"
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Guard",
        MetricName=name,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    yield name
    cloudwatch.delete_alarms(AlarmNames=[name])


@pytest.fixture
def endpoint(replayed: Replayed) -> Endpoint:
    made = Endpoint(replayed.sandbox, model="flights-delay-1")
    made.wait()
    return made


def test_a_canary_takes_its_time_and_its_share(endpoint: Endpoint) -> None:
    second = endpoint.configure("second", ProductionVariants=[endpoint.variant(VariantName="New")])
    endpoint.update(second, DeploymentConfig=blue_green(canary()))
    during = endpoint.describe()
    assert during["EndpointStatus"] == "Updating"
    assert during["PendingDeploymentSummary"]["EndpointConfigName"] == second
    assert [v["VariantName"] for v in during["ProductionVariants"]] == ["AllTraffic"]
    eventually(endpoint.describe, baking)
    runtime = endpoint.sandbox.client("sagemaker-runtime")

    def invoked() -> str:
        answer = runtime.invoke_endpoint(EndpointName=endpoint.name, ContentType="text/csv", Body=FLIGHT)
        return str(answer["InvokedProductionVariant"])

    shares = Counter(invoked() for _ in range(40))
    assert set(shares) == {"AllTraffic", "New"}
    after = endpoint.wait()
    assert after["EndpointConfigName"] == second
    assert after["LastDeploymentConfig"] == blue_green(canary())
    assert "PendingDeploymentSummary" not in after
    assert "FailureReason" not in after
    assert {invoked() for _ in range(10)} == {"New"}


def test_a_linear_shift_ends_with_the_new_configuration(endpoint: Endpoint) -> None:
    size = {"Type": "CAPACITY_PERCENT", "Value": 40}
    routing = {"Type": "LINEAR", "WaitIntervalInSeconds": 50, "LinearStepSize": size}
    second = endpoint.configure("second")
    started = time.monotonic()
    endpoint.update(second, DeploymentConfig=blue_green(routing))
    assert endpoint.wait()["EndpointConfigName"] == second
    assert time.monotonic() - started > 3 * 0.5  # three steps: 40, 80 and 100 per cent


@pytest.mark.parametrize("raised", ["before", "during"])
def test_an_alarm_rolls_back_and_says_so(endpoint: Endpoint, alarm: str, raised: str) -> None:
    cloudwatch = endpoint.sandbox.client("cloudwatch")
    ring = {"AlarmName": alarm, "StateValue": "ALARM", "StateReason": "test", "StateReasonData": json.dumps({})}
    if raised == "before":
        cloudwatch.set_alarm_state(**ring)
    endpoint.update(endpoint.configure("second"), DeploymentConfig=blue_green(canary(), alarm))
    if raised == "during":
        cloudwatch.set_alarm_state(**ring)
    during = eventually(endpoint.describe, lambda found: found["EndpointStatus"] != "Updating")
    assert during["EndpointStatus"] in {"RollingBack", "InService"}
    after = endpoint.wait()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", f"{endpoint.name}-first")
    assert alarm in after["FailureReason"]
    endpoint.update(endpoint.configure("third"))
    recovered = endpoint.wait()
    assert recovered["EndpointConfigName"] == f"{endpoint.name}-third"
    assert "FailureReason" not in recovered


def test_an_alarm_that_is_quiet_changes_nothing(endpoint: Endpoint, alarm: str) -> None:
    second = endpoint.configure("second")
    endpoint.update(second, DeploymentConfig=blue_green(canary(), alarm))
    assert endpoint.wait()["EndpointConfigName"] == second


def test_the_last_deployment_configuration_can_be_retained(endpoint: Endpoint) -> None:
    endpoint.update(endpoint.configure("second"), DeploymentConfig=blue_green(canary()))
    endpoint.wait()
    endpoint.update(endpoint.configure("third"), RetainDeploymentConfig=True)
    during = eventually(
        endpoint.describe,
        lambda found: (
            found["PendingDeploymentSummary"]["ProductionVariants"][0]["VariantStatus"][0]["Status"] == "Baking"
        ),
    )
    assert during["EndpointStatus"] == "Updating"
    assert endpoint.wait()["EndpointConfigName"] == f"{endpoint.name}-third"
