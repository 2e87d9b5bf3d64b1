"""Clarify's CloudWatch metrics: its names and dimensions, infinities as it sends them, nothing for nothing."""

import json
from datetime import UTC, datetime

from watchkeeper.analysis.clarify_metrics import INFINITE, attribution_points, bias_points

MOMENT = datetime(2026, 11, 20, 6, tzinfo=UTC)
DIMENSIONS = {"Endpoint": "churn", "MonitoringSchedule": "churn-bias-daily"}


def named(point):
    return {entry["Name"]: entry["Value"] for entry in point["Dimensions"]}


def test_bias_metrics_are_named_as_clarify_names_them():
    metrics = [
        {"name": "CI", "description": "…", "value": 0.25},
        {"name": "CDDL", "description": "…", "value": None, "error": "Group variable is empty or not provided"},
        {"name": "TE", "description": "…", "value": "-Infinity"},
    ]
    section = {
        "label": "Target",
        "facets": {"Sex": [{"value_or_threshold": "0", "metrics": metrics}]},
        "label_value_or_threshold": "1",
    }
    document = {"version": "1.0", "pre_training_bias_metrics": section, "post_training_bias_metrics": section}
    points = bias_points(json.dumps(document).encode(), DIMENSIONS, MOMENT)
    assert [point["MetricName"] for point in points] == ["bias_metric_CI", "bias_metric_TE"] * 2
    assert [point["Value"] for point in points[:2]] == [0.25, -INFINITE]
    assert named(points[0]) == {
        **DIMENSIONS,
        "BiasStage": "Pre-training",
        "Label": "Target",
        "LabelValue": "1",
        "Facet": "Sex",
        "FacetValue": "0",
    }
    assert named(points[2])["BiasStage"] == "Post-Training"
    assert points[0]["Timestamp"] == MOMENT


def test_attributions_are_named_as_clarify_names_them():
    values = {"label0": {"global_shap_values": {"Age": 0.0597, "Größe": 0.2}, "expected_value": 0.28}}
    document = {"version": "1.0", "explanations": {"kernel_shap": values}}
    points = attribution_points(json.dumps(document).encode(), DIMENSIONS, MOMENT)
    names = [point["MetricName"] for point in points]
    assert (names[0], names[2]) == ("feature_Age", "ExpectedValue")
    assert names[1].isascii(), "CloudWatch takes no other names"
    assert named(points[0]) == {
        **DIMENSIONS,
        "ExplainabilityMethod": "KernelShap",
        "Label": "label0",
        "ValueType": "GlobalShapValues",
    }
    assert named(points[2])["ValueType"] == "ExpectedValue"
