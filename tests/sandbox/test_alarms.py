import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.test_live_endpoint import eventually
from tests.sandbox_process import SandboxProcess

pytestmark = pytest.mark.sandbox


@dataclass(frozen=True)
class Watched:
    """Metrics of a namespace of its own, alarms on them, and a queue that gets what EventBridge is told of them."""

    sandbox: SandboxProcess
    name: str
    queue_url: str

    @property
    def cloudwatch(self) -> Any:
        return self.sandbox.client("cloudwatch")

    @property
    def dimensions(self) -> list[dict[str, str]]:
        return [{"Name": "EndpointName", "Value": self.name}, {"Name": "VariantName", "Value": "A"}]

    def put(self, at: datetime | None = None, **metrics: float | list[float]) -> None:
        """Put values that an alarm looks at already: the sandbox waits a moment for those that come late."""
        at = at or datetime.now(UTC) - timedelta(seconds=5)
        data = [
            {
                "MetricName": name,
                "Dimensions": self.dimensions,
                **({"Values": values} if isinstance(values, list) else {"Value": values}),
                "Timestamp": at,
            }
            for name, values in metrics.items()
        ]
        self.cloudwatch.put_metric_data(Namespace=self.name, MetricData=data)

    def query(self, query_id: str, metric: str, stat: str = "Sum", *, returned: bool = False) -> dict[str, Any]:
        found = {"Namespace": self.name, "MetricName": metric, "Dimensions": self.dimensions}
        return {
            "Id": query_id,
            "MetricStat": {"Metric": found, "Period": 10, "Stat": stat},
            "ReturnData": returned,
        }

    def alarm(self, suffix: str, metric: str = "", **changes: Any) -> str:
        own = {
            "Namespace": self.name,
            "MetricName": metric,
            "Dimensions": self.dimensions,
            "Statistic": "Sum",
            "Period": 10,
        }
        request = (own if metric else {}) | {
            "AlarmName": f"{self.name}/{suffix}",
            "EvaluationPeriods": 1,
            "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        request |= changes
        if "ExtendedStatistic" in request:
            del request["Statistic"]
        if "ThresholdMetricId" in request:
            del request["Threshold"]
        self.cloudwatch.put_metric_alarm(**request)
        return f"{self.name}/{suffix}"

    def state(self, alarm: str) -> str:
        found = self.cloudwatch.describe_alarms(AlarmNames=[alarm], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        (one,) = [*found["MetricAlarms"], *found["CompositeAlarms"]]
        return str(one["StateValue"])

    def becomes(self, alarm: str, state: str, seconds: float = 20) -> None:
        assert eventually(lambda: self.state(alarm), lambda found: found == state, seconds) == state

    def events(self, alarm: str) -> list[dict[str, Any]]:
        """Return the events about an alarm that have come since the last look."""
        sqs = self.sandbox.client("sqs")
        found = []
        while messages := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return [event for event in found if event["detail"]["alarmName"] == alarm]


@pytest.fixture
def watched(sandbox: SandboxProcess) -> Iterator[Watched]:
    name = f"watched-{uuid.uuid4().hex[:8]}"
    sqs, events, cloudwatch = (sandbox.client(service) for service in ("sqs", "events", "cloudwatch"))
    queue_url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.cloudwatch"], "detail": {"alarmName": [{"prefix": name}]}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    yield Watched(sandbox, name, queue_url)
    events.remove_targets(Rule=name, Ids=["queue"])
    events.delete_rule(Name=name)
    alarms = [
        alarm["AlarmName"]
        for kind in ("CompositeAlarm", "MetricAlarm")
        for page in cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=name, AlarmTypes=[kind])
        for alarm in page[f"{kind}s"]
    ]
    for alarm in alarms:
        cloudwatch.delete_alarms(AlarmNames=[alarm])


def test_an_alarm_on_a_share_rises_falls_and_is_told(watched: Watched) -> None:
    share = {"Id": "share", "Expression": "IF(calls >= 5, 100 * errors / calls, 0)", "ReturnData": True}
    queries = [watched.query("errors", "Errors"), watched.query("calls", "Calls"), share]
    alarm = watched.alarm("server_errors", Metrics=queries, TreatMissingData="notBreaching", AlarmDescription="5xx")
    watched.becomes(alarm, "OK")
    watched.events(alarm)
    watched.put(Errors=4, Calls=10)
    watched.becomes(alarm, "ALARM")
    (event,) = eventually(lambda: watched.events(alarm), bool)
    assert (event["source"], event["detail-type"]) == ("aws.cloudwatch", "CloudWatch Alarm State Change")
    assert event["resources"] == [f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{alarm}"]
    assert event["account"] == "123456789012"
    detail = event["detail"]
    assert (detail["previousState"]["value"], detail["state"]["value"]) == ("OK", "ALARM")
    assert "[40.0 (" in detail["state"]["reason"]
    assert json.loads(detail["state"]["reasonData"])["recentDatapoints"] == [40.0]
    assert detail["configuration"]["description"] == "5xx"
    errors, calls, last = detail["configuration"]["metrics"]
    assert errors["metricStat"]["metric"]["dimensions"] == {"EndpointName": watched.name, "VariantName": "A"}
    assert (calls["returnData"], last["expression"]) == (False, share["Expression"])
    watched.becomes(alarm, "OK")  # the period has passed, and nothing is missing


def test_too_little_traffic_is_no_share(watched: Watched) -> None:
    share = {"Id": "share", "Expression": "IF(calls >= 5, 100 * errors / calls, 0)", "ReturnData": True}
    alarm = watched.alarm("quiet", Metrics=[watched.query("errors", "Errors"), watched.query("calls", "Calls"), share])
    watched.put(Errors=3, Calls=4)
    watched.becomes(alarm, "OK")


@pytest.mark.parametrize(("values", "state"), [([1.0] * 90 + [9.0] * 10, "ALARM"), ([1.0] * 97 + [9.0] * 3, "OK")])
def test_an_alarm_judges_a_percentile(watched: Watched, values: list[float], state: str) -> None:
    alarm = watched.alarm("p95", "Latency", ExtendedStatistic="p95")
    watched.put(Latency=values)
    watched.becomes(alarm, state)


def test_an_alarm_watches_its_own_dimensions_only(watched: Watched) -> None:
    alarm = watched.alarm("one", "Errors", TreatMissingData="notBreaching")
    elsewhere = [{"Name": "EndpointName", "Value": "another"}, {"Name": "VariantName", "Value": "A"}]
    watched.cloudwatch.put_metric_data(
        Namespace=watched.name, MetricData=[{"MetricName": "Errors", "Value": 99.0, "Dimensions": elsewhere}]
    )
    guard = watched.alarm("other", "Errors", Dimensions=elsewhere)
    watched.becomes(guard, "ALARM")
    assert watched.state(alarm) == "OK"


@pytest.mark.parametrize(
    ("treatment", "state"), [("breaching", "ALARM"), ("notBreaching", "OK"), ("missing", "INSUFFICIENT_DATA")]
)
def test_an_alarm_without_data_does_what_it_says(watched: Watched, treatment: str, state: str) -> None:
    alarm = watched.alarm("beat", "Beats", ComparisonOperator="LessThanThreshold", TreatMissingData=treatment)
    if state == "INSUFFICIENT_DATA":
        watched.put(Beats=9)
        watched.becomes(alarm, "OK")
    watched.becomes(alarm, state)


def test_an_alarm_that_ignores_what_is_missing_keeps_its_state(watched: Watched) -> None:
    kept = watched.alarm("kept", "Errors", TreatMissingData="ignore")
    other = watched.alarm("other", "Errors", TreatMissingData="missing")
    watched.put(Errors=9)
    watched.becomes(kept, "ALARM")
    watched.becomes(other, "INSUFFICIENT_DATA")
    assert watched.state(kept) == "ALARM"


def test_some_of_several_periods_are_enough(watched: Watched) -> None:
    some = watched.alarm("some", "Errors", EvaluationPeriods=3, DatapointsToAlarm=2, TreatMissingData="notBreaching")
    every = watched.alarm("all", "Errors", EvaluationPeriods=3, TreatMissingData="notBreaching")
    now = datetime.now(UTC)
    watched.put(at=now - timedelta(seconds=12), Errors=9)
    watched.put(at=now - timedelta(seconds=1), Errors=9)
    watched.becomes(some, "ALARM")
    assert watched.state(every) == "OK"


def test_a_band_is_what_the_metric_used_to_be(watched: Watched) -> None:
    now = datetime.now(UTC)
    for minute in range(2, 32):
        watched.put(at=now - timedelta(minutes=minute), Latency=10.0 + minute % 3)
    band = {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(m1, 3)"}
    alarm = watched.alarm(
        "odd",
        Metrics=[watched.query("m1", "Latency", "Average", returned=True), band],
        ThresholdMetricId="band",
        ComparisonOperator="LessThanLowerOrGreaterThanUpperThreshold",
        TreatMissingData="ignore",
    )
    watched.put(Latency=11.0)
    watched.becomes(alarm, "OK")
    watched.put(Latency=200.0)
    watched.becomes(alarm, "ALARM")


def test_a_composite_follows_and_actions_reach_a_topic(watched: Watched) -> None:
    sns, sqs = watched.sandbox.client("sns"), watched.sandbox.client("sqs")
    topic = sns.create_topic(Name=watched.name)["TopicArn"]
    inbox = sqs.create_queue(QueueName=f"{watched.name}-topic")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    child = watched.alarm("child", "Errors", TreatMissingData="notBreaching")
    incident = f"{watched.name}/incident"
    watched.cloudwatch.put_composite_alarm(AlarmName=incident, AlarmRule=f'ALARM("{child}")', AlarmActions=[topic])
    watched.put(Errors=9)
    watched.becomes(incident, "ALARM")
    told = eventually(lambda: sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10).get("Messages", []), bool)
    message = json.loads(json.loads(told[0]["Body"])["Message"])
    assert (message["AlarmName"], message["NewStateValue"]) == (incident, "ALARM")
    events = eventually(
        lambda: [event for event in watched.events(incident) if event["detail"]["state"]["value"] == "ALARM"], bool
    )
    assert events[0]["detail"]["configuration"] == {"alarmRule": f'ALARM("{child}")'}


def test_a_state_set_by_hand_is_told_and_holds_for_a_period(watched: Watched) -> None:
    alarm = watched.alarm("hand", "Errors", TreatMissingData="notBreaching", Period=10)
    watched.becomes(alarm, "OK")
    watched.events(alarm)
    watched.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a drill")
    (event,) = eventually(lambda: watched.events(alarm), bool)
    assert event["detail"]["state"]["reason"] == "a drill"
    assert watched.state(alarm) == "ALARM"
    watched.becomes(alarm, "OK")


def test_a_mute_rule_keeps_actions_back_and_events_not(watched: Watched) -> None:
    sns, sqs = watched.sandbox.client("sns"), watched.sandbox.client("sqs")
    topic = sns.create_topic(Name=watched.name)["TopicArn"]
    inbox = sqs.create_queue(QueueName=f"{watched.name}-topic")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    muted, loud = (watched.alarm(name, "Errors", AlarmActions=[topic]) for name in ("muted", "loud"))
    cloudwatch = watched.cloudwatch
    rule = {
        "Name": watched.name,
        "Rule": {"Schedule": {"Expression": "cron(* * * * *)", "Duration": "PT1H", "Timezone": "Europe/Berlin"}},
        "MuteTargets": {"AlarmNames": [muted]},
    }
    cloudwatch.put_alarm_mute_rule(**rule)
    found = cloudwatch.get_alarm_mute_rule(AlarmMuteRuleName=watched.name)
    assert {name: found[name] for name in rule} == rule
    assert found["Status"] == "ACTIVE"
    (summary,) = cloudwatch.list_alarm_mute_rules(AlarmName=muted)["AlarmMuteRuleSummaries"]
    assert summary["AlarmMuteRuleArn"] == found["AlarmMuteRuleArn"]
    watched.put(Errors=9)
    watched.becomes(muted, "ALARM")
    watched.becomes(loud, "ALARM")
    told = eventually(lambda: sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10).get("Messages", []), bool)
    assert [json.loads(json.loads(one["Body"])["Message"])["AlarmName"] for one in told] == [loud]
    assert eventually(lambda: watched.events(muted), bool)
    cloudwatch.delete_alarm_mute_rule(AlarmMuteRuleName=watched.name)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        cloudwatch.get_alarm_mute_rule(AlarmMuteRuleName=watched.name)


def test_an_alarm_is_described_as_it_was_put(watched: Watched) -> None:
    cloudwatch = watched.cloudwatch
    share = {"Id": "share", "Expression": "errors / 2", "Label": "half", "ReturnData": True}
    request = {
        "AlarmName": f"{watched.name}/whole",
        "Metrics": [watched.query("errors", "Errors"), share],
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 1.5,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    cloudwatch.put_metric_alarm(**request, Tags=[{"Key": "team", "Value": "x"}])
    (found,) = cloudwatch.describe_alarms(AlarmNames=[request["AlarmName"]])["MetricAlarms"]
    assert {name: found[name] for name in request} == request
    assert not {"Statistic", "Period", "MetricName", "Namespace"} & set(found)
    assert cloudwatch.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"] == [{"Key": "team", "Value": "x"}]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"Period": 15}, "Period must be"),
        ({"Period": 60, "EvaluationPeriods": 1500}, "86400"),
    ],
)
def test_an_alarm_that_aws_refuses_is_refused(watched: Watched, change: dict[str, Any], match: str) -> None:
    with pytest.raises(ClientError, match=match):
        watched.alarm("wrong", "Errors", **change)


def test_metric_data_has_math_and_the_newest_first(watched: Watched) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    for minute, (errors, calls) in enumerate([(1, 10), (0, 0), (3, 4)]):
        watched.put(at=now + timedelta(minutes=minute), Errors=errors, Calls=calls)
    expressions = {"share": "errors / calls", "both": "SUM([errors, calls])", "worst": "MAX(errors)"}
    queries = [watched.query("errors", "Errors"), watched.query("calls", "Calls", returned=True)]
    for query in queries:
        query["MetricStat"]["Period"] = 60
    queries += [{"Id": name, "Expression": text} for name, text in expressions.items()]
    span = {"StartTime": now, "EndTime": now + timedelta(minutes=3)}
    found = watched.cloudwatch.get_metric_data(MetricDataQueries=queries, **span)["MetricDataResults"]
    values = {result["Id"]: result["Values"] for result in found}
    assert values == {"calls": [4, 0, 10], "share": [0.75, 0.1], "both": [7, 0, 11], "worst": [3, 3, 3]}
    up = watched.cloudwatch.get_metric_data(MetricDataQueries=queries, **span, ScanBy="TimestampAscending")
    assert up["MetricDataResults"][0]["Values"] == [10, 0, 4]
    queries[-1]["Expression"] = "__import__('os')"
    with pytest.raises(ClientError, match="does not have"):
        watched.cloudwatch.get_metric_data(MetricDataQueries=queries, **span)


def test_what_nobody_has_answers_not_implemented(sandbox: SandboxProcess) -> None:
    with pytest.raises(ClientError) as caught:
        sandbox.client("cloudwatch").describe_insight_rules()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
