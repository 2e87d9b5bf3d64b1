"""The analysis task: what it does about failures, retries, changes of the endpoint, and several variants."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import pandas as pd
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from tests.operators.conftest import BUCKET, REGION, context
from watchkeeper import api
from watchkeeper.aws.baseline_store import BaselineManifest
from watchkeeper.operators.analyze_window import AnalyzeWindowOperator, failure_reason
from watchkeeper.registry.capture_window import HOUR, Window

NOW = Window.hour_of(datetime.now(UTC) - HOUR)


def baseline(place, name="flights"):
    frame = pd.DataFrame({"p": [0.1, 0.2, 0.3, 0.4] * 25, "x": range(100), "y": ["a", "b"] * 50})
    made = api.baseline(frame)
    manifest = BaselineManifest(
        endpoint=name, monitor="data_quality", source="test", row_count=100, code_version="1", dialect="exact"
    )
    documents = {"statistics.json": made.statistics, "constraints.json": made.constraints}
    place.deployment.baselines.publish(manifest, documents, datetime.now(UTC) - timedelta(days=9))


def capture(place, window=NOW, *, variant="AllTraffic", rows=40, name="flights"):
    lines = []
    for number in range(rows):
        record = {
            "captureData": {
                "endpointInput": {
                    "mode": "INPUT",
                    "data": f"{number * 100 // rows},{'ab'[number % 2]}",
                    "encoding": "CSV",
                },
                "endpointOutput": {"mode": "OUTPUT", "data": f"0.{number % 4 + 1}\n", "encoding": "CSV"},
            },
            "eventMetadata": {"eventId": str(number)},
        }
        lines.append(json.dumps(record))
    key = f"capture/{name}-delay/{variant}/{window.start_path}/00-00-000-x.jsonl"
    place.s3.put_object(Bucket=BUCKET, Key=key, Body="\n".join(lines) + "\n")


def analyze(work, *, try_number=3, **fields):
    task_instance = SimpleNamespace(try_number=try_number, max_tries=2)
    AnalyzeWindowOperator(task_id="analyze", work=work, **fields).execute(context(ti=task_instance))


def result(place, window=NOW, *, name="flights", variant="AllTraffic"):
    return place.deployment.reports.read_result(name, variant, "data_quality", "hourly", window)


def test_a_failure_that_another_try_may_mend_is_recorded_at_the_last_try_only(place):
    place.endpoint(capture={"s3_uri": "s3://no-such-bucket/capture"})
    baseline(place)
    work = {"flights": [NOW.name]}
    with pytest.raises(AirflowException, match="bucket does not exist") as caught:
        analyze(work, try_number=2)
    assert not isinstance(caught.value, AirflowFailException)
    assert result(place) is None
    with pytest.raises(AirflowException):
        analyze(work, try_number=3)
    recorded = result(place)
    assert (recorded.verdict, recorded.could_not_judge) == ("failed", True)
    assert "bucket does not exist" in recorded.reason


def test_a_missing_baseline_fails_at_once_and_names_the_command(place):
    with pytest.raises(AirflowFailException, match="airflow dags trigger baseline"):
        analyze({"flights": [NOW.name]}, try_number=1)
    assert "airflow dags trigger baseline" in result(place).reason


def test_one_endpoint_of_a_pack_does_not_take_the_others_with_it(place):
    place.endpoint("churn")
    baseline(place, "churn")
    capture(place, name="churn")
    with pytest.raises(AirflowFailException, match="1 of the windows failed") as caught:
        analyze({"flights": [NOW.name], "churn": [NOW.name]}, try_number=1)
    assert "flights/AllTraffic" in str(caught.value)
    assert result(place, name="churn").verdict == "ok"


def test_an_endpoint_whose_file_is_gone_is_named(place):
    with pytest.raises(AirflowFailException, match="gone: no such endpoint file"):
        analyze({"gone": [NOW.name]}, try_number=1)


def test_each_variant_is_judged_for_itself(place):
    place.endpoint(variants=["blue", "green"])
    baseline(place)
    capture(place, variant="blue")
    analyze({"flights": [NOW.name]})
    assert result(place, variant="blue").verdict == "ok"
    assert result(place, variant="green").verdict == "no_traffic"


def malformed(place, count, window=NOW):
    key = f"capture/flights-delay/AllTraffic/{window.start_path}/59-00-000-x.jsonl"
    place.s3.put_object(Bucket=BUCKET, Key=key, Body="no JSON\n" * count)


def test_what_was_malformed_is_still_told_when_a_kept_state_is_judged_again(place):
    baseline(place)
    capture(place)
    malformed(place, 2)
    analyze({"flights": [NOW.name]})
    first = result(place)
    place.endpoint(monitors={"data_quality": {"thresholds": {"comparison_threshold": 0.9}}})
    analyze({"flights": [NOW.name]})
    again = result(place)
    assert (first.revision, again.revision) == (1, 2)
    assert len(again.malformed_samples) == 2
    assert again.malformed_samples == first.malformed_samples


def test_lines_that_cannot_be_read_were_captured_all_the_same(place):
    """40 good and 20 malformed lines of 130 invocations are a gap, whenever the count of invocations comes."""
    place.endpoint(monitors={"data_quality": {"maximum_malformed_share": 0.5}})
    baseline(place)
    capture(place)
    malformed(place, 20)
    cloudwatch = boto3.client("cloudwatch", region_name=REGION)
    dimensions = [{"Name": "EndpointName", "Value": "flights-delay"}, {"Name": "VariantName", "Value": "AllTraffic"}]
    for added, verdict in ((100, "ok"), (30, "capture_gap")):
        point = {"MetricName": "Invocations", "Dimensions": dimensions, "Timestamp": NOW.start, "Value": added}
        cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[point])
        analyze({"flights": [NOW.name]})
        assert result(place).verdict == verdict


def test_what_we_asked_ourselves_is_no_traffic(place):
    """Of 130 invocations 90 were ours: 40 captured ones are all there were, and an hour of nothing else is quiet."""
    baseline(place)
    capture(place)
    cloudwatch = boto3.client("cloudwatch", region_name=REGION)
    dimensions = [{"Name": "EndpointName", "Value": "flights-delay"}, {"Name": "VariantName", "Value": "AllTraffic"}]
    before = NOW.previous()
    for window, count in ((NOW, 130), (before, 7)):
        point = {"MetricName": "Invocations", "Dimensions": dimensions, "Timestamp": window.start, "Value": count}
        cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[point])
    analyze({"flights": [NOW.name, before.name]})
    assert (result(place).verdict, result(place, before).verdict) == ("capture_gap", "capture_gap")
    place.deployment.probes.write("flights", "AllTraffic", NOW, "a1", 90)
    place.deployment.probes.write("flights", "AllTraffic", before, "a1", 9)
    analyze({"flights": [NOW.name, before.name]})
    assert (result(place).verdict, result(place, before).verdict) == ("ok", "no_traffic")


def test_a_range_falls_into_the_windows_of_its_period(place):
    baseline(place)
    capture(place, NOW.previous())
    start, end = NOW.previous().start.isoformat(), NOW.end.isoformat()
    operator = AnalyzeWindowOperator(task_id="a", endpoint="flights", window_start=start, window_end=end)
    operator.execute(context())
    assert (result(place, NOW.previous()).verdict, result(place).verdict) == ("ok", "no_traffic")


def test_a_change_of_the_endpoint_in_the_window_is_marked_with_before_and_after(place):
    client = boto3.client("sagemaker", region_name=REGION)
    client.create_model(ModelName="m", ExecutionRoleArn="arn:aws:iam::123456789012:role/r")
    for name in ("old", "new"):
        client.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
            ],
        )
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.sagemaker import sagemaker_backends

    baseline(place)
    before = NOW.previous()
    capture(place, before)
    capture(place, NOW)
    place.endpoint(model_version="1")
    client.create_endpoint(EndpointName="flights-delay", EndpointConfigName="old")
    endpoint = sagemaker_backends[DEFAULT_ACCOUNT_ID][REGION].endpoints["flights-delay"]
    endpoint.last_modified_time = (before.start - timedelta(days=1)).isoformat()
    analyze({"flights": [before.name]})
    assert (result(place, before).endpoint_config, result(place, before).config_change) == ("old", None)

    place.endpoint(model_version="2")
    endpoint.endpoint_config_name = "new"
    endpoint.last_modified_time = (NOW.start + timedelta(minutes=20)).isoformat()
    analyze({"flights": [NOW.name]})
    change = result(place).config_change
    assert "configuration old before, new after; model version 1 before, 2 after" in change


def test_a_replay_by_the_current_baseline_says_so_in_its_version(place):
    baseline(place)
    capture(place)
    analyze({"flights": [NOW.name]})
    first = result(place).baseline_version
    frame = pd.DataFrame({"p": [0.1, 0.2] * 50, "x": range(100), "y": ["z"] * 100})
    made = api.baseline(frame)
    manifest = BaselineManifest(
        endpoint="flights", monitor="data_quality", source="t2", row_count=100, code_version="1", dialect="exact"
    )
    documents = {"statistics.json": made.statistics, "constraints.json": made.constraints}
    place.deployment.baselines.publish(manifest, documents, datetime.now(UTC))
    analyze({"flights": [NOW.name]})
    assert (result(place).baseline_version, result(place).revision) == (first, 1)
    analyze({"flights": [NOW.name]}, baseline="current")
    assert (result(place).verdict, result(place).revision) == ("violated", 2)
    assert result(place).baseline_version != first


def test_the_reason_of_a_foreign_error_quotes_nothing():
    from botocore.exceptions import ClientError

    throttled = ClientError({"Error": {"Code": "SlowDown", "Message": "secret"}}, "GetObject")
    assert failure_reason(throttled) == "AWS answered SlowDown to GetObject"
    assert failure_reason(RuntimeError("row 3: 'captured'")) == "RuntimeError; the task's log has the details"
