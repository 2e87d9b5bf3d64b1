"""More instances for an endpoint's variant, up to a ceiling."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from watchkeeper.aws.service_failure import permission_named
from watchkeeper.errors import EndpointStateError

if TYPE_CHECKING:
    from watchkeeper.aws.auto_scaling_hook import AutoScalingHook
    from watchkeeper.aws.endpoint_snapshot import EndpointSnapshot
    from watchkeeper.aws.sagemaker_hook import EndpointHook


@dataclass(frozen=True)
class CapacityTarget:
    """How many instances a variant had and shall have; ``through`` says by what.

    ``maximum`` is application autoscaling's own, which stays.
    """

    variant: str
    before: int
    wanted: int
    through: Literal["autoscaling", "variant"]
    maximum: int


def plan_scale_out(
    scaling: "AutoScalingHook",
    endpoint_name: str,
    snapshot: "EndpointSnapshot",
    variant: str,
    *,
    add_instances: int,
    maximum_instances: int,
) -> CapacityTarget:
    """Return how many instances a variant shall have; nothing is changed.

    Where application autoscaling moves the variant's count, its minimum is raised, within its own maximum: a count
    that is set by hand it would take back.

    Raises
    ------
    EndpointStateError
        when there is no such variant, it has no instances to count (serverless), or has as many as it may.
    """
    before = snapshot.wanted_instances.get(variant, snapshot.instances.get(variant))
    if before is None:
        known = ", ".join(sorted(snapshot.wanted_instances)) or "none"
        raise EndpointStateError(
            endpoint_name,
            f"variant {variant} has no instances to add to; those that have: {known}",
            "Correct remediation.scale_out.variant in its file, or use another action.",
        )
    target = scaling.scalable_target(endpoint_name, variant)
    ceiling = maximum_instances if target is None else min(maximum_instances, target.maximum)
    wanted = min(before + add_instances, ceiling)
    if wanted <= before:
        raise EndpointStateError(
            endpoint_name,
            f"variant {variant} has {before} instances, and may have {ceiling}",
            "Raise remediation.scale_out.maximum_instances (or autoscaling's maximum) if it may have more.",
        )
    if target is None:
        return CapacityTarget(variant, before, wanted, "variant", maximum_instances)
    return CapacityTarget(variant, before, wanted, "autoscaling", target.maximum)


def scale_out(hook: "EndpointHook", scaling: "AutoScalingHook", endpoint_name: str, target: CapacityTarget) -> None:
    """Give a variant the instances that were planned; asked again, it is the same."""
    if target.through == "autoscaling":
        scaling.register_target(endpoint_name, target.variant, target.wanted, target.maximum)
        return
    with permission_named("sagemaker", f"endpoint/{endpoint_name}"):
        hook.client.update_endpoint_weights_and_capacities(
            EndpointName=endpoint_name,
            DesiredWeightsAndCapacities=[{"VariantName": target.variant, "DesiredInstanceCount": target.wanted}],
        )
