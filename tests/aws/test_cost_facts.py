"""What is counted is what CloudWatch would bill: alarms by metric, metrics by schedule, logs, traffic, jobs."""

from datetime import UTC, datetime, timedelta

import boto3
import polars as pl
import pytest

from tests.aws.conftest import REGION
from tests.aws.result_samples import HOUR, result
from watchkeeper.aws.alarm_hook import AlarmFacts, AlarmHook
from watchkeeper.aws.cost_facts import (
    CostFacts,
    alarm_driver,
    count_held,
    count_job_hours,
    count_shadow_hours,
    observe_traffic,
)
from watchkeeper.aws.event_ledger import event_ledger_schema
from watchkeeper.aws.ledger import Ledger, RunFacts
from watchkeeper.aws.monitor_metrics import summary_points
from watchkeeper.registry.capture_window import Window
from watchkeeper.registry.endpoint_spec import EndpointSpec

NOW = datetime.now(UTC)


def endpoint(name="flights", **changes):
    document = {
        "endpoint_name": f"{name}-delay",
        "registry_id": name,
        "owner": "me",
        "capture": {"s3_uri": "s3://b-b/x"},
    }
    return EndpointSpec.model_validate(document | changes)


def metric_alarm(name, **fields):
    request = {
        "AlarmName": name,
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
    }
    plain = {"Namespace": "AWS/SageMaker", "MetricName": "ModelLatency", "Period": 60, "Statistic": "Average"}
    return request | (fields if "Metrics" in fields else plain | fields)


def math(*metrics, period=60):
    queries = [
        {
            "Id": f"m{number}",
            "ReturnData": False,
            "MetricStat": {
                "Metric": {"Namespace": "AWS/SageMaker", "MetricName": name},
                "Period": period,
                "Stat": "Sum",
            },
        }
        for number, name in enumerate(metrics)
    ]
    return [*queries, {"Id": "e", "Expression": "m0/m1", "ReturnData": True}]


def count(access, *specs, facts=None):
    facts = facts or CostFacts()
    count_held(facts, [access], access, specs, resource_prefix="watchkeeper", namespace="Watchkeeper")
    return facts


def test_alarms_count_by_the_metrics_they_look_at(access):
    client = boto3.client("cloudwatch", region_name=REGION)
    client.put_metric_alarm(**metric_alarm("watchkeeper/flights/AllTraffic/model_latency_p95"))
    client.put_metric_alarm(**metric_alarm("watchkeeper/flights/AllTraffic/cpu_utilization", Period=10))
    shares = math("Invocation5XXErrors", "Invocations")
    client.put_metric_alarm(**metric_alarm("watchkeeper/flights/AllTraffic/server_errors", Metrics=shares))
    client.put_metric_alarm(**metric_alarm("watchkeeper/_fleet/_all/heartbeat"))
    client.put_metric_alarm(**metric_alarm("somebody/else"))
    client.put_metric_alarm(**metric_alarm("watchkeeper-like/other/alarm/here"))
    found = count(access, endpoint(), endpoint("quiet")).counts
    flights = {name: found["flights"][name] for name in found["flights"] if name.endswith("alarms")}
    assert flights == {
        "standard_alarms": 3,
        "high_resolution_alarms": 1,
        "anomaly_alarms": 0,
        "composite_alarms": 0,
    }
    assert found["_fleet"]["standard_alarms"] == 1
    assert found["quiet"]["standard_alarms"] == 0


def test_a_composite_alarm_is_one_whatever_it_follows():
    rule = {"AlarmRule": "ALARM(a) OR ALARM(b)"}
    incident = AlarmFacts("watchkeeper/flights/_all/incident", "arn", "OK", "", NOW, rule)
    assert alarm_driver(incident) == ("composite_alarms", 1.0)


def test_an_anomaly_alarm_is_one_of_its_own_kind(access):
    client = boto3.client("cloudwatch", region_name=REGION)
    band = math("ModelLatency", "ModelLatency")
    client.put_metric_alarm(
        **metric_alarm("watchkeeper/flights/AllTraffic/model_latency_p95", Metrics=band, ThresholdMetricId="e")
    )
    (alarm,) = access.open(AlarmHook).alarms(prefix="watchkeeper/")
    assert alarm.request["ThresholdMetricId"] == "e"
    assert alarm_driver(alarm) == ("anomaly_alarms", 1.0)


def test_metrics_count_by_schedule_and_a_daily_one_is_a_24th(access):
    client = boto3.client("cloudwatch", region_name=REGION)
    day = Window.day_of(HOUR.start)
    for one in (result(), result(variant="green"), result(window=day, period="daily")):
        data = [{**point, "Timestamp": NOW} for point in summary_points(one)]
        client.put_metric_data(Namespace="Watchkeeper/DataQuality", MetricData=data)
    client.put_metric_data(Namespace="Watchkeeper/Runs", MetricData=[{"MetricName": "Heartbeat", "Value": 1.0}])
    found = count(access, endpoint(), endpoint("quiet")).counts
    # RowCount and ViolationCount of two variants, and of the day.
    assert found["flights"]["custom_metrics"] == pytest.approx(4 + 2 / 24)
    assert found["quiet"]["custom_metrics"] == 0


def test_dashboards_and_logs_are_found_by_their_names(access):
    client = boto3.client("cloudwatch", region_name=REGION)
    for name in ("watchkeeper-flights", "watchkeeper-_fleet", "watchkeeper-other", "mine"):
        client.put_dashboard(DashboardName=name, DashboardBody="{}")
    logs = boto3.client("logs", region_name=REGION)
    group = "/aws/sagemaker/Endpoints/flights-delay"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    event = {"timestamp": int(NOW.timestamp() * 1000), "message": "x" * 1000}
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[event] * 10)
    found = count(access, endpoint(), endpoint("quiet")).counts
    assert (found["flights"]["dashboards"], found["quiet"]["dashboards"], found["_fleet"]["dashboards"]) == (1, 0, 1)
    stored = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["storedBytes"]
    assert stored > 0
    assert found["flights"]["log_stored_gb"] == pytest.approx(stored / 2**30)
    assert "log_stored_gb" not in found.get("quiet", {})


def test_what_may_not_be_asked_is_told_and_the_rest_is_counted(access):
    from watchkeeper.aws.client_access import AwsAccess

    boto3.client("cloudwatch", region_name=REGION).put_dashboard(
        DashboardName="watchkeeper-flights", DashboardBody="{}"
    )
    # A place that does not answer: nothing listens on this port.
    dead = AwsAccess(None, REGION, botocore_config={"retries": {"total_max_attempts": 1}, "connect_timeout": 1})
    facts = CostFacts()

    class Unreachable:
        def open(self, hook_class, **arguments):
            hook = dead.open(hook_class, **arguments)
            hook.conn.meta.events.register("before-send", _refuse)
            return hook

    count_held(facts, [Unreachable()], access, [endpoint()], resource_prefix="watchkeeper", namespace="Watchkeeper")
    assert len(facts.problems) == 2
    assert all("could not be counted" in problem for problem in facts.problems)
    assert facts.counts["flights"]["dashboards"] == 1


def _refuse(**_request):
    from botocore.exceptions import EndpointConnectionError

    raise EndpointConnectionError(endpoint_url="https://nowhere")


def test_traffic_is_what_hours_say_for_each_variant(s3):
    ledger = Ledger("watchkeeper-tests", "wk", s3)
    hours = [HOUR.shifted(timedelta(hours=number)) for number in range(2)]
    rows = [
        result(window=hours[0], invocation_count=100.0, captured_count=50, capture_bytes=5000),
        result(window=hours[1], invocation_count=None, captured_count=30, capture_bytes=3000),
        result(window=hours[0], variant="green", invocation_count=0.0, captured_count=0, capture_bytes=0),
        result(window=hours[1], variant="green", verdict="no_traffic", captured_count=None, capture_bytes=0),
        result(window=Window.day_of(HOUR.start), period="daily", invocation_count=9e9, captured_count=1),
    ]
    run = RunFacts(run_id="r", dag_id="d", recorded_at=NOW)
    ledger.record([(row, "s3://x/") for row in rows], run)
    facts = CostFacts()
    verdicts = ledger.read("data_quality", HOUR.start - timedelta(days=2), HOUR.end + timedelta(days=2))
    observe_traffic(facts, verdicts, [endpoint(capture={"s3_uri": "s3://b-b/x", "sampling_percentage": 50})])
    seen = facts.traffic["flights"]
    # 100, then 30 captured of every second one, over four hours of two variants.
    assert seen.invocations_per_hour == pytest.approx((100 + 60) / 4)
    assert seen.bytes_per_record == pytest.approx(8000 / 80)
    observe_traffic(facts, verdicts, [endpoint("unknown")])
    assert "unknown" not in facts.traffic


def test_shadow_endpoints_are_paid_for_as_long_as_windows_took():
    verdicts = pl.DataFrame({"endpoint": ["flights", "flights", "other"], "analysis_seconds": [1800.0, 1800.0, 99.0]})
    facts = CostFacts()
    count_shadow_hours(facts, verdicts, {"flights": "ml.m5.large"}, days=730 / 24)
    assert facts.hours == {"flights": {"hosting/ml.m5.large": pytest.approx(1.0)}}


def test_jobs_are_counted_from_the_ledger_of_events():
    blank = dict.fromkeys(event_ledger_schema())
    jobs = [
        {"job_type": "training_job", "billable_seconds": 3600.0, "instance_count": 2, "endpoint": "flights"},
        {"job_type": "processing_job", "duration_seconds": 1800.0, "instance_count": 1, "endpoint": None},
        {"job_type": "tuning_job", "billable_seconds": 9999.0, "instance_count": 1, "endpoint": "flights"},
    ]
    frame = pl.DataFrame([blank | {"instance_type": "ml.m5.large"} | job for job in jobs], schema=event_ledger_schema())
    facts = CostFacts()
    count_job_hours(facts, frame, NOW - timedelta(hours=730), NOW)
    assert facts.hours == {
        "flights": {"training/ml.m5.large": pytest.approx(2.0)},
        "_fleet": {"processing/ml.m5.large": pytest.approx(0.5)},
    }
