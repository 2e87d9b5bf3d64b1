"""Traffic of an endpoint, moved from one of its variants to another."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from watchkeeper.aws.service_failure import permission_named
from watchkeeper.errors import EndpointStateError

if TYPE_CHECKING:
    from watchkeeper.aws.endpoint_snapshot import EndpointSnapshot
    from watchkeeper.aws.sagemaker_hook import EndpointHook


def plan_shift(
    endpoint_name: str, snapshot: "EndpointSnapshot", from_variant: str, to_variant: str, share: float
) -> dict[str, float]:
    """Return both variants' weights after ``share`` of the first one's has moved; nothing is changed.

    EndpointStateError when a variant is not there, both are one, or there is nothing to move.
    """
    known = ", ".join(f"{name} ({weight:g})" for name, weight in sorted(snapshot.weights.items())) or "none"
    weight = snapshot.weights.get(from_variant, 0.0)
    if from_variant == to_variant or to_variant not in snapshot.weights or weight * share <= 0:
        raise EndpointStateError(
            endpoint_name,
            f"no traffic can move from variant {from_variant} to {to_variant}; weights: {known}",
            "Correct remediation.shift_weights in its file.",
        )
    moved = weight * share
    return {from_variant: weight - moved, to_variant: snapshot.weights[to_variant] + moved}


def set_weights(hook: "EndpointHook", endpoint_name: str, weights: Mapping[str, float]) -> None:
    """Give variants weights; asked again, it is the same."""
    with permission_named("sagemaker", f"endpoint/{endpoint_name}"):
        hook.client.update_endpoint_weights_and_capacities(
            EndpointName=endpoint_name,
            DesiredWeightsAndCapacities=[
                {"VariantName": name, "DesiredWeight": weight} for name, weight in sorted(weights.items())
            ],
        )
