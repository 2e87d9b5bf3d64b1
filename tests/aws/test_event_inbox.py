"""The inbox and its queue: nothing is lost, a message delivered five times is one file."""

import asyncio
import json
from datetime import UTC, datetime

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.aws.conftest import BUCKET, REGION
from watchkeeper.aws.event_inbox import ALARM_CHANGE, EventInbox, parse_event
from watchkeeper.aws.inbox_trigger import InboxTrigger
from watchkeeper.aws.queue_drain import drain_queue
from watchkeeper.errors import StoreError

NOW = datetime(2026, 11, 20, 5, 0, 30, tzinfo=UTC)


def alarm_body(event_id="e1", name="watchkeeper/flights/AllTraffic/server_errors", value="ALARM", at="05:00:00"):
    return json.dumps(
        {
            "version": "0",
            "id": event_id,
            "detail-type": ALARM_CHANGE,
            "source": "aws.cloudwatch",
            "account": "123456789012",
            "time": f"2026-11-20T{at}Z",
            "region": REGION,
            "resources": [f"arn:aws:cloudwatch:{REGION}:123456789012:alarm:{name}"],
            "detail": {"alarmName": name, "state": {"value": value, "reason": "r"}, "previousState": {"value": "OK"}},
        }
    )


def platform_body(event_id="p1"):
    return json.dumps(
        {
            "id": event_id,
            "detail-type": "SageMaker Endpoint State Change",
            "source": "aws.sagemaker",
            "time": "2026-11-20T04:00:00Z",
            "detail": {"EndpointName": "flights-delay"},
        }
    )


def enveloped(body):
    return json.dumps({"Type": "Notification", "MessageId": "m", "TopicArn": "arn", "Message": body})


@pytest.fixture
def inbox(s3):
    return EventInbox(BUCKET, "wk", s3)


@pytest.fixture
def queue():
    sqs = boto3.client("sqs", region_name=REGION)
    return sqs, sqs.create_queue(QueueName="alarms")["QueueUrl"]


def keys(s3):
    return sorted(item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []))


def test_an_event_waits_in_the_channel_that_it_says_itself(inbox, s3):
    inbox.receive(alarm_body(), NOW)
    inbox.receive(platform_body(), NOW)
    assert keys(s3) == ["wk/events/inbox/alarms/e1.json", "wk/events/inbox/platform/p1.json"]
    (event,) = inbox.pending("alarms")
    assert (event.event_id, event.at, event.received_at) == ("e1", "2026-11-20T05:00:00Z", "2026-11-20T05:00:30Z")
    assert event.detail["state"]["value"] == "ALARM"
    assert event.resources[0].endswith("server_errors")


def test_a_message_delivered_five_times_is_one_file_even_after_it_was_worked_off(inbox, s3):
    first = inbox.receive(alarm_body(), NOW)
    again = inbox.receive(alarm_body(), NOW.replace(minute=3))
    assert first.event_id == again.event_id
    assert [event.received_at for event in inbox.pending("alarms")] == ["2026-11-20T05:00:30Z"]
    inbox.archive(first)
    inbox.archive(first)
    for _ in range(3):
        assert inbox.receive(alarm_body(), NOW).event_id == "e1"
    assert keys(s3) == ["wk/events/archive/2026/11/20/e1.json"]
    assert inbox.pending("alarms") == []


def test_pending_events_come_oldest_first(inbox):
    for event_id, at in [("a", "05:20:00"), ("b", "05:00:00"), ("c", "05:10:00")]:
        inbox.receive(alarm_body(event_id, at=at), NOW)
    assert [event.event_id for event in inbox.pending("alarms")] == ["b", "c", "a"]


def test_an_sns_envelope_is_taken_off(inbox):
    assert inbox.receive(enveloped(alarm_body()), NOW) == inbox.receive(alarm_body(), NOW)


def test_an_alarms_own_message_to_a_topic_is_the_event_that_eventbridge_would_send(inbox):
    arn = f"arn:aws:cloudwatch:{REGION}:123456789012:alarm:watchkeeper/flights/AllTraffic/server_errors"
    message = {
        "AlarmName": "watchkeeper/flights/AllTraffic/server_errors",
        "AlarmArn": arn,
        "AWSAccountId": "123456789012",
        "NewStateValue": "ALARM",
        "OldStateValue": "OK",
        "NewStateReason": "Threshold Crossed",
        "StateChangeTime": "2026-11-20T05:00:00.123+0000",
        "Region": "US East (N. Virginia)",
    }
    event = inbox.receive(enveloped(json.dumps(message)), NOW)
    assert (event.channel, event.region, event.account) == ("alarms", REGION, "123456789012")
    assert event.detail["alarmName"] == message["AlarmName"]
    assert event.detail["state"]["value"] == "ALARM"
    assert event.detail["previousState"]["value"] == "OK"
    assert inbox.receive(json.dumps(message), NOW).event_id == event.event_id


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "no JSON"),
        ("not json", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "a list"),
        ("null", "missing"),
        ("{}", "no source"),
        ('{"source": "s", "detail-type": "t"}', "no time"),
        ('{"source": "s", "detail-type": "t", "time": "2026-11-20T05:00:00Z"}', "detail is missing"),
        ('{"source": "s", "detail-type": "t", "time": "yesterday", "detail": {}}', "no ISO 8601 time"),
        ('{"source": "s", "detail-type": "t", "time": "2026-11-20T05:00:00", "detail": {}}', "no ISO 8601 time"),
        (alarm_body().replace('"reason": ', '"half": "\\ud800", "reason": '), "cannot be stored"),
        ('{"Type": "Notification", "Message": "plain text"}', "inside the SNS envelope"),
    ],
)
def test_a_malformed_body_is_kept_and_told(inbox, s3, body, why):
    assert inbox.receive(body, NOW) is None
    assert inbox.receive(body, NOW) is None
    (kept,) = inbox.malformed()
    assert why in kept.why
    assert kept.body == body
    inbox.archive_malformed(kept)
    assert list(inbox.malformed()) == []
    assert keys(s3) == [f"wk/events/archive/malformed/{kept.digest}.json"]
    assert inbox.malformed_uri(kept.digest).endswith(keys(s3)[0])


BODIES = st.text(max_size=200) | st.recursive(
    st.none() | st.text(max_size=20),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part, max_size=3),
).map(json.dumps)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES)
def test_any_body_is_an_event_or_a_value_error(body):
    try:
        told = parse_event(body, NOW).event_id
    except ValueError as error:
        told = str(error)
    assert told


@given(event_id=st.text(min_size=1))
def test_any_id_names_one_file_and_always_the_same(event_id):
    first, again = (parse_event(alarm_body(event_id), NOW) for _ in range(2))
    assert first == again
    assert "/" not in first.event_id
    assert len(first.event_id) <= 128


def test_a_file_that_somebody_broke_is_told_and_holds_up_no_other(inbox, s3):
    inbox.receive(alarm_body("good"), NOW)
    s3.put_object(Bucket=BUCKET, Key="wk/events/inbox/alarms/bad.json", Body=b"{}")
    assert [event.event_id for event in inbox.pending("alarms")] == ["good"]
    (kept,) = inbox.malformed()
    assert "bad.json" in kept.why


def test_a_queue_is_emptied_batch_by_batch_into_the_inbox(inbox, queue):
    sqs, url = queue
    for place in range(23):
        sqs.send_message(QueueUrl=url, MessageBody=alarm_body(f"e{place}"))
    for _ in range(4):
        sqs.send_message(QueueUrl=url, MessageBody=alarm_body("e0"))
    sqs.send_message(QueueUrl=url, MessageBody="broken")
    drained = drain_queue(sqs, url, inbox)
    assert (drained.messages, drained.malformed, drained.left) == (28, 1, 0)
    assert len(inbox.pending("alarms")) == 23
    assert drain_queue(sqs, url, inbox).messages == 0
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == counts["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_a_message_stays_in_the_queue_while_the_inbox_cannot_be_written(queue, s3):
    sqs, url = queue
    sqs.send_message(QueueUrl=url, MessageBody=alarm_body())
    with pytest.raises(StoreError, match="bucket does not exist"):
        drain_queue(sqs, url, EventInbox("no-such-bucket", "wk", s3))
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_a_queue_that_is_not_there_is_named(inbox, queue):
    sqs, url = queue
    with pytest.raises(StoreError, match="no such queue"):
        drain_queue(sqs, url.replace("alarms", "other"), inbox)


def test_the_trigger_rings_after_the_files_are_there_and_again_for_the_next(inbox, queue, monkeypatch):
    sqs, url = queue
    for name, value in {"BUCKET": BUCKET, "PREFIX": "wk", "REGION_NAME": REGION}.items():
        monkeypatch.setenv(f"WATCHKEEPER_{name}", value)
    sqs.send_message(QueueUrl=url, MessageBody=alarm_body("e1"))
    sqs.send_message(QueueUrl=url, MessageBody="broken")

    async def rings():
        events = InboxTrigger(queue_url=url, waiter_delay=0, wait_time_seconds=0).run()
        first = await anext(events)
        assert [event.event_id for event in inbox.pending("alarms")] == ["e1"]
        sqs.send_message(QueueUrl=url, MessageBody=alarm_body("e2"))
        second = await anext(events)
        await events.aclose()
        return first.payload, second.payload

    first, second = asyncio.run(rings())
    assert first == {"status": "success", "events": 1, "malformed": 1, "event_ids": ["e1"]}
    assert second["event_ids"] == ["e2"]


def test_the_trigger_outlives_a_fault(queue, monkeypatch):
    sqs, url = queue
    monkeypatch.setattr("watchkeeper.aws.inbox_trigger._AFTER_A_FAULT_SECONDS", 0)
    sqs.send_message(QueueUrl=url, MessageBody=alarm_body("e1"))

    async def ring():
        events = InboxTrigger(queue_url=url, waiter_delay=0, wait_time_seconds=0).run()
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        for name, value in {"BUCKET": BUCKET, "PREFIX": "wk", "REGION_NAME": REGION}.items():
            monkeypatch.setenv(f"WATCHKEEPER_{name}", value)
        return (await asyncio.wait_for(waiting, 60)).payload

    assert asyncio.run(ring())["event_ids"] == ["e1"]
