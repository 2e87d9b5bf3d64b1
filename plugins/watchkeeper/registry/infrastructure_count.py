"""How many alarms and dashboards an endpoint's file asks for, as CloudWatch bills them. Pure."""

from typing import TYPE_CHECKING

from watchkeeper.registry.alarm_rule import AlarmRule
from watchkeeper.registry.instance_type import gpu_count
from watchkeeper.registry.metric_alarm_spec import MetricAlarmSpec
from watchkeeper.registry.monitor_spec import MONITOR_NAMES, MonitorName

if TYPE_CHECKING:
    from watchkeeper.registry.endpoint_spec import EndpointSpec
    from watchkeeper.registry.infrastructure_spec import InfrastructureSpec

LOOKED_AT: dict[str, tuple[MonitorName, ...]] = {"drift": ("data_quality",), "quality": ("model_quality",)}
"""The monitors whose metrics a condition looks at, where not all; an alarm over several is billed for each."""
_MINUTE = 60


def infrastructure_counts(spec: "EndpointSpec") -> dict[str, float]:
    """Return what AWS shall hold for an endpoint, by the names of ``CostDrivers``; nothing without the section.

    Alarms count by metric, as they are billed. Those of GPUs count where the file names an instance type that has some.
    """
    section = spec.wanted_infrastructure
    if section is None:
        return {}
    counts = dict.fromkeys(("standard_alarms", "high_resolution_alarms", "anomaly_alarms"), 0.0)
    for rule in section.alarm_rules():
        if rule.needs_gpu and not (section.instance_type and gpu_count(section.instance_type)):
            continue
        if rule.anomaly_band is not None:
            kind = "anomaly_alarms"
        else:
            kind = "high_resolution_alarms" if rule.period_seconds < _MINUTE else "standard_alarms"
        # With dimensions of its own it is one for all variants.
        counts[kind] += _metrics(spec, rule) * (1 if rule.dimensions else len(spec.variants))
    counts["composite_alarms"] = float(section.incident.enabled)
    counts["dashboards"] = float(section.dashboard)
    return counts


def critical_only(section: "InfrastructureSpec") -> "InfrastructureSpec":
    """Return the section with every alarm turned off that is not critical; the very same where there is none."""
    lesser = [rule.condition for rule in section.alarm_rules() if rule.severity != "critical"]
    if not lesser:
        return section
    off = {name: section.alarms.get(name, MetricAlarmSpec()).model_copy(update={"enabled": False}) for name in lesser}
    return section.model_copy(update={"alarms": {**section.alarms, **off}})


def _metrics(spec: "EndpointSpec", rule: AlarmRule) -> int:
    if rule.source == "share":
        return 2  # what is divided, and Invocations
    if rule.source == "monitor":
        return sum(bool(spec.periods_of(monitor)) for monitor in LOOKED_AT.get(rule.condition, MONITOR_NAMES))
    return 1
