"""What load does to a model's instances: a simple, documented queueing law (M/M/1/K per instance).

Requests are spread evenly over the instances. Each instance answers one at a time, ``SANDBOX_SERVICE_MS`` on average,
lets ``PLACES`` requests wait, and refuses the rest (503). With utilisation r = arrivals x service time / instances,
the share refused is (1 - r) r^K / (1 - r^(K+1)), and the mean time in the instance follows from Little's law. Below
capacity nearly nothing waits; above it latency grows to K service times and 1 - 1/r of the requests are refused.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

PLACES = 50
VCPUS = 2
"""Of an instance, whatever its type: CPUUtilization goes up to 100 for each."""


@dataclass(frozen=True)
class ServiceProfile:
    """How a deployed model behaves, as its container's environment says: nobody but the sandbox reads it."""

    service_ms: float = 5.0
    fault_share: float = 0.0
    """Share of the invocations that the container answers with 500."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "ServiceProfile":
        """Read ``SANDBOX_SERVICE_MS`` and ``SANDBOX_FAULT_SHARE``."""
        return cls(
            float(environment.get("SANDBOX_SERVICE_MS", cls.service_ms)),
            float(environment.get("SANDBOX_FAULT_SHARE", cls.fault_share)),
        )


@dataclass(frozen=True)
class ServiceLoad:
    """The state of a variant's instances under some load."""

    utilisation: float
    """Offered load by capacity; above one the instances cannot keep up."""
    refused_share: float
    waiting_ms: float
    """Mean time before the model begins; its own time comes on top."""

    @classmethod
    def of(cls, profile: ServiceProfile, arrivals_per_second: float, instances: int) -> "ServiceLoad":
        """Return the steady state."""
        r = arrivals_per_second * profile.service_ms / 1000 / max(instances, 1)
        if r <= 0:
            return cls(0.0, 0.0, 0.0)
        if math.isclose(r, 1.0, rel_tol=1e-6):
            refused, inside = 1 / (PLACES + 1), PLACES / 2
        elif r > 1:  # the same formulas, written with 1/r so that nothing overflows
            s = 1 / r
            refused = (1 - s) / (1 - s ** (PLACES + 1))
            inside = PLACES - s / (1 - s) + (PLACES + 1) * s ** (PLACES + 1) / (1 - s ** (PLACES + 1))
        else:
            refused = (1 - r) * r**PLACES / (1 - r ** (PLACES + 1))
            inside = r / (1 - r) - (PLACES + 1) * r ** (PLACES + 1) / (1 - r ** (PLACES + 1))
        answered = r * (1 - refused)
        return cls(r, refused, max(0.0, inside / answered - 1) * profile.service_ms)

    @property
    def cpu_percent(self) -> float:
        """CPUUtilization: the sum over the instance's vCPUs, as SageMaker tells it."""
        return VCPUS * (2 + 95 * min(1.0, self.utilisation))

    @property
    def memory_percent(self) -> float:
        """MemoryUtilization: the model, and what waits."""
        return 30 + 40 * min(1.0, self.utilisation / 2)

    def latency_us(self, profile: ServiceProfile, source: random.Random) -> float:
        """Draw one ModelLatency in microseconds: the model's own time, and the wait before it."""
        waited = source.expovariate(1 / self.waiting_ms) if self.waiting_ms else 0.0
        return 1000 * (source.gammavariate(8, profile.service_ms / 8) + min(waited, PLACES * profile.service_ms))


def overhead_us(load: ServiceLoad, source: random.Random) -> float:
    """Draw one OverheadLatency in microseconds: what SageMaker adds, a little more when instances are busy."""
    return 1000 * source.gammavariate(4, 0.75) * (1 + min(1.0, load.utilisation))
