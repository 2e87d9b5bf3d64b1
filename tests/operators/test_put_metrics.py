from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from tests.aws.result_samples import result
from tests.operators.conftest import REGION
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.operators.put_metrics import (
    CloudWatchPutMetricDataOperator,
    PutMonitorMetricsOperator,
    put_monitor_metrics,
)
from watchkeeper.registry.capture_window import HOUR, Window

NOW = Window.hour_of(datetime.now(UTC) - HOUR)


def put(window=NOW):
    return PutMonitorMetricsOperator(
        task_id="put", endpoint="flights", window_start=window.start.isoformat(), window_end=window.end.isoformat()
    ).execute({})


def listed(namespace):
    pages = boto3.client("cloudwatch", region_name=REGION).get_paginator("list_metrics").paginate(Namespace=namespace)
    return {metric["MetricName"] for page in pages for metric in page["Metrics"]}


def test_a_windows_metrics_are_written_once(place):
    place.deployment.reports.write_result(result(window=NOW, worst_distance=0.2), {}, NOW)
    assert put() == {"accepted": 3, "refusals": []}
    assert put() == {"accepted": 0, "refusals": []}
    assert listed("Watchkeeper/DataQuality") == {"RowCount", "ViolationCount", "WorstDistance"}


def test_per_feature_metrics_are_written_where_the_file_asks(place):
    place.endpoint(monitors={"data_quality": {"publish_feature_metrics": True}})
    place.deployment.reports.write_result(result(window=NOW, distances={"delay": 0.1}), {}, NOW)
    put()
    assert listed("aws/sagemaker/Endpoints/data-metrics") == {"feature_baseline_drift_delay"}


def test_points_that_cloudwatch_would_refuse_for_their_age_are_left_out(place):
    old = NOW.shifted(-24 * 15 * HOUR)
    place.deployment.reports.write_result(result(window=old), {}, old)
    assert put(old) == {"accepted": 0, "refusals": []}
    assert listed("Watchkeeper/DataQuality") == set()


def test_any_points_can_be_written(place):
    data = [{"MetricName": "m", "Values": [float(number) for number in range(400)]}]
    operator = CloudWatchPutMetricDataOperator(task_id="put", namespace="Mine", metric_data=data)
    assert operator.execute({}) == {"accepted": 3, "refusals": []}
    assert listed("Mine") == {"m"}


def test_a_refusal_fails_only_who_wants_that(place):
    data = [{"MetricName": "m", "Value": float("nan")}]
    lenient = CloudWatchPutMetricDataOperator(task_id="put", namespace="Mine", metric_data=data)
    assert len(lenient.execute({})["refusals"]) == 1
    strict = CloudWatchPutMetricDataOperator(task_id="p", namespace="Mine", metric_data=data, fail_on_refusal=True)
    with pytest.raises(RuntimeError, match="refused 1 points"):
        strict.execute({})


@pytest.mark.parametrize(("batches_taken", "accepted_again"), [(0, 1200), (1, 0)])
def test_points_that_were_taken_are_not_written_again_after_a_failure(place, batches_taken, accepted_again):
    """They would add up. Where nothing was taken, the next try writes everything."""
    results = [result(window=NOW.shifted(-hours * HOUR), worst_distance=0.1) for hours in range(300)]
    results += [result(variant="Other", window=NOW.shifted(-hours * HOUR), worst_distance=0.1) for hours in range(100)]
    deployment = place.deployment
    deployment.access.client("s3")
    calls = []

    def fail_later(**_):
        calls.append(1)
        if len(calls) == batches_taken + 1:
            raise EndpointConnectionError(endpoint_url="https://monitoring")

    events = deployment.access.open(CloudWatchHook).get_session().events
    events.register("before-call.cloudwatch.PutMetricData", fail_later)
    with pytest.raises(EndpointConnectionError):
        put_monitor_metrics(deployment, results, print)
    assert put_monitor_metrics(place.deployment, results, print).accepted_count == accepted_again
