"""The metrics SageMaker publishes about an endpoint: ``AWS/SageMaker``, by endpoint and variant, per minute."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

NAMESPACE = "AWS/SageMaker"
_BATCH = 1000  # PutMetricData's limit

PutMetricData = Callable[[str, list[dict[str, Any]]], None]


@dataclass
class _Minute:
    invocations: int = 0
    client_errors: int = 0
    model_errors: int = 0
    latencies: list[float] = field(default_factory=list)


@dataclass
class InvocationMetrics:
    """Counts invocations by minute until they are put. Not thread-safe: the caller serialises."""

    put_metric_data: PutMetricData
    _minutes: dict[tuple[str, str, datetime], _Minute] = field(default_factory=lambda: defaultdict(_Minute))

    def count(self, endpoint: str, variant: str, at: datetime, *, status: int, latency_us: float | None) -> None:
        """Count one invocation; ``status`` is what the caller got, ``latency_us`` the model's time in microseconds."""
        minute = self._minutes[endpoint, variant, at.replace(second=0, microsecond=0)]
        minute.invocations += 1
        minute.client_errors += 400 <= status < 500
        minute.model_errors += status == 424
        if latency_us is not None:
            minute.latencies.append(latency_us)

    def flush(self) -> int:
        """Put all that was counted and return the number of data points."""
        data: list[dict[str, Any]] = []
        for (endpoint, variant, at), minute in self._minutes.items():
            common = {
                "Timestamp": at,
                "Dimensions": [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}],
            }
            counts = (
                ("Invocations", minute.invocations),
                ("Invocation4XXErrors", minute.client_errors),
                ("InvocationModelErrors", minute.model_errors),
            )
            data += [{**common, "MetricName": name, "Value": float(n), "Unit": "Count"} for name, n in counts]
            if minute.latencies:
                summary = {
                    "SampleCount": float(len(minute.latencies)),
                    "Sum": sum(minute.latencies),
                    "Minimum": min(minute.latencies),
                    "Maximum": max(minute.latencies),
                }
                latency = {"MetricName": "ModelLatency", "StatisticValues": summary, "Unit": "Microseconds"}
                data.append({**common, **latency})
        for start in range(0, len(data), _BATCH):
            self.put_metric_data(NAMESPACE, data[start : start + _BATCH])
        self._minutes.clear()
        return len(data)
