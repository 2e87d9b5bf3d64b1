"""SageMaker Clarify's CloudWatch metrics, from a window's ``analysis.json``.

Names, namespaces and dimensions are those of "CloudWatch Metrics for Bias Drift Analysis" and "… for Feature Drift
Analysis" in the SageMaker developer guide, so that existing dashboards and alarms go on.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from watchkeeper.analysis.metric_name import dimension_value, metric_name

#: What Clarify sends for an infinity: CloudWatch takes none.
INFINITE = 2.348543e108
_STAGES = {"pre_training_bias_metrics": "Pre-training", "post_training_bias_metrics": "Post-Training"}


def bias_points(analysis: bytes, dimensions: Mapping[str, str], moment: datetime) -> list[dict[str, Any]]:
    """Return ``bias_metric_{name}`` of each facet value; what has no value is left out."""
    document = msgspec.json.decode(analysis)
    return [
        _point(f"bias_metric_{metric['name']}", value, {**dimensions, **place}, moment)
        for key, stage in _STAGES.items()
        for place, metric in _bias_metrics(document.get(key) or {}, stage)
        if (value := _number(metric.get("value"))) is not None
    ]


def attribution_points(analysis: bytes, dimensions: Mapping[str, str], moment: datetime) -> list[dict[str, Any]]:
    """Return ``feature_{name}`` and ``ExpectedValue`` of each label."""
    labels = msgspec.json.decode(analysis)["explanations"]["kernel_shap"]
    points = []
    for label, found in labels.items():
        common = {**dimensions, "ExplainabilityMethod": "KernelShap", "Label": label}
        values = [(f"feature_{name}", value, "GlobalShapValues") for name, value in found["global_shap_values"].items()]
        values.append(("ExpectedValue", found.get("expected_value"), "ExpectedValue"))
        points += [
            _point(name, number, {**common, "ValueType": kind}, moment)
            for name, value, kind in values
            if (number := _number(value)) is not None
        ]
    return points


def _bias_metrics(section: Mapping[str, Any], stage: str) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    label = {"Label": str(section.get("label", "")), "LabelValue": str(section.get("label_value_or_threshold", ""))}
    for facet, groups in (section.get("facets") or {}).items():
        for group in groups:
            place = {"BiasStage": stage, **label, "Facet": facet, "FacetValue": str(group["value_or_threshold"])}
            for metric in group["metrics"]:
                yield place, metric


def _number(value: object) -> float | None:
    """Return what CloudWatch takes of a metric's value; ``None`` for none."""
    if isinstance(value, str):
        return -INFINITE if value.startswith("-") else INFINITE
    if not isinstance(value, int | float) or math.isnan(value):
        return None
    return min(max(float(value), -INFINITE), INFINITE)


def _point(name: str, value: float, dimensions: Mapping[str, str], moment: datetime) -> dict[str, Any]:
    given = [{"Name": key, "Value": dimension_value(text)} for key, text in dimensions.items() if text]
    return {"MetricName": metric_name(name), "Dimensions": given, "Timestamp": moment, "Value": value}
