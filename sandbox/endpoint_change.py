"""A change of an endpoint that takes time: what its status is, and which share of the traffic the new fleet gets.

All of it is worked out from the clock when asked. A blue/green update first makes the new fleet (``settle`` seconds),
then shifts traffic step by step, then ends the old fleet; the waits that were declared are scaled.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class TrafficShift:
    """Steps of (seconds after the new fleet is there, share of the traffic), and when all of it is done."""

    steps: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    done: float = 0.0

    @classmethod
    def of(cls, deployment: dict[str, Any] | None, instances: int, scale: float) -> "TrafficShift":
        """Return the shift of a DeploymentConfig whose waits take ``scale`` times as long as they say."""
        if not deployment:
            return cls()
        if "RollingUpdatePolicy" in deployment:
            message = "RollingUpdatePolicy"
            raise NotImplementedError(message)
        policy = deployment["BlueGreenUpdatePolicy"]
        routing = policy["TrafficRoutingConfiguration"]
        wait = routing["WaitIntervalInSeconds"] * scale
        if routing["Type"] == "CANARY":
            shares = [_share(routing["CanarySize"], instances), 1.0]
        elif routing["Type"] == "LINEAR":
            size = _share(routing["LinearStepSize"], instances)
            count = max(1, round(1 / size + 0.499))
            shares = [min(1.0, size * (place + 1)) for place in range(count)]
        else:
            shares = [1.0]
        done = len(shares) * wait + policy.get("TerminationWaitInSeconds", 0) * scale
        return cls(tuple((place * wait, share) for place, share in enumerate(shares)), done)


def _share(size: dict[str, Any], instances: int) -> float:
    if size["Type"] == "CAPACITY_PERCENT":
        return float(size["Value"]) / 100
    return min(1.0, float(size["Value"]) / max(instances, 1))


@dataclass
class EndpointChange:
    """A change that began at ``began`` (monotonic); ``fail`` turns it into a rollback."""

    kind: str
    config_name: str
    began: float
    started: datetime
    settle: float
    shift: TrafficShift = field(default_factory=TrafficShift)
    retained: tuple[str, ...] = ()
    weights: tuple[dict[str, Any], ...] = ()
    failed: float | None = None
    reason: str | None = None

    def fail(self, now: float, reason: str) -> None:
        """Roll back from now on, because of ``reason``; the first one counts."""
        if self.failed is None:
            self.failed, self.reason = now, reason

    def status(self, now: float) -> str | None:
        """Return the endpoint's status, None if the change is over."""
        if self.failed is not None:
            return "RollingBack" if now < self.failed + self.settle else None
        return self.kind if now < self.began + self.settle + self.shift.done else None

    def share(self, now: float) -> float:
        """Return the share of the traffic that the new fleet gets: none when it is not there or rolled back."""
        if self.kind != "Updating" or self.weights or self.failed is not None:
            return 0.0
        since = now - self.began - self.settle
        return max((share for at, share in self.shift.steps if at <= since), default=0.0)

    def variant_status(self, now: float) -> str:
        """Return what the new fleet's variants are doing."""
        return "Creating" if now < self.began + self.settle else "Baking"
