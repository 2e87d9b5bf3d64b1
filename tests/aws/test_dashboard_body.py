"""Dashboards: model beside infrastructure, in CloudWatch's own limits, for an endpoint and for a thousand."""

import json

from tests.aws.test_alarm_requests import LABELS, QUALITY, endpoint
from watchkeeper.aws.dashboard_body import endpoint_dashboard, fleet_dashboard
from watchkeeper.aws.owner_mark import OwnerMark


def graphs(body):
    return {one["properties"]["title"]: one for one in body["widgets"] if one["type"] == "metric"}


def test_model_and_infrastructure_stand_side_by_side():
    spec = endpoint(monitors={"data_quality": {}, "model_quality": QUALITY}, **LABELS)
    body = endpoint_dashboard(spec, ["arn:alarm"], "bucket/wk", "Watchkeeper", "us-east-1", "eu-west-1")
    found = graphs(body)
    assert {one["x"] for title, one in found.items() if "quality" in title} == {0}
    latency = found["Model latency"]
    assert (latency["x"], latency["properties"]["region"]) == (12, "eu-west-1")
    assert [line[-1]["stat"] for line in latency["properties"]["metrics"]] == ["p50", "p90", "p95", "p99"]
    drift = found["Data quality: WorstDistance"]["properties"]
    assert drift["region"] == "us-east-1"
    assert drift["metrics"][0][:4] == ["Watchkeeper/DataQuality", "WorstDistance", "Endpoint", "flights-delay"]
    assert OwnerMark.read(body["widgets"][0]["properties"]["markdown"]) == OwnerMark("bucket/wk", "flights")


def test_no_two_widgets_overlap():
    spec = endpoint(monitors={"data_quality": {}, "explainability": {}})
    body = endpoint_dashboard(spec, ["arn:alarm"], "bucket/wk", "Watchkeeper", "us-east-1", "us-east-1")
    cells = [
        (x, y)
        for one in body["widgets"]
        for x in range(one["x"], one["x"] + one["width"])
        for y in range(one["y"], one["y"] + one["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_a_fleet_of_a_thousand_stays_within_cloudwatchs_limits():
    specs = [endpoint(registry_id=f"e{number}", endpoint_name=f"e{number}") for number in range(1000)]
    regions = {spec.registry_id: "us-east-1" if number % 2 else "eu-west-1" for number, spec in enumerate(specs)}
    arns = [f"arn:{number}" for number in range(1000)]
    body = fleet_dashboard(specs, regions, ["monitor_hourly"], arns, "bucket/wk", "Watchkeeper", "us-east-1")
    assert len(body["widgets"]) <= 500
    assert max(len(one["properties"]["metrics"]) for one in graphs(body).values()) <= 500
    assert len(next(one for one in body["widgets"] if one["type"] == "alarm")["properties"]["alarms"]) <= 100
    assert sum(len(one["properties"]["metrics"]) for one in body["widgets"] if one["type"] == "metric") <= 2500
    assert len(json.dumps(body)) < 100_000
    cpu = graphs(body)["CPU, eu-west-1: the 20 highest"]["properties"]["metrics"]
    schema = '{"/aws/sagemaker/Endpoints",EndpointName,VariantName}'
    search = f"SEARCH('{schema} MetricName=\"CPUUtilization\"', 'Average', 300)"
    assert cpu == [[{"expression": f"SORT({search}, MAX, DESC, 20)", "id": "worst"}]]


def test_a_small_fleet_has_every_variant_as_a_line():
    specs = [endpoint(registry_id=f"e{number}", endpoint_name=f"e{number}", variants=["a", "b"]) for number in range(3)]
    body = fleet_dashboard(
        specs, {spec.registry_id: "us-east-1" for spec in specs}, ["d"], [], "bucket/wk", "Watchkeeper", "us-east-1"
    )
    lines = graphs(body)["CPU, us-east-1"]["properties"]["metrics"]
    assert [line[-1]["label"] for line in lines] == ["e0 a", "e0 b", "e1 a", "e1 b", "e2 a", "e2 b"]
