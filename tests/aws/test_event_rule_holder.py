"""Which events reach which queue: patterns, queues by their URLs, and what remediation follows by name."""

import json

import pytest

from watchkeeper.aws.event_rule_holder import EventQueue, alarm_pattern, platform_pattern, queue_permission
from watchkeeper.aws.resource_place import PlaceIdentity
from watchkeeper.errors import SettingsError

HOME = PlaceIdentity("123456789012", "us-east-1")


@pytest.mark.parametrize(
    ("url", "home", "arn"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/alarms", HOME, "arn:aws:sqs:eu-west-1:123456789012:alarms"),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/q", HOME, "arn:aws:sqs:eu-west-1:123456789012:q"),
        ("http://127.0.0.1:4566/123456789012/alarms", HOME, "arn:aws:sqs:us-east-1:123456789012:alarms"),
        (
            "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q.fifo",
            PlaceIdentity("123456789012", "cn-north-1"),
            "arn:aws-cn:sqs:cn-north-1:123456789012:q.fifo",
        ),
    ],
)
def test_a_queues_arn_is_read_from_its_url(url, home, arn):
    assert EventQueue.of(url, home).arn == arn


def test_only_a_fifo_queue_gets_a_group():
    plain, ordered = (
        EventQueue.of(f"https://sqs.us-east-1.amazonaws.com/123456789012/{name}", HOME) for name in ("q", "q.fifo")
    )
    assert plain.target == {"Arn": plain.arn}
    assert ordered.target == {"Arn": ordered.arn, "SqsParameters": {"MessageGroupId": "watchkeeper"}}


def test_what_is_no_queue_is_told():
    with pytest.raises(SettingsError, match="use a queue's URL"):
        EventQueue.of("https://example.com/queue", HOME)


def test_alarms_of_others_that_somebody_follows_come_too():
    pattern = alarm_pattern("wk", {"theirs"})
    assert pattern["detail"]["alarmName"] == [{"prefix": "wk/"}, "theirs"]
    assert "detail" not in alarm_pattern("wk", {f"{'x' * 90}{number}" for number in range(60)})
    assert len(json.dumps(alarm_pattern("wk", {f"x{number}" for number in range(60)}))) <= 4096


def test_recorded_calls_are_another_rules_matter():
    pattern = platform_pattern(["aws.sagemaker"])
    assert pattern["detail-type"] == [{"anything-but": ["AWS API Call via CloudTrail"]}]


def test_only_our_rules_may_write_to_a_queue():
    queue = EventQueue.of("https://sqs.us-east-1.amazonaws.com/123456789012/q", HOME)
    body = queue_permission(queue, ["arn:b", "arn:a"], "wk-one").body
    assert (body["Sid"], body["Resource"]) == ("wkoneEvents", queue.arn)
    assert body["Condition"] == {"ArnEquals": {"aws:SourceArn": ["arn:a", "arn:b"]}}
