"""Rolled-up metrics say what single ones said, in as few as the prediction of cost reckons with."""

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.aws.result_samples import HOUR, finding, result
from watchkeeper import api
from watchkeeper.aws.metric_roll_up import rolled_up
from watchkeeper.aws.monitor_metrics import clarify_points, feature_points, model_points, summary_points
from watchkeeper.registry.cost_drivers import SUMMARY_METRICS, own_metric_count
from watchkeeper.registry.endpoint_spec import EndpointSpec
from watchkeeper.registry.model_quality_spec import METRIC_NAMES

COLUMNS = [f"c{number}" for number in range(12)]
FRAME = pd.DataFrame({name: ([1.5, 2.5, 3.0] if index % 2 else ["a", "b", "c"]) for index, name in enumerate(COLUMNS)})


def endpoint(monitors, **cost):
    return EndpointSpec.model_validate(
        {
            "endpoint_name": "flights-delay",
            "owner": "me",
            "capture": {"s3_uri": "s3://bucket/x", "input_columns": COLUMNS},
            "ground_truth": {"s3_uri": "s3://labels/x"},
            "monitors": monitors,
            "cost": cost,
        }
    )


def series(points):
    return {(point["MetricName"], json.dumps(point["Dimensions"], sort_keys=True)) for point in points}


def feature_result(**fields):
    return result(distances={name: index / 10 for index, name in enumerate(COLUMNS)}, **fields)


def test_no_more_metrics_of_features_are_written_than_predicted():
    points = feature_points(feature_result(), api.baseline(FRAME).statistics)
    spec = endpoint({"data_quality": {"publish_feature_metrics": True}})
    # A text has no sums of values, so half of them have two.
    assert len(series(points)) == 12 * 2 + 6 <= own_metric_count(spec, "data_quality")
    few = endpoint({"data_quality": {"publish_feature_metrics": True}}, roll_up_metrics=True)
    rolled = rolled_up(feature_result(), points)
    assert len(series(rolled)) == 3 == own_metric_count(few, "data_quality")


def test_the_worst_and_the_mean_survive():
    judged = feature_result(verdict="violated", findings=(finding("c11"), finding("c3", check="completeness_check")))
    points = rolled_up(judged, feature_points(judged, api.baseline(FRAME).statistics))
    found = {point["MetricName"]: point.get("StatisticValues") or point["Value"] for point in points}
    assert found["feature_baseline_drift"] == pytest.approx(
        {"SampleCount": 12, "Sum": sum(range(12)) / 10, "Minimum": 0.0, "Maximum": 1.1}
    )
    assert found["feature_non_null"]["Minimum"] == 1.0
    assert found["feature_baseline_drift_violated"] == 1.0
    assert all(point["Timestamp"] == HOUR.start for point in points)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_a_statistic_set_holds_what_its_values_held(values):
    judged = result(distances={f"f{index}": value for index, value in enumerate(values)})
    points = rolled_up(judged, feature_points(judged, None))
    (drift,) = [point["StatisticValues"] for point in points if point["MetricName"] == "feature_baseline_drift"]
    assert (drift["Minimum"], drift["Maximum"], drift["SampleCount"]) == (min(values), max(values), len(values))
    assert drift["Sum"] == pytest.approx(sum(values))


def test_nothing_is_made_of_nothing():
    assert rolled_up(result(verdict="no_traffic"), []) == []


def test_bias_keeps_its_metrics_without_the_facets():
    metrics = [{"name": name, "value": 0.1} for name in ("DPPL", "DI")]
    facets = {name: [{"value_or_threshold": "1", "metrics": metrics}] for name in ("sex", "age")}
    body = json.dumps({"post_training_bias_metrics": {"label": "y", "label_value_or_threshold": "1", "facets": facets}})
    judged = result(monitor="bias", period="daily")
    points = clarify_points(judged, body.encode())
    assert len(series(points)) == 4
    rolled = rolled_up(judged, points)
    assert [point["MetricName"] for point in rolled] == ["bias_metric_DI", "bias_metric_DPPL"]
    assert {item["Name"] for point in rolled for item in point["Dimensions"]} == {"Endpoint", "MonitoringSchedule"}
    assert rolled[0]["StatisticValues"]["SampleCount"] == 2


def test_attributions_become_one_metric_and_the_expected_value():
    body = {"explanations": {"kernel_shap": {"label0": {"global_shap_values": dict.fromkeys(COLUMNS, 0.2)}}}}
    body["explanations"]["kernel_shap"]["label0"]["expected_value"] = 0.5
    judged = result(monitor="explainability", period="daily")
    points = clarify_points(judged, json.dumps(body).encode())
    spec = endpoint({"explainability": {"publish_attribution_metrics": True}})
    assert len(series(points)) == 13 == own_metric_count(spec, "explainability")
    few = endpoint({"explainability": {"publish_attribution_metrics": True}}, roll_up_metrics=True)
    rolled = rolled_up(judged, points)
    assert len(series(rolled)) == own_metric_count(few, "explainability") == 2
    assert {point["MetricName"] for point in rolled} == {"feature_attribution", "ExpectedValue"}


def test_metrics_of_a_model_stay_as_they_are_and_are_predicted():
    names = METRIC_NAMES["BinaryClassification"]
    metrics = dict.fromkeys([*names, *(f"{name}_best_constant_classifier" for name in names)], 0.5)
    judged = result(monitor="model_quality", metrics=metrics)
    points = model_points(judged)
    assert rolled_up(judged, points) == points
    quality = {
        "problem_type": "BinaryClassification",
        "inference_attribute": "0",
        "ground_truth_attribute": "y",
        "publish_model_metrics": True,
    }
    spec = endpoint({"model_quality": quality})
    assert len(series(points)) == own_metric_count(spec, "model_quality")


@pytest.mark.parametrize("monitor", sorted(SUMMARY_METRICS))
def test_no_more_summaries_are_written_than_predicted(monitor):
    whole = result(
        monitor=monitor,
        worst_distance=0.1,
        worst_distance_rank=1,
        analysis_seconds=1.0,
        label_coverage=0.9 if monitor in {"model_quality", "bias"} else None,
        metrics={"ndcg": 0.9} if monitor == "explainability" else {},
    )
    assert len(series(summary_points(whole))) <= SUMMARY_METRICS[monitor]
