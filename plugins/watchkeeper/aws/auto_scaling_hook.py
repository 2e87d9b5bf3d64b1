"""Application Auto Scaling of endpoint variants: how many instances they may have, and what moves that number."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from watchkeeper.aws.service_failure import permission_named
from watchkeeper.aws.service_hook import ServiceHook

_SERVICE: Final = "application-autoscaling"
_VARIANT: Final = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
INVOCATIONS_PER_INSTANCE: Final = "SageMakerVariantInvocationsPerInstance"
#: What DescribeScalingPolicies answers and PutScalingPolicy does not take.
_ANSWER_ONLY = frozenset({"PolicyARN", "CreationTime", "Alarms"})


@dataclass(frozen=True)
class ScalableTarget:
    """The bounds of a variant's instances, and whether scaling is held back now."""

    resource_id: str
    minimum: int
    maximum: int
    suspended: frozenset[str] = frozenset()


class AutoScalingHook(ServiceHook):
    """Interact with Application Auto Scaling for SageMaker endpoint variants.

    Provide a thin wrapper around
    :external+boto3:py:class:`boto3.client("application-autoscaling") <ApplicationAutoScaling.Client>`; throttled
    calls are retried with backoff.

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = _SERVICE
        super().__init__(*args, **kwargs)

    def scalable_target(self, endpoint_name: str, variant: str) -> ScalableTarget | None:
        """Return the bounds of a variant; ``None`` if it does not scale by itself.

        :param endpoint_name: SageMaker's name of the endpoint.
        :param variant: the production variant.
        """
        resource = variant_resource(endpoint_name, variant)
        with permission_named(_SERVICE, resource):
            answer = self.client.describe_scalable_targets(ResourceIds=[resource], **_VARIANT)
        for target in answer.get("ScalableTargets", ()):
            suspended = target.get("SuspendedState", {})
            return ScalableTarget(
                resource_id=target["ResourceId"],
                minimum=target["MinCapacity"],
                maximum=target["MaxCapacity"],
                suspended=frozenset(name for name, value in suspended.items() if value),
            )
        return None

    def register_target(self, endpoint_name: str, variant: str, minimum: int, maximum: int) -> bool:
        """Let a variant have ``minimum`` to ``maximum`` instances; return ``False`` where it may already.

        Fewer instances than ``minimum`` are raised to it at once, more than ``maximum`` lowered.

        :param endpoint_name: SageMaker's name of the endpoint.
        :param variant: the production variant.
        :param minimum: the fewest instances.
        :param maximum: the most instances.
        """
        current = self.scalable_target(endpoint_name, variant)
        if current is not None and (current.minimum, current.maximum) == (minimum, maximum):
            return False
        resource = variant_resource(endpoint_name, variant)
        with permission_named(_SERVICE, resource):
            self.client.register_scalable_target(
                ResourceId=resource, MinCapacity=minimum, MaxCapacity=maximum, **_VARIANT
            )
        return True

    def deregister_target(self, endpoint_name: str, variant: str) -> bool:
        """Let a variant scale no more, and drop its policies; return ``False`` if it did not.

        :param endpoint_name: SageMaker's name of the endpoint.
        :param variant: the production variant.
        """
        if self.scalable_target(endpoint_name, variant) is None:
            return False
        resource = variant_resource(endpoint_name, variant)
        with permission_named(_SERVICE, resource):
            self.client.deregister_scalable_target(ResourceId=resource, **_VARIANT)
        return True

    def put_target_tracking(
        self, endpoint_name: str, variant: str, policy_name: str, configuration: Mapping[str, Any]
    ) -> str:
        """Create or replace a policy that holds a metric at a value, and return its ARN.

        :param endpoint_name: SageMaker's name of the endpoint.
        :param variant: the production variant, registered already.
        :param policy_name: the policy's name.
        :param configuration: the policy, as PutScalingPolicy's ``TargetTrackingScalingPolicyConfiguration``.
        """
        resource = variant_resource(endpoint_name, variant)
        with permission_named(_SERVICE, resource):
            answer = self.client.put_scaling_policy(
                ResourceId=resource,
                PolicyName=policy_name,
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration=dict(configuration),
                **_VARIANT,
            )
        return str(answer["PolicyARN"])

    def policies(self, endpoint_name: str, variant: str) -> Iterator[dict[str, Any]]:
        """Yield a variant's policies, as PutScalingPolicy takes them.

        :param endpoint_name: SageMaker's name of the endpoint.
        :param variant: the production variant.
        """
        for policy in self._pages("describe_scaling_policies", "ScalingPolicies", endpoint_name, variant):
            yield {name: value for name, value in policy.items() if name not in _ANSWER_ONLY}

    def delete_policy(self, endpoint_name: str, variant: str, policy_name: str) -> bool:
        """Delete a policy with its alarms; return ``False`` if there was none.

        :param endpoint_name: SageMaker's name of the endpoint.
        :param variant: the production variant.
        :param policy_name: the policy's name.
        """
        if all(policy["PolicyName"] != policy_name for policy in self.policies(endpoint_name, variant)):
            return False
        resource = variant_resource(endpoint_name, variant)
        with permission_named(_SERVICE, resource):
            self.client.delete_scaling_policy(ResourceId=resource, PolicyName=policy_name, **_VARIANT)
        return True

    def put_scheduled_action(
        self, endpoint_name: str, variant: str, action_name: str, schedule: str, minimum: int, maximum: int
    ) -> None:
        """Create or replace an action that sets a variant's bounds at a time.

        :param endpoint_name: SageMaker's name of the endpoint.
        :param variant: the production variant, registered already.
        :param action_name: the action's name.
        :param schedule: ``cron(…)``, ``rate(…)`` or ``at(…)``, UTC.
        :param minimum: the fewest instances from then on.
        :param maximum: the most instances from then on.
        """
        resource = variant_resource(endpoint_name, variant)
        with permission_named(_SERVICE, resource):
            self.client.put_scheduled_action(
                ResourceId=resource,
                ScheduledActionName=action_name,
                Schedule=schedule,
                ScalableTargetAction={"MinCapacity": minimum, "MaxCapacity": maximum},
                **_VARIANT,
            )

    def scheduled_actions(self, endpoint_name: str, variant: str) -> Iterator[dict[str, Any]]:
        """Yield a variant's scheduled actions.

        :param endpoint_name: SageMaker's name of the endpoint.
        :param variant: the production variant.
        """
        yield from self._pages("describe_scheduled_actions", "ScheduledActions", endpoint_name, variant)

    def activities(self, endpoint_name: str, variant: str, since: datetime) -> Iterator[dict[str, Any]]:
        """Yield what scaling did to a variant since a moment, newest first: cause, description, status.

        :param endpoint_name: SageMaker's name of the endpoint.
        :param variant: the production variant.
        :param since: the earliest start.
        """
        for activity in self._pages("describe_scaling_activities", "ScalingActivities", endpoint_name, variant):
            if activity["StartTime"] < since:
                return
            yield activity

    def _pages(self, operation: str, key: str, endpoint_name: str, variant: str) -> Iterator[dict[str, Any]]:
        resource = variant_resource(endpoint_name, variant)
        with permission_named(_SERVICE, resource):
            for page in self.client.get_paginator(operation).paginate(ResourceId=resource, **_VARIANT):
                yield from page.get(key, ())


def variant_resource(endpoint_name: str, variant: str) -> str:
    """Return what Application Auto Scaling calls a variant."""
    return f"endpoint/{endpoint_name}/variant/{variant}"


def tracking_invocations(
    invocations_per_instance: float, *, scale_out_cooldown_seconds: int = 300, scale_in_cooldown_seconds: int = 600
) -> dict[str, Any]:
    """Return the configuration of a policy that holds invocations per instance and minute at a value."""
    return {
        "TargetValue": float(invocations_per_instance),
        "PredefinedMetricSpecification": {"PredefinedMetricType": INVOCATIONS_PER_INSTANCE},
        "ScaleOutCooldown": scale_out_cooldown_seconds,
        "ScaleInCooldown": scale_in_cooldown_seconds,
    }
