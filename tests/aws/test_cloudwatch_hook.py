from datetime import UTC, datetime

import pytest
from botocore.stub import Stubber

from tests.aws.conftest import REGION
from tests.aws.result_samples import HOUR
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.errors import PermissionMissingError

MOMENT = datetime(2026, 11, 20, 5, tzinfo=UTC)


@pytest.fixture
def hook():
    return CloudWatchHook(aws_conn_id=None, region_name=REGION)


def point(number, **fields):
    return {"MetricName": f"m{number}", "Timestamp": MOMENT, "Value": float(number)} | fields


def test_throttling_is_retried_with_backoff_unless_the_connection_says_otherwise(hook, monkeypatch):
    assert hook.conn.meta.config.retries["mode"] == "standard"
    assert hook.conn.meta.config.retries["total_max_attempts"] == 8
    own = CloudWatchHook(aws_conn_id=None, region_name=REGION, config={"retries": {"mode": "adaptive"}})
    assert own.conn.meta.config.retries["mode"] == "adaptive"


def test_any_number_of_points_arrives(hook):
    report = hook.put_metric_data("Watchkeeper/Test", [point(number) for number in range(2300)])
    assert (report.accepted_count, report.refusals) == (2300, ())
    pages = hook.conn.get_paginator("list_metrics").paginate(Namespace="Watchkeeper/Test")
    assert len({metric["MetricName"] for page in pages for metric in page["Metrics"]}) == 2300


def test_one_faulty_point_does_not_take_its_batch_with_it(hook):
    points = [point(number) for number in range(40)]
    points[17] = point(17, Value=float("nan"))
    report = hook.put_metric_data("Watchkeeper/Test", points)
    assert report.accepted_count == 39
    (refusal,) = report.refusals
    assert "m17" in refusal


def test_a_refused_namespace_is_reported_and_never_raises(hook):
    with Stubber(hook.conn) as stub:
        stub.add_client_error("put_metric_data", "AccessDenied", http_status_code=403)
        report = hook.put_metric_data("aws/sagemaker/Endpoints/data-metrics", [point(1), point(2)])
    assert report.accepted_count == 0
    assert report.refusals == (
        "2 points of aws/sagemaker/Endpoints/data-metrics (first: m1): AWS refused; allow cloudwatch:PutMetricData "
        "for namespace aws/sagemaker/Endpoints/data-metrics",
    )


def test_an_unforeseen_error_ends_the_writing_and_says_what_was_taken_before(hook):
    with Stubber(hook.conn) as stub:
        stub.add_response("put_metric_data", {})
        stub.add_client_error("put_metric_data", "InternalServiceFault", http_status_code=400)
        report = hook.put_metric_data("Watchkeeper/Test", [point(number) for number in range(2300)])
    assert report.accepted_count == 1000
    assert "InternalServiceFault" in str(report.failure)


def test_invocations_are_summed_over_the_windows_hours(hook):
    dimensions = [{"Name": "EndpointName", "Value": "flights-delay"}, {"Name": "VariantName", "Value": "AllTraffic"}]
    for moment, count in ((HOUR.start, 40.0), (HOUR.end, 1000.0)):
        hook.conn.put_metric_data(
            Namespace="AWS/SageMaker",
            MetricData=[
                {"MetricName": "Invocations", "Dimensions": dimensions, "Timestamp": moment, "Value": count},
            ],
        )
    assert hook.invocation_count("flights-delay", "AllTraffic", HOUR) == 40.0


def test_unknown_invocations_are_none_and_not_zero(hook):
    assert hook.invocation_count("nobody", "AllTraffic", HOUR) is None


def test_a_refused_read_names_action_and_metric(hook):
    with Stubber(hook.conn) as stub:
        stub.add_client_error("get_metric_statistics", "AccessDenied", http_status_code=403)
        with pytest.raises(PermissionMissingError, match="cloudwatch:GetMetricStatistics on AWS/SageMaker Invocations"):
            hook.invocation_count("flights-delay", "AllTraffic", HOUR)
