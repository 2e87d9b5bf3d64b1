"""A monitor's own metrics rolled up over all features: few custom metrics in place of some for each.

A rolled-up metric is a statistic set over the features: its Maximum or Minimum is the worst, its Average the mean and
its SampleCount how many there were. So one metric says what two or three would.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from watchkeeper.aws.window_result import WindowResult

#: What the names of one kind of metric begin with, and what they become; others keep their names.
_FAMILIES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "data_quality": (("feature_baseline_drift_", "feature_baseline_drift"), ("feature_non_null_", "feature_non_null")),
    "explainability": (("feature_", "feature_attribution"),),
}
#: Sums of values of different features say nothing.
_LEFT_OUT = {"data_quality": "feature_data_"}
_KEPT_DIMENSIONS = ("Endpoint", "MonitoringSchedule")
DRIFTED = "feature_baseline_drift_violated"
_DRIFT_CHECK = "baseline_drift_check"


def rolled_up(result: WindowResult, points: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the points of a window rolled up by kind, with dimensions Endpoint and MonitoringSchedule.

    Of data quality also how many features have drifted too far. Metrics of a model have no features, and stay.
    """
    given = [dict(point) for point in points]
    if result.monitor == "model_quality" or not given:
        return given
    kinds: dict[str, list[float]] = {}
    for point in given:
        name = _family(result.monitor, point["MetricName"])
        if name is not None:
            kinds.setdefault(name, []).append(float(point["Value"]))
    common = {
        "Dimensions": [item for item in given[0]["Dimensions"] if item["Name"] in _KEPT_DIMENSIONS],
        "Timestamp": given[0]["Timestamp"],
    }
    rolled = [{"MetricName": name, **common, "StatisticValues": _summary(kinds[name])} for name in sorted(kinds)]
    if result.monitor == "data_quality" and result.verdict in {"ok", "violated"}:
        drifted = sum(one.check == _DRIFT_CHECK and one.outcome == "violated" for one in result.findings)
        rolled.append({"MetricName": DRIFTED, **common, "Value": float(drifted), "Unit": "Count"})
    return rolled


def _family(monitor: str, name: str) -> str | None:
    left_out = _LEFT_OUT.get(monitor)
    if left_out is not None and name.startswith(left_out):
        return None
    return next((family for start, family in _FAMILIES.get(monitor, ()) if name.startswith(start)), name)


def _summary(values: list[float]) -> dict[str, float]:
    return {
        "SampleCount": float(len(values)),
        "Sum": sum(values),
        "Minimum": min(values),
        "Maximum": max(values),
    }
