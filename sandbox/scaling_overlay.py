"""What moto's Application Auto Scaling lacks: it keeps the instance count of a variant between its target's minimum and
maximum, and tells of what it did. Scaling policies are kept, and do nothing.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from moto.applicationautoscaling.models import FakeScalableTarget, applicationautoscaling_backends
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.responses import ActionResult
from moto.sagemaker.models import sagemaker_backends

from sandbox.aws_client import ACCOUNT

DIMENSION = "sagemaker:variant:DesiredInstanceCount"


class VariantScaling:
    """Moves variants into their targets' bounds, one change of an endpoint at a time."""

    def __init__(self) -> None:
        self._activities: list[dict[str, Any]] = []

    def install(self) -> None:
        """Give moto the operation that it lacks. Call once."""
        scaling = self

        def describe_scaling_activities(self: Any) -> ActionResult:
            asked = {name: self._get_param(name) for name in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
            found = [
                {name: part for name, part in activity.items() if name != "region"}
                for activity in reversed(scaling._activities)
                if activity["region"] == self.region
                and all(value in {None, activity[name]} for name, value in asked.items())
            ]
            return ActionResult({"ScalingActivities": found})

        ApplicationAutoScalingResponse.describe_scaling_activities = describe_scaling_activities

    def tick(self) -> None:
        """Start what is due, and finish what has come about."""
        for region, target, variant in _targets():
            backend = sagemaker_backends[ACCOUNT][region]
            name = target.resource_id.split("/")[1]
            if backend.settled(name).endpoint_status != "InService":
                continue
            for activity in self._activities:
                if activity["StatusCode"] == "InProgress" and activity["ResourceId"] == target.resource_id:
                    activity |= {"StatusCode": "Successful", "EndTime": datetime.now(UTC)}
            running = int(variant.get("CurrentInstanceCount", 1))
            wanted = min(max(running, target.min_capacity or 0), target.max_capacity or running)
            if wanted == running:
                continue
            change = {"VariantName": variant["VariantName"], "DesiredInstanceCount": wanted}
            backend.update_endpoint_weights_and_capacities(name, [change])
            side, bound = ("minimum", target.min_capacity) if wanted > running else ("maximum", target.max_capacity)
            self._activities.append(
                {
                    "region": region,
                    "ActivityId": str(uuid.uuid4()),
                    "ServiceNamespace": "sagemaker",
                    "ResourceId": target.resource_id,
                    "ScalableDimension": DIMENSION,
                    "Description": f"Setting desired instance count to {wanted}.",
                    "Cause": f"{side} capacity was set to {bound}",
                    "StartTime": datetime.now(UTC),
                    "StatusCode": "InProgress",
                    "StatusMessage": f"Successfully set desired instance count to {wanted}.",
                }
            )


def _targets() -> Iterator[tuple[str, FakeScalableTarget, dict[str, Any]]]:
    """Yield region, target and running variant of each target whose variant there is."""
    for region in list(applicationautoscaling_backends[ACCOUNT]):
        for target in list(applicationautoscaling_backends[ACCOUNT][region].targets.get(DIMENSION, {}).values()):
            _, endpoint_name, _, variant_name = target.resource_id.split("/")
            endpoint = sagemaker_backends[ACCOUNT][region].endpoints.get(endpoint_name)
            for variant in endpoint.production_variants if endpoint else ():
                if variant["VariantName"] == variant_name:
                    yield region, target, variant
