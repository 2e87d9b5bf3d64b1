"""Errors in endpoints' logs: reports, metric, captures; what is not there, and what fails."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from tests.operators.conftest import BUCKET, REGION, context
from watchkeeper.operators.scan_endpoint_logs import ScanEndpointLogsOperator
from watchkeeper.operators.scan_log_errors import CloudWatchLogErrorScanOperator
from watchkeeper.registry.capture_window import HOUR, Window

GROUP = "/aws/sagemaker/Endpoints/flights-delay"
WINDOW = Window.hour_of(datetime.now(UTC) - HOUR)
SECRET = "John Smith"
LINES = (
    "INFO 200 ok",
    f"ValueError: could not convert string to float: '{SECRET}'",
    "ValueError: could not convert string to float: 'other', inferenceId=abc-1",
    "ERROR 17 of 20 workers lost",
    "ERROR 3 of 20 workers lost",
    "ERROR 5 of 20 workers lost",
)


@pytest.fixture
def logs(place):
    client = boto3.client("logs", region_name=REGION)
    client.create_log_group(logGroupName=GROUP)
    client.create_log_stream(logGroupName=GROUP, logStreamName="AllTraffic/i-1")

    def write(*lines, at=WINDOW.start, step=1):
        moment = int(at.timestamp() * 1000)
        events = [{"timestamp": moment + place * step * 1000, "message": text} for place, text in enumerate(lines)]
        client.put_log_events(logGroupName=GROUP, logStreamName="AllTraffic/i-1", logEvents=events)

    write(*LINES)
    write("ERROR of the next hour", at=WINDOW.end)
    return write


def operator(**fields):
    times = {"window_start": WINDOW.start.isoformat(), "window_end": WINDOW.end.isoformat()}
    return ScanEndpointLogsOperator(task_id="scan", **(times | fields))


def report(place, endpoint="flights"):
    key = f"wk/logs/{endpoint}/{WINDOW.start_path}.json"
    return json.loads(place.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def error_points():
    client = boto3.client("cloudwatch", region_name=REGION)
    answer = client.get_metric_statistics(
        Namespace="Watchkeeper/Logs",
        MetricName="LogErrorCount",
        Dimensions=[{"Name": "Endpoint", "Value": "flights-delay"}],
        StartTime=WINDOW.start,
        EndTime=WINDOW.end,
        Period=3600,
        Statistics=["Sum", "SampleCount"],
    )
    return [(point["Sum"], point["SampleCount"]) for point in answer["Datapoints"]]


def test_the_errors_of_an_hour_are_grouped_reported_and_counted(place, logs, caplog):
    assert operator().execute(context()) == {"flights": 5}
    found = report(place)
    patterns = [(group["pattern"], group["kind"], group["count"]) for group in found["scan"]["groups"]]
    assert patterns == [
        ("ERROR <number> of <number> workers lost", "error", 3),
        ("ValueError: could not convert string to float: <text>", "exception", 1),
        ("ValueError: could not convert string to float: <text>, inferenceId=<id>", "exception", 1),
    ]
    workers = found["scan"]["groups"][0]
    assert datetime.fromisoformat(workers["first_seen"]) == WINDOW.start + timedelta(seconds=3)
    assert datetime.fromisoformat(workers["last_seen"]) == WINDOW.start + timedelta(seconds=5)
    assert workers["streams"] == ["AllTraffic/i-1"]
    place_of_capture = f"s3://{BUCKET}/capture/flights-delay/AllTraffic/{WINDOW.start_path}/"
    assert found["captures"] == [{"inference_id": "abc-1", "s3_uri": place_of_capture}]
    assert (found["scan"]["is_complete"], found["window"]) == (True, WINDOW.name)
    assert error_points() == [(5.0, 1.0)]
    assert SECRET not in json.dumps(found)
    assert SECRET not in caplog.text


def test_an_hour_is_published_once_however_often_it_is_scanned(place, logs):
    operator().execute(context())
    first = report(place)
    logs("ERROR 9 of 20 workers lost", at=WINDOW.start + timedelta(minutes=30))
    assert operator(endpoints=["flights"]).execute(context()) == {"flights": 6}
    second = report(place)
    assert second["published_at"] == first["published_at"] is not None
    assert second["scan"]["groups"][0]["count"] == 4
    assert error_points() == [(5.0, 1.0)]


def test_a_quiet_hour_counts_zero_and_no_log_counts_nothing(place, logs):
    place.endpoint("silent")
    window = WINDOW.shifted(-HOUR)
    times = {"window_start": window.start.isoformat(), "window_end": window.end.isoformat()}
    assert operator(**times).execute(context()) == {"flights": 0}
    client = boto3.client("cloudwatch", region_name=REGION)
    metrics = client.list_metrics(Namespace="Watchkeeper/Logs")["Metrics"]
    assert {metric["Dimensions"][0]["Value"] for metric in metrics} == {"flights-delay"}


def test_points_that_cloudwatch_would_refuse_for_their_age_are_not_sent(place, logs):
    old = Window.hour_of(WINDOW.start - timedelta(days=20))
    times = {"window_start": old.start.isoformat(), "window_end": old.end.isoformat()}
    assert operator(**times).execute(context()) == {"flights": 0}
    assert place.deployment.log_reports.read("flights", old).published_at is None
    assert error_points() == []


def test_the_runs_own_hours_are_scanned_where_none_is_named(place, logs):
    named = ScanEndpointLogsOperator(task_id="scan")
    params = {"window_start": WINDOW.shifted(-HOUR).start.isoformat(), "window_end": WINDOW.end.isoformat()}
    assert named.execute(context(params=params)) == {"flights": 5}
    assert place.deployment.log_reports.read("flights", WINDOW.shifted(-HOUR)).scan.error_count == 0


def test_reading_stops_at_the_ceiling_and_says_so(place, logs):
    operator(maximum_lines=3).execute(context())
    assert report(place)["scan"]["is_complete"] is False


def test_one_endpoints_failure_leaves_the_others_and_ends_the_task_failed(place, logs):
    place.endpoint("remote", aws_conn_id=None, region_name="not-a-region")
    place.endpoint("quiet", region_name="eu-west-1")
    place.deployment.log_reports.objects.write(f"logs/flights/{WINDOW.start_path}.json", b"not a report")
    told = r"(?s)Not all logs could be scanned:.*remote\.yaml.*flights: .*not a report"
    with pytest.raises(AirflowFailException, match=told):
        operator().execute(context())
    with pytest.raises(AirflowException, match="no such endpoint file"):
        operator(endpoints=["nobody"]).execute(context())


def test_any_group_can_be_scanned_without_a_deployment(logs):
    scan = CloudWatchLogErrorScanOperator(
        task_id="scan",
        log_group=GROUP,
        start_time=WINDOW.start.isoformat(),
        end_time=(WINDOW.start + timedelta(seconds=4)).isoformat(),
        region_name=REGION,
    )
    found = scan.execute({})
    assert (found["error_count"], found["is_complete"]) == (3, True)
    assert SECRET not in json.dumps(found, default=str)
    assert found["groups"][0]["first_seen"] == (WINDOW.start + timedelta(seconds=3)).isoformat().replace("+00:00", "Z")
    scan.log_group = "none"
    with pytest.raises(LookupError, match="log group none: there is no such group"):
        scan.execute({})
