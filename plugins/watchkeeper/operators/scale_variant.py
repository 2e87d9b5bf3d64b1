"""Lets an endpoint's variant scale: its bounds, and what moves the number of its instances."""

from typing import TYPE_CHECKING, Any

from watchkeeper.aws.auto_scaling_hook import AutoScalingHook
from watchkeeper.operators.monitor_base import failing_at_once
from watchkeeper.operators.service_base import ServiceOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class ApplicationAutoScalingRegisterVariantOperator(ServiceOperator):
    """Let an endpoint's variant have ``minimum`` to ``maximum`` instances; nothing is done where it may already.

    .. seealso::
        :external+boto3:py:meth:`ApplicationAutoScaling.Client.register_scalable_target`

    :param endpoint_name: SageMaker's name of the endpoint. (templated)
    :param variant: The production variant. (templated)
    :param minimum: The fewest instances.
    :param maximum: The most instances.
    """

    template_fields: "Sequence[str]" = (*ServiceOperator.template_fields, "endpoint_name", "variant")

    def __init__(
        self, *, endpoint_name: str, minimum: int, maximum: int, variant: str = "AllTraffic", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint_name = endpoint_name
        self.variant = variant
        self.minimum = minimum
        self.maximum = maximum

    def execute(self, context: "Context") -> bool:  # noqa: ARG002
        """Return whether anything was changed."""
        with failing_at_once():
            hook = self.access.open(AutoScalingHook)
            return hook.register_target(self.endpoint_name, self.variant, self.minimum, self.maximum)


class ApplicationAutoScalingPutPolicyOperator(ServiceOperator):
    """Create or replace a target tracking policy of a variant that is registered already.

    .. seealso::
        :external+boto3:py:meth:`ApplicationAutoScaling.Client.put_scaling_policy`

    :param endpoint_name: SageMaker's name of the endpoint. (templated)
    :param variant: The production variant. (templated)
    :param policy_name: The policy's name. (templated)
    :param configuration: The policy, as ``TargetTrackingScalingPolicyConfiguration``: the metric, its value, the
        cooldowns. (templated)
    """

    template_fields: "Sequence[str]" = (
        *ServiceOperator.template_fields,
        "endpoint_name",
        "variant",
        "policy_name",
        "configuration",
    )

    def __init__(
        self,
        *,
        endpoint_name: str,
        policy_name: str,
        configuration: dict[str, Any],
        variant: str = "AllTraffic",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint_name = endpoint_name
        self.variant = variant
        self.policy_name = policy_name
        self.configuration = configuration

    def execute(self, context: "Context") -> str:  # noqa: ARG002
        """Return the policy's ARN."""
        with failing_at_once():
            hook = self.access.open(AutoScalingHook)
            return hook.put_target_tracking(self.endpoint_name, self.variant, self.policy_name, self.configuration)
