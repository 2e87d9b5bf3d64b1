"""The metrics SageMaker publishes about an endpoint, by endpoint and variant: ``AWS/SageMaker`` of its invocations,
``/aws/sagemaker/Endpoints`` of its instances.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.service_load import ServiceLoad

NAMESPACE = "AWS/SageMaker"
INSTANCES = "/aws/sagemaker/Endpoints"
MINUTE = 60
_DISK_PERCENT = 12.0
_BATCH = 1000  # PutMetricData's limit
_VALUES = 20  # kept of a period's latencies: enough for p99 to be near, few enough to be read fast

PutMetricData = Callable[[str, list[dict[str, Any]]], None]
VariantKey = tuple[str, str]
"""Endpoint and variant."""


@dataclass
class _Period:
    invocations: int = 0
    client_errors: int = 0
    server_errors: int = 0
    model_errors: int = 0
    latencies: list[float] = field(default_factory=list)
    overheads: list[float] = field(default_factory=list)
    load: ServiceLoad | None = None


@dataclass
class InvocationMetrics:
    """Counts invocations by period until they are put. Not thread-safe: the caller serialises."""

    put_metric_data: PutMetricData
    period_seconds: int = MINUTE
    """SageMaker's is a minute; the live endpoints' are shorter, so that nobody waits for the clock."""
    _periods: dict[tuple[str, str, int], _Period] = field(default_factory=lambda: defaultdict(_Period))

    def count(
        self,
        endpoint: str,
        variant: str,
        at: datetime,
        *,
        status: int,
        by_model: bool,
        load: ServiceLoad,
        latency_us: float | None,
        overhead_us: float,
    ) -> None:
        """Count one invocation by the ``status`` of its container, or of SageMaker if not ``by_model``."""
        period = self._periods[endpoint, variant, self._start(at)]
        period.invocations += 1
        period.client_errors += 400 <= status < 500
        period.server_errors += status >= 500
        period.model_errors += by_model and status != 200
        period.load = load
        period.overheads.append(overhead_us)
        if latency_us is not None:
            period.latencies.append(latency_us)

    def idle(self, key: VariantKey, at: datetime) -> None:
        """Note that a variant is in service in the period of ``at``, whether it is called or not."""
        self._periods[(*key, self._start(at))].load = self._periods[(*key, self._start(at))].load or ServiceLoad(
            0, 0, 0
        )

    def flush(self, before: datetime | None = None) -> int:
        """Put the periods that are over ``before`` a moment, or all; return the number of data points."""
        by_namespace: dict[str, list[dict[str, Any]]] = {NAMESPACE: [], INSTANCES: []}
        limit = None if before is None else self._start(before)
        for key in [key for key in self._periods if limit is None or key[2] < limit]:
            endpoint, variant, start = key
            period = self._periods.pop(key)
            common = {
                "Timestamp": datetime.fromtimestamp(start, UTC),
                "Dimensions": [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}],
            }
            by_namespace[NAMESPACE] += [{**common, **datum} for datum in _invocation_data(period)]
            by_namespace[INSTANCES] += [{**common, **datum} for datum in _instance_data(period)]
        for namespace, data in by_namespace.items():
            for first in range(0, len(data), _BATCH):
                self.put_metric_data(namespace, data[first : first + _BATCH])
        return sum(map(len, by_namespace.values()))

    def _start(self, at: datetime) -> int:
        return int(at.timestamp()) // self.period_seconds * self.period_seconds


def _invocation_data(period: _Period) -> list[dict[str, Any]]:
    if not period.invocations:  # as SageMaker, which publishes nothing of an endpoint that nobody calls
        return []
    counts = (
        ("Invocations", period.invocations),
        ("Invocation4XXErrors", period.client_errors),
        ("Invocation5XXErrors", period.server_errors),
        ("InvocationModelErrors", period.model_errors),
    )
    data: list[dict[str, Any]] = [
        {"MetricName": name, "Value": float(count), "Unit": "Count"} for name, count in counts
    ]
    for name, values in (("ModelLatency", period.latencies), ("OverheadLatency", period.overheads)):
        if values:
            data.append({"MetricName": name, "Unit": "Microseconds", **_condensed(values)})
    return data


def _instance_data(period: _Period) -> list[dict[str, Any]]:
    load = period.load or ServiceLoad(0, 0, 0)
    shares = (
        ("CPUUtilization", load.cpu_percent),
        ("MemoryUtilization", load.memory_percent),
        ("DiskUtilization", _DISK_PERCENT),
    )
    return [{"MetricName": name, "Value": round(value, 3), "Unit": "Percent"} for name, value in shares]


def _condensed(values: Sequence[float]) -> dict[str, list[float]]:
    """Return Values and Counts of the values' ranks, the smallest and the largest among them."""
    ordered = sorted(values)
    if len(ordered) > _VALUES:
        step = (len(ordered) - 1) / (_VALUES - 1)
        places = [round(place * step) for place in range(_VALUES)]
        counts = [float(high - low) for low, high in zip([-1, *places], places, strict=False)]
        ordered = [ordered[place] for place in places]
    else:
        counts = [1.0] * len(ordered)
    return {"Values": [round(value, 1) for value in ordered], "Counts": counts}
