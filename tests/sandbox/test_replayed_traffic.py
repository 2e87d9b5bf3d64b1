import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.conftest import BEFORE, Replayed
from tests.sandbox_process import ROOT, SandboxProcess

pytestmark = pytest.mark.sandbox

ENDPOINTS = ("flights-delay", "order-quantity")


def captured_lines(
    replayed: Replayed, endpoint: str, hours: Iterable[int] = range(48)
) -> list[tuple[str, dict[str, Any]]]:
    """Return (key, line) of the captures in some hours of the replayed span."""
    s3 = replayed.sandbox.client("s3")
    found = []
    for hour in hours:
        folder = f"capture/{endpoint}/AllTraffic/{replayed.hour(hour).replace('-', '/').replace('T', '/')}/"
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="watchkeeper", Prefix=folder):
            for item in page.get("Contents", []):
                body = s3.get_object(Bucket="watchkeeper", Key=item["Key"])["Body"].read()
                found += [(item["Key"], json.loads(line)) for line in body.splitlines()]
    return found


def invocations(replayed: Replayed, endpoint: str) -> dict[str, float]:
    points = replayed.sandbox.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}],
        StartTime=replayed.start,
        EndTime=replayed.start + timedelta(days=2),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return {point["Timestamp"].astimezone(UTC).strftime("%Y-%m-%dT%H"): point["Sum"] for point in points}


def test_the_span_keeps_its_weekdays(replayed: Replayed) -> None:
    assert replayed.start.weekday() == datetime(2013, 12, 4, tzinfo=UTC).weekday()
    for summary in replayed.replayed["endpoints"].values():
        assert summary["shifted_days"] % 7 == 0


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_captures_lie_in_their_hour_and_metrics_count_every_call(replayed: Replayed, endpoint: str) -> None:
    told = {
        hour[:13]: counts["invocations"] for hour, counts in replayed.replayed["endpoints"][endpoint]["hours"].items()
    }
    assert invocations(replayed, endpoint) == told
    captured: Counter[str] = Counter()
    for key, line in captured_lines(replayed, endpoint):
        at = line["eventMetadata"]["inferenceTime"]
        assert f"/{at[:10].replace('-', '/')}/{at[11:13]}/" in key
        captured[at[:13]] += 1
    lost = replayed.hour(20)
    gaps = {hour: (count, captured[hour]) for hour, count in told.items() if captured[hour] != count}
    assert gaps == ({lost: (63, 21)} if endpoint == "flights-delay" else {})


def test_hours_without_traffic_and_thin_hours_are_where_the_scene_says(replayed: Replayed) -> None:
    minimum = {"flights-delay": 15, "order-quantity": 30}
    for entry in replayed.expected["verdicts"]:
        if entry["period"] != "hourly":
            continue
        hours = replayed.replayed["endpoints"][entry["endpoint"]]["hours"]
        rows = hours.get(entry["start"], {"rows": 0})["rows"]
        kind = "no_traffic" if rows == 0 else "too_few" if rows < minimum[entry["endpoint"]] else "judged"
        expected = entry["verdict"] if entry["verdict"] in {"no_traffic", "too_few"} else "judged"
        assert (entry["start"], kind) == (entry["start"], expected)
    hours = replayed.replayed["endpoints"]["flights-delay"]["hours"]
    assert hours[f"{replayed.hour(4)}:00:00Z"]["rows"] == 5


@pytest.mark.parametrize(("endpoint", "hour"), [("flights-delay", 43), ("order-quantity", 12)])
def test_the_live_endpoint_gives_the_answers_that_were_captured(replayed: Replayed, endpoint: str, hour: int) -> None:
    runtime = replayed.sandbox.client("sagemaker-runtime")
    for _key, line in captured_lines(replayed, endpoint, [hour])[:8]:
        asked, answered = line["captureData"]["endpointInput"], line["captureData"]["endpointOutput"]
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint, ContentType=asked["observedContentType"], Body=asked["data"].encode()
        )
        assert answer["Body"].read().decode() == answered["data"]
        assert answer["ContentType"] == answered["observedContentType"]
        assert answered["encoding"] == asked["encoding"] == ("CSV" if endpoint == "flights-delay" else "JSON")


def test_the_incidents_are_in_their_hours_only(replayed: Replayed) -> None:
    garbled = Counter(
        line["eventMetadata"]["inferenceTime"][:13]
        for _key, line in captured_lines(replayed, "flights-delay")
        if "F" in line["captureData"]["endpointInput"]["data"].split(",")[5]
    )
    assert set(garbled) == {replayed.hour(16), replayed.hour(17)}
    missing = {
        line["eventMetadata"]["inferenceTime"][:13]
        for _key, line in captured_lines(replayed, "order-quantity")
        if "basket_lines" not in line["captureData"]["endpointInput"]["data"]
    }
    assert missing == {replayed.hour(37), replayed.hour(38)}


def test_replaying_or_deploying_again_changes_nothing(replayed: Replayed) -> None:
    before = invocations(replayed, "flights-delay")
    assert replayed.sandbox.run("deploy", "--json") == replayed.deployed
    again = replayed.sandbox.run("replay", "--json", "--before", BEFORE, "--live", "0")
    assert again["already_replayed"] is True
    assert invocations(replayed, "flights-delay") == before


def test_an_endpoint_can_be_deployed_without_capture(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path) as process:
        deployed = process.run("deploy", "--json", "--without-capture", "order-quantity")
        assert [entry["capture"] for entry in deployed["endpoints"]] == [True, False]
        described = process.client("sagemaker").describe_endpoint(EndpointName="order-quantity")
        assert "DataCaptureConfig" not in described  # there is something to enable


def test_endpoint_files_name_the_columns_that_are_sent(replayed: Replayed) -> None:
    s3 = replayed.sandbox.client("s3")
    body = s3.get_object(Bucket="watchkeeper", Key="datasets/flights-delay/baseline.csv")["Body"].read()
    header = body.splitlines()[0].decode().split(",")
    capture = yaml.safe_load((ROOT / "sandbox/endpoints/data_quality/flights-delay.yaml").read_text())["capture"]
    assert capture["output_columns"] + capture["input_columns"] == header  # output columns come first
    (_key, line), *_ = captured_lines(replayed, "flights-delay", [12])
    assert len(line["captureData"]["endpointInput"]["data"].split(",")) == len(capture["input_columns"])


@pytest.mark.parametrize("hours", [0, 1, 24 * 7 - 1])
def test_the_span_ends_within_a_week_and_never_in_the_future(hours: int) -> None:
    from sandbox.traffic.expected_verdicts import span

    now = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(hours=hours)
    start, end = span(now)
    assert end == datetime(2026, 11, 20, tzinfo=UTC)
    assert end - start == timedelta(days=2)
