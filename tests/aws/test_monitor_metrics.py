import json
from datetime import timedelta

import pytest

from tests.aws.result_samples import HOUR, result
from watchkeeper.aws.monitor_metrics import (
    feature_points,
    heartbeat_point,
    is_too_old,
    run_namespace,
    summary_namespace,
    summary_points,
)

STATISTICS = json.dumps(
    {
        "dataset": {"item_count": 10},
        "features": [
            {
                "name": "delay",
                "inferred_type": "Fractional",
                "numerical_statistics": {
                    "common": {"num_present": 8, "num_missing": 2},
                    "sum": 40.0,
                    "min": -1.0,
                    "max": 9.5,
                },
            },
            {
                "name": "größe",
                "inferred_type": "String",
                "string_statistics": {"common": {"num_present": 10, "num_missing": 0}},
            },
        ],
    }
).encode()


def by_name(points):
    return {point["MetricName"]: point for point in points}


def test_the_summary_of_a_judged_window():
    points = by_name(
        summary_points(
            result(
                violated_count=2, verdict="violated", worst_distance=0.4, worst_distance_rank=3, analysis_seconds=0.2
            )
        )
    )
    values = {name: point["Value"] for name, point in points.items()}
    assert values == {
        "RowCount": 120.0,
        "ViolationCount": 2.0,
        "WorstDistance": 0.4,
        "WorstDistanceFeatureRank": 3.0,
        "AnalysisTime": 0.2,
    }
    point = points["RowCount"]
    assert point["Timestamp"] == HOUR.start
    assert {item["Name"]: item["Value"] for item in point["Dimensions"]} == {
        "Endpoint": "flights-delay",
        "Variant": "AllTraffic",
        "MonitoringSchedule": "flights-data_quality-hourly",
    }


def test_what_was_not_judged_is_no_zero():
    names = set(by_name(summary_points(result(verdict="too_few", row_count=5))))
    assert names == {"RowCount"}
    assert summary_points(result(verdict="failed", row_count=None)) == []


def test_per_feature_metrics_are_model_monitors():
    points = by_name(feature_points(result(distances={"delay": 0.31, "odd": float("nan")}), STATISTICS))
    data = points["feature_data_delay"]
    assert data["StatisticValues"] == {"SampleCount": 8.0, "Sum": 40.0, "Minimum": -1.0, "Maximum": 9.5}
    assert points["feature_non_null_delay"]["Value"] == pytest.approx(0.8)
    assert points["feature_baseline_drift_delay"]["Value"] == pytest.approx(0.31)
    assert [item["Name"] for item in data["Dimensions"]] == ["Endpoint", "MonitoringSchedule"]
    assert not any("odd" in name for name in points)
    assert all(name.isascii() for name in points)
    assert any(name.startswith("feature_non_null_gro") for name in points)


def test_without_statistics_there_are_only_distances():
    assert set(by_name(feature_points(result(distances={"delay": 0.1}), None))) == {"feature_baseline_drift_delay"}


def test_namespaces_start_with_what_the_settings_say():
    assert summary_namespace("Watchkeeper", "data_quality") == "Watchkeeper/DataQuality"
    assert run_namespace("Team/ML") == "Team/ML/Runs"


def test_a_heartbeat_names_its_dag():
    point = heartbeat_point("monitor_hourly", HOUR.end)
    assert (point["Value"], point["Dimensions"]) == (1.0, [{"Name": "Dag", "Value": "monitor_hourly"}])


def test_two_weeks_are_too_old():
    assert not is_too_old(result(), HOUR.start + timedelta(days=13, hours=23))
    assert is_too_old(result(), HOUR.start + timedelta(days=14))
