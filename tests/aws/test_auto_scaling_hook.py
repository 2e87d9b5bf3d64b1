"""Application Auto Scaling of a variant, in moto; what moto lacks is scripted."""

from datetime import UTC, datetime

import boto3
import pytest

from tests.aws.conftest import REGION
from tests.scripted_aws import Refusal, scripted_aws
from watchkeeper.aws.auto_scaling_hook import AutoScalingHook, ScalableTarget, tracking_invocations
from watchkeeper.errors import PermissionMissingError


@pytest.fixture
def hook() -> AutoScalingHook:
    return AutoScalingHook(aws_conn_id=None, region_name=REGION)


@pytest.fixture
def endpoint() -> str:
    client = boto3.client("sagemaker", region_name=REGION)
    client.create_model(ModelName="m", ExecutionRoleArn="arn:aws:iam::123456789012:role/r")
    variant = {"VariantName": "AllTraffic", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    client.create_endpoint(EndpointName="flights", EndpointConfigName="c")
    return "flights"


def test_bounds_are_registered_once(hook, endpoint):
    assert hook.scalable_target(endpoint, "AllTraffic") is None
    assert hook.register_target(endpoint, "AllTraffic", 1, 4)
    assert not hook.register_target(endpoint, "AllTraffic", 1, 4)
    assert hook.register_target(endpoint, "AllTraffic", 2, 4)
    assert hook.scalable_target(endpoint, "AllTraffic") == ScalableTarget("endpoint/flights/variant/AllTraffic", 2, 4)
    assert hook.deregister_target(endpoint, "AllTraffic")
    assert not hook.deregister_target(endpoint, "AllTraffic")


def test_policies_and_schedules_come_and_go(hook, endpoint):
    hook.register_target(endpoint, "AllTraffic", 1, 4)
    configuration = tracking_invocations(700, scale_in_cooldown_seconds=900)
    hook.put_target_tracking(endpoint, "AllTraffic", "hold", configuration)
    arn = hook.put_target_tracking(endpoint, "AllTraffic", "hold", configuration | {"TargetValue": 800.0})
    assert arn.endswith("policyName/hold")
    (policy,) = hook.policies(endpoint, "AllTraffic")
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 800.0
    assert policy["TargetTrackingScalingPolicyConfiguration"]["ScaleInCooldown"] == 900
    assert "PolicyARN" not in policy
    assert hook.delete_policy(endpoint, "AllTraffic", "hold")
    assert not hook.delete_policy(endpoint, "AllTraffic", "hold")
    hook.put_scheduled_action(endpoint, "AllTraffic", "morning", "cron(0 6 * * ? *)", 3, 4)
    (action,) = hook.scheduled_actions(endpoint, "AllTraffic")
    assert action["ScalableTargetAction"] == {"MinCapacity": 3, "MaxCapacity": 4}


def test_activities_end_where_the_asked_time_begins(hook, monkeypatch):
    def activity(hour: int) -> dict[str, object]:
        moment = datetime(2026, 11, 25, hour, tzinfo=UTC).timestamp()
        fields = dict.fromkeys(("ServiceNamespace", "ResourceId", "ScalableDimension", "Description", "Cause"), "x")
        return {**fields, "ActivityId": str(hour), "StartTime": moment, "StatusCode": "Successful"}

    with scripted_aws(monkeypatch) as script:
        script.answers["DescribeScalingActivities"] = [
            {"ScalingActivities": [activity(5)], "NextToken": "more"},
            {"ScalingActivities": [activity(4), activity(3)], "NextToken": "unread"},
        ]
        found = list(hook.activities("flights", "AllTraffic", datetime(2026, 11, 25, 4, tzinfo=UTC)))
        assert [item["ActivityId"] for item in found] == ["5", "4"]
        assert len(script.calls) == 2


def test_a_refusal_names_action_and_variant(hook, monkeypatch):
    with scripted_aws(monkeypatch) as script:
        script.answers["DescribeScalableTargets"] = [Refusal("AccessDeniedException")]
        needed = "application-autoscaling:DescribeScalableTargets on endpoint/flights/variant/AllTraffic"
        with pytest.raises(PermissionMissingError, match=needed):
            hook.register_target("flights", "AllTraffic", 1, 2)
