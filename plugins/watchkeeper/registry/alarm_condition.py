"""The conditions that alarms are made for, by their standard names, with cheap and quiet defaults."""

from dataclasses import dataclass
from typing import Literal

from watchkeeper.registry.alert_spec import AlertSeverity

ThresholdUnit = Literal["percent", "milliseconds", "count", "distance", "value"]
MissingData = Literal["missing", "breaching", "not_breaching", "ignore"]
Comparison = Literal["above", "below"]
Paging = Literal["incident", "itself", "nobody"]
MetricSource = Literal["instance", "endpoint", "share", "monitor", "own"]
"""Whose metric it is: an instance's utilization, an endpoint's own, a share of its invocations, a monitor's verdicts,
or any metric that a file names."""

INSTANCE_NAMESPACE = "/aws/sagemaker/Endpoints"
ENDPOINT_NAMESPACE = "AWS/SageMaker"
INSTANCE_METRICS = (
    "CPUUtilization",
    "GPUUtilization",
    "MemoryUtilization",
    "GPUMemoryUtilization",
    "DiskUtilization",
)
"""Published per variant under ``/aws/sagemaker/Endpoints``; CPU and both of GPUs are summed over cores and GPUs."""
MICROSECOND_METRICS = ("ModelLatency", "OverheadLatency", "ModelSetupTime")
"""Published in microseconds under ``AWS/SageMaker``."""


@dataclass(frozen=True)
class AlarmCondition:
    """One standard alarm: what it watches and what it does where a file says nothing.

    ``metric`` is AWS's or a monitor's name; of a share it is what is divided by ``Invocations``.
    """

    name: str
    says: str
    source: MetricSource
    metric: str
    statistic: str
    unit: ThresholdUnit
    threshold: float
    period_seconds: int = 60
    evaluation_periods: int = 5
    datapoints_to_alarm: int = 5
    missing_data: MissingData = "missing"
    comparison: Comparison = "above"
    page: Paging = "incident"
    severity: AlertSeverity = "warning"
    minimum_invocations: int = 0
    standard: bool = True


SILENCE = "invocations_missing"
INCIDENT = "incident"
HEARTBEAT = "heartbeat"


def _share(name: str, says: str, metric: str, threshold: float, severity: AlertSeverity) -> AlarmCondition:
    return AlarmCondition(
        name,
        says,
        "share",
        metric,
        "Sum",
        "percent",
        threshold,
        datapoints_to_alarm=3,
        missing_data="not_breaching",
        severity=severity,
        minimum_invocations=20,
    )


def _latency(name: str, says: str, metric: str, statistic: str, threshold: float) -> AlarmCondition:
    # No latency is no traffic, which is invocations_missing's matter.
    return AlarmCondition(
        name, says, "endpoint", metric, statistic, "milliseconds", threshold, missing_data="not_breaching"
    )


def _verdicts(name: str, says: str, metric: str, unit: ThresholdUnit, threshold: float) -> AlarmCondition:
    # Points come with a window's start, an hour or a day late; until the next the last verdict holds. Nobody is
    # paged: the monitor's own alert has told already, and says more.
    return AlarmCondition(
        name,
        says,
        "monitor",
        metric,
        "Maximum",
        unit,
        threshold,
        period_seconds=3600,
        evaluation_periods=3,
        datapoints_to_alarm=1,
        missing_data="ignore",
        page="nobody",
    )


_ALL = (
    AlarmCondition("cpu_utilization", "CPU in use", "instance", "CPUUtilization", "Average", "percent", 90),
    AlarmCondition("gpu_utilization", "GPU in use", "instance", "GPUUtilization", "Average", "percent", 95),
    AlarmCondition("memory_utilization", "memory in use", "instance", "MemoryUtilization", "Average", "percent", 90),
    AlarmCondition(
        "gpu_memory_utilization", "GPU memory in use", "instance", "GPUMemoryUtilization", "Average", "percent", 95
    ),
    # Data capture pauses beyond three quarters.
    AlarmCondition("disk_utilization", "disk in use", "instance", "DiskUtilization", "Maximum", "percent", 75),
    AlarmCondition(
        SILENCE,
        "invocations",
        "endpoint",
        "Invocations",
        "Sum",
        "count",
        1,
        period_seconds=3600,
        evaluation_periods=24,
        datapoints_to_alarm=24,
        # SageMaker publishes nothing where nobody calls.
        missing_data="breaching",
        comparison="below",
    ),
    _share("server_errors", "share of invocations answered with 5xx", "Invocation5XXErrors", 5, "critical"),
    _share("client_errors", "share of invocations answered with 4xx", "Invocation4XXErrors", 10, "warning"),
    _share("model_errors", "share of invocations that the model failed", "InvocationModelErrors", 5, "critical"),
    _latency("model_latency_p95", "p95 of the model's latency", "ModelLatency", "p95", 5000),
    _latency("model_latency_p99", "p99 of the model's latency", "ModelLatency", "p99", 10000),
    _latency("overhead_latency_p95", "p95 of SageMaker's overhead", "OverheadLatency", "p95", 1000),
    AlarmCondition(
        "concurrency",
        "requests at once in the model",
        "endpoint",
        "ConcurrentRequestsPerModel",
        "Maximum",
        "count",
        10,
        missing_data="not_breaching",
        standard=False,
    ),
    _verdicts("violations", "violations of all monitors in a window", "ViolationCount", "count", 1),
    _verdicts("drift", "worst distance of a feature from the baseline", "WorstDistance", "distance", 0.1),
    _verdicts("quality", "violations of the model's quality", "ViolationCount", "count", 1),
)

ALARM_CONDITIONS = {condition.name: condition for condition in _ALL}
"""Every condition with a standard name that an endpoint's alarm may have."""
GPU_CONDITIONS = ("gpu_utilization", "gpu_memory_utilization")
"""Made only where the instance has a GPU, or a file asks for them."""
MONITOR_CONDITIONS = ("violations", "drift", "quality")
DAILY = "_daily"
"""Put after a monitor's condition where other monitors of the endpoint judge days only."""
