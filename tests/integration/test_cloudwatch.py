"""Alarms, metrics and dashboards as tasks, against a CloudWatch that evaluates."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from tests import airflow_home  # noqa: F401 - first of all: it gives Airflow a home
from watchkeeper.aws.client_access import AwsAccess
from watchkeeper.aws.cloudwatch_hook import CloudWatchHook
from watchkeeper.operators.delete_alarms import CloudWatchDeleteAlarmsOperator
from watchkeeper.operators.delete_dashboards import CloudWatchDeleteDashboardsOperator
from watchkeeper.operators.get_metric_data import CloudWatchGetMetricDataOperator
from watchkeeper.operators.put_alarm import CloudWatchPutCompositeAlarmOperator, CloudWatchPutMetricAlarmOperator
from watchkeeper.operators.put_dashboard import CloudWatchPutDashboardOperator
from watchkeeper.operators.put_log_retention import CloudWatchPutRetentionPolicyOperator
from watchkeeper.operators.put_metric_filter import CloudWatchPutMetricFilterOperator
from watchkeeper.operators.put_metrics import CloudWatchPutMetricDataOperator
from watchkeeper.operators.put_rule_targets import EventBridgePutTargetsOperator
from watchkeeper.operators.query_logs import CloudWatchLogsInsightsQueryOperator
from watchkeeper.operators.scan_log_errors import CloudWatchLogErrorScanOperator
from watchkeeper.operators.set_alarm_state import CloudWatchSetAlarmStateOperator
from watchkeeper.operators.wait_for_alarm import CloudWatchAlarmStateSensor

pytestmark = pytest.mark.sandbox


@pytest.fixture
def name(sandbox, monkeypatch):
    for variable, value in sandbox.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr("watchkeeper.aws.service_trigger.FIRST_EVENT_SECONDS", 0)
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture
def hook(name):
    return AwsAccess(None, "us-east-1").open(CloudWatchHook)


def alarm(name: str, condition: str = "latency", **changes):
    fields = {
        "AlarmName": f"wk/{name}/AllTraffic/{condition}",
        "Namespace": name,
        "MetricName": condition,
        "ExtendedStatistic": "p95",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5000.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "Tags": [{"Key": "watchkeeper:endpoint", "Value": name}],
    }
    return {**fields, **changes}


def put(name: str, condition: str = "latency", **changes) -> str:
    request = alarm(name, condition, **changes)
    CloudWatchPutMetricAlarmOperator(task_id="t", alarm=request).execute({})
    return request["AlarmName"]


def points(name: str, values, at: datetime, metric: str = "latency") -> None:
    data = [{"MetricName": metric, "Timestamp": at, "Value": float(value)} for value in values]
    result = CloudWatchPutMetricDataOperator(task_id="t", namespace=name, metric_data=data).execute({})
    assert result["refusals"] == []


def test_an_alarm_is_put_read_tagged_and_deleted(name, hook):
    arn = CloudWatchPutMetricAlarmOperator(task_id="t", alarm=alarm(name)).execute({})
    (found,) = hook.alarms(f"wk/{name}/")
    assert (found.arn, found.is_composite) == (arn, False)
    wanted = {key: value for key, value in alarm(name).items() if key != "Tags"}
    assert {key: found.request.get(key) for key in wanted} == wanted
    changed = alarm(name, Tags=[{"Key": "watchkeeper:endpoint", "Value": "renamed"}], Threshold=1.0)
    CloudWatchPutMetricAlarmOperator(task_id="t", alarm=changed).execute({})
    assert next(hook.alarms(names=[found.name])).request["Threshold"] == 1.0
    assert hook.alarm_tags(arn) == {"watchkeeper:endpoint": "renamed"}
    deleted = CloudWatchDeleteAlarmsOperator(task_id="t", alarm_names=[found.name, "none"]).execute({})
    assert deleted == [found.name]
    assert list(hook.alarms(f"wk/{name}/")) == []


def test_a_composite_follows_its_children_and_goes_before_them(name, hook):
    child, incident = put(name), f"wk/{name}/_all/incident"
    rule = {"AlarmName": incident, "AlarmRule": f'ALARM("{child}")'}
    CloudWatchPutCompositeAlarmOperator(task_id="t", alarm=rule).execute({})
    CloudWatchSetAlarmStateOperator(task_id="t", alarm_name=child, state="ALARM", reason="a drill").execute({})
    state = {found.name: found for found in hook.alarms(names=[child, incident])}
    assert state[child].state == "ALARM"
    assert "a drill" in state[child].reason
    sensor = CloudWatchAlarmStateSensor(task_id="s", alarm_names=[child, incident], state="ALARM", poke_interval=1)
    sensor.timeout = 20
    sensor.execute({})
    deleted = CloudWatchDeleteAlarmsOperator(task_id="t", alarm_names=[child, incident]).execute({})
    assert deleted == sorted([child, incident])


def test_percentiles_and_sums_are_read_over_any_number_of_queries(name):
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
    points(name, range(1, 101), start)
    points(name, [7], start + timedelta(minutes=2))

    def query(identity: str, statistic: str):
        metric = {"Namespace": name, "MetricName": "latency"}
        return {"Id": identity, "MetricStat": {"Metric": metric, "Period": 60, "Stat": statistic}}

    queries = [query("p95", "p95"), query("sum", "Sum"), *(query(f"q{number}", "Maximum") for number in range(500))]
    found = CloudWatchGetMetricDataOperator(
        task_id="t",
        metric_data_queries=queries,
        start_time=start.isoformat(),
        end_time=(start + timedelta(minutes=5)).isoformat(),
    ).execute({})
    assert len(found) == 502
    assert found["sum"]["values"] == [5050.0, 7.0]
    assert [datetime.fromisoformat(moment) for moment in found["sum"]["timestamps"]] == [
        start,
        start + timedelta(minutes=2),
    ]
    assert found["p95"]["values"][0] == pytest.approx(95, abs=0.5)
    assert found["q499"]["values"] == [100.0, 7.0]


def test_the_sensor_defers_and_its_trigger_sees_the_alarm_go_off(name, hook):
    watched = put(name, Period=10)
    sensor = CloudWatchAlarmStateSensor(
        task_id="s", alarm_names=[watched], state="ALARM", deferrable=True, poke_interval=1, aws_conn_id=None
    )
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})
    trigger = deferred.value.trigger

    async def fired():
        events = trigger.run()
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        for _ in range(30):
            if waiting.done():
                break
            await asyncio.to_thread(points, name, [9000], datetime.now(UTC))
            await asyncio.sleep(2)
        return (await asyncio.wait_for(waiting, 60)).payload

    event = asyncio.run(fired())
    assert event == {"status": "success", "alarm_names": [watched]}
    sensor.execute_complete({}, event)
    # Nothing defers when the answer is there.
    hook.set_alarm_state(watched, "ALARM", "still")
    sensor.execute({})
    with pytest.raises(AirflowException, match="Waiting for the alarms ended with"):
        sensor.execute_complete({}, {"status": "error", "message": "max attempts reached"})


def test_a_sensor_does_not_wait_for_what_does_not_exist(name):
    sensor = CloudWatchAlarmStateSensor(task_id="s", alarm_names=[put(name), f"{name}-none"], deferrable=True)
    with pytest.raises(AirflowFailException, match=f"CloudWatch knows no alarm {name}-none"):
        sensor.execute({})
    sensor.alarm_names = [str(number) for number in range(101)]
    with pytest.raises(AirflowFailException, match="got 101 names; give 1 to 100"):
        sensor.execute({})


def test_more_alarms_than_a_page_holds_are_all_read(name, hook):
    for number in range(103):
        hook.client.put_metric_alarm(**alarm(name, f"c{number:03}"))
    names = [found.name for found in hook.alarms(f"wk/{name}/")]
    assert sorted(names) == [f"wk/{name}/AllTraffic/c{number:03}" for number in range(103)]
    assert len(hook.delete_alarms(names)) == 103


def test_a_dashboard_is_put_and_read(name, hook):
    body = {"widgets": [{"type": "text", "x": 0, "y": 0, "width": 6, "height": 2, "properties": {"markdown": "hi"}}]}
    CloudWatchPutDashboardOperator(task_id="t", dashboard_name=name, dashboard_body=body).execute({})
    assert hook.dashboard(name) == body
    assert list(hook.dashboards(name)) == [name]
    assert CloudWatchDeleteDashboardsOperator(task_id="t", dashboard_names=[name, "none"]).execute({}) == [name]
    assert hook.dashboard(name) is None


def test_a_rule_has_the_targets_that_it_was_given(name, sandbox):
    queue = sandbox.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:123456789012:{queue.rpartition('/')[2]}"
    sandbox.client("events").put_rule(Name=name, EventPattern='{"source": ["aws.sagemaker"]}')
    put = EventBridgePutTargetsOperator(task_id="t", rule=name, targets=[{"Id": "queue", "Arn": arn}])
    assert [put.execute({}), put.execute({})] == [["queue"], ["queue"]]


def test_retention_and_metric_filters_are_put_once(name, sandbox):
    group = f"/aws/sagemaker/Endpoints/{name}"
    sandbox.client("logs").create_log_group(logGroupName=group)
    retention = CloudWatchPutRetentionPolicyOperator(task_id="t", log_group=group, retention_days=30)
    assert [retention.execute({}), retention.execute({})] == [True, False]
    counted = {
        "logGroupName": group,
        "filterName": "errors",
        "filterPattern": "ERROR",
        "metricTransformations": [{"metricName": "Errors", "metricNamespace": name, "metricValue": "1"}],
    }
    put_filter = CloudWatchPutMetricFilterOperator(task_id="t", metric_filter=counted)
    assert [put_filter.execute({}), put_filter.execute({})] == [True, False]


def test_a_share_of_errors_counts_from_a_minimum_of_traffic(name):
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
    for minute, (calls, errors) in enumerate([(200, 10), (50, 50), (400, 2)]):
        points(name, [calls], start + timedelta(minutes=minute), "calls")
        points(name, [errors], start + timedelta(minutes=minute), "errors")

    def total(identity: str):
        stat = {"Metric": {"Namespace": name, "MetricName": identity}, "Period": 60, "Stat": "Sum"}
        return {"Id": identity, "MetricStat": stat, "ReturnData": False}

    share = {"Id": "share", "Expression": "IF(calls > 100, errors / calls)"}
    found = CloudWatchGetMetricDataOperator(
        task_id="t",
        metric_data_queries=[total("calls"), total("errors"), share],
        start_time=start.isoformat(),
        end_time=(start + timedelta(minutes=5)).isoformat(),
    ).execute({})
    assert list(found) == ["share"]
    by_minute = dict(zip(found["share"]["timestamps"], found["share"]["values"], strict=True))
    assert {moment[14:16]: value for moment, value in by_minute.items()} == {
        f"{start:%M}": 0.05,
        f"{start + timedelta(minutes=2):%M}": 0.005,
    }


def test_a_logs_errors_are_found_among_its_lines(name, sandbox):
    group, client = f"/aws/sagemaker/Endpoints/{name}", sandbox.client("logs")
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName="AllTraffic/i-1")
    now = datetime.now(UTC)
    lines = ["GET /ping 200", "job 17 failed", "KeyError: 'age'", "job 18 failed", "0 errors"]
    events = [{"timestamp": int(now.timestamp() * 1000) + place, "message": text} for place, text in enumerate(lines)]
    client.put_log_events(logGroupName=group, logStreamName="AllTraffic/i-1", logEvents=events)
    times = {
        "start_time": (now - timedelta(minutes=1)).isoformat(),
        "end_time": (now + timedelta(minutes=1)).isoformat(),
    }
    found = CloudWatchLogErrorScanOperator(task_id="t", log_group=group, **times).execute({})
    assert [(group["pattern"], group["kind"], group["count"]) for group in found["groups"]] == [
        ("job <number> failed", "failed", 2),
        ("KeyError: <text>", "exception", 1),
    ]
    query = CloudWatchLogsInsightsQueryOperator(
        task_id="t", log_groups=[group], query="fields @message | filter @message like /failed/", **times
    )
    assert {row["@message"] for row in query.execute({})} == {"job 17 failed", "job 18 failed"}


def test_another_account_is_reached_through_a_role(name):
    """STS and SageMaker of the sandbox keep accounts apart."""
    role = "arn:aws:iam::210987654321:role/watchkeeper"
    access = AwsAccess(None, "us-east-1", role_arn=role)
    assert access.client("sts").get_caller_identity()["Account"] == "210987654321"
    made = access.client("sagemaker").create_model(
        ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": "none"}
    )
    assert ":210987654321:" in made["ModelArn"]
