"""How traffic moves to a new model: SageMaker's deployment guardrails, as an endpoint's file asks for them."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchkeeper.registry.deployment_spec import DeploymentSpec

#: SageMaker's limits for an update, in seconds; making the new fleet counts.
LONGEST_UPDATE, SHORTEST_UPDATE = 28_800, 600
_FLEET_SECONDS = 3600


@dataclass(frozen=True)
class Rollout:
    """A way from the old model to the new one. ``weights`` goes by a second variant, all others blue/green."""

    strategy: str = "all_at_once"
    canary_percentage: int = 10
    step_percentage: int = 25
    step_minutes: int = 10
    termination_wait_seconds: int = 300
    alarms: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: "DeploymentSpec") -> "Rollout":
        """Return what an endpoint's file asks for."""
        return cls(
            spec.strategy,
            spec.canary_percentage,
            spec.step_percentage,
            spec.step_minutes,
            spec.termination_wait_seconds,
            spec.alarms,
        )

    @property
    def shares(self) -> tuple[float, ...]:
        """The new model's share of the traffic after each step; the last is 1."""
        if self.strategy == "canary":
            return (self.canary_percentage / 100, 1.0)
        if self.strategy == "all_at_once":
            return (1.0,)
        count = math.ceil(100 / self.step_percentage)
        return tuple(min(1.0, (place + 1) * self.step_percentage / 100) for place in range(count))

    @property
    def watch_seconds(self) -> int:
        """How long each step is watched."""
        return self.step_minutes * 60

    @property
    def expected_seconds(self) -> int:
        """How long the update may take, with the time to make the new fleet."""
        steps = 0 if self.strategy == "all_at_once" else len(self.shares) * self.watch_seconds
        return steps + self.termination_wait_seconds + _FLEET_SECONDS

    def as_request(self) -> dict[str, Any]:
        """Return the DeploymentConfig of UpdateEndpoint."""
        routing: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
        if self.strategy == "canary":
            routing = {
                "Type": "CANARY",
                "WaitIntervalInSeconds": self.watch_seconds,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": self.canary_percentage},
            }
        if self.strategy == "linear":
            routing = {
                "Type": "LINEAR",
                "WaitIntervalInSeconds": self.watch_seconds,
                "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": self.step_percentage},
            }
        request: dict[str, Any] = {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": routing,
                "TerminationWaitInSeconds": self.termination_wait_seconds,
                "MaximumExecutionTimeoutInSeconds": min(LONGEST_UPDATE, max(SHORTEST_UPDATE, self.expected_seconds)),
            }
        }
        if self.alarms:
            request["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in self.alarms]}
        return request
