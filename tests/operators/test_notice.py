"""Notices: told once, through whoever's topic it is, with what came of it on record."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest

from tests.operators.conftest import REGION
from watchkeeper.operators.message_text import RunOrigin
from watchkeeper.operators.notice import Notice, send_notice

NOW = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)
RUN = RunOrigin("remediate", "manual__1 x", "https://airflow.example.com/")
NOTICE = Notice(
    key="action/flights/1",
    kind="action",
    severity="critical",
    headline="[critical] flights: rolled back to flights-3",
    lines=("Alarm: watchkeeper/flights/AllTraffic/server_errors",),
    endpoint="flights",
    runbook="server_errors.md",
    thread="flights/2026-11-25T04:20:00Z",
    attributes={"action": "roll_back"},
)


def send(place, notice=NOTICE, now=NOW, origin=RUN, **fields):
    return send_notice(place.deployment, notice, origin, now=now, warn=lambda *_: None, **fields)


def changed(**fields):
    return Notice(**(vars(NOTICE) | fields))


def test_a_notice_says_who_where_and_what_to_read(place):
    outcome = send(place, links={"console": "https://console.example.com/alarm", "report": None})
    (message,) = place.messages()
    assert outcome.status == "sent"
    assert outcome.message_id == message["MessageId"]
    assert message["Subject"] == NOTICE.headline
    assert message["Message"].splitlines() == [
        "[critical] flights: rolled back to flights-3",
        "",
        "Alarm: watchkeeper/flights/AllTraffic/server_errors",
        "Owner: flight-ops",
        "",
        "Runbook: include/runbooks/server_errors.md",
        "Airflow run: https://airflow.example.com/dags/remediate/runs/manual__1%20x",
        "Console: https://console.example.com/alarm",
    ]
    assert {name: item["Value"] for name, item in message["MessageAttributes"].items()} == {
        "kind": "action",
        "severity": "critical",
        "endpoint": "flights",
        "owner": "flight-ops",
        "thread": "flights/2026-11-25T04:20:00Z",
        "action": "roll_back",
    }


def test_a_notice_is_told_once_whoever_gives_it_again(place):
    assert send(place).status == "sent"
    assert send(place, now=NOW + timedelta(days=30), origin=RunOrigin("remediate", "manual__2")).status == "told before"
    assert send(place, changed(key="action/flights/2")).status == "sent"
    assert len(place.messages()) == 2
    record = place.deployment.notices.read(NOTICE.key)
    assert (record.status, record.endpoint, record.deliveries[0].target) == ("sent", "flights", place.topic)


def test_a_notice_that_another_run_is_about_to_send_is_no_silent_success(place):
    place.deployment.notices.claim(NOTICE.key, now=NOW, run_id="other", kind="action", severity="info", headline="h")
    outcome = send(place, now=NOW + timedelta(minutes=9))
    assert outcome.status == "failed"
    assert "run other has claimed it" in outcome.why
    assert send(place, now=NOW + timedelta(minutes=10)).status == "sent"


def test_a_topic_that_fails_can_be_tried_again_at_once(place, monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:gone")
    warned = []
    outcome = send_notice(place.deployment, NOTICE, RUN, now=NOW, warn=lambda *said: warned.append(said))
    assert outcome.status == "failed"
    assert "gone" in str(warned)
    monkeypatch.setenv("WATCHKEEPER_TOPIC_ARN", place.topic)
    assert send(place).status == "sent"


def test_nobody_to_tell_claims_nothing(place, monkeypatch):
    monkeypatch.delenv("WATCHKEEPER_TOPIC_ARN")
    assert send(place).status == "no route"
    monkeypatch.setenv("WATCHKEEPER_TOPIC_ARN", place.topic)
    assert send(place).status == "sent"


@pytest.mark.parametrize("endpoint", [None, "unknown"])
def test_what_is_about_no_endpoint_of_the_registry_goes_to_the_deployments_topic(place, endpoint):
    assert send(place, changed(endpoint=endpoint, owner="platform")).status == "sent"
    (message,) = place.messages()
    assert message["MessageAttributes"]["owner"]["Value"] == "platform"


def test_messages_of_a_thread_keep_their_order_in_a_topic_of_the_endpoint(place):
    sns = boto3.client("sns", region_name=REGION)
    mine = sns.create_topic(Name="mine.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    place.endpoint(alerts={"topic_arn": mine})
    send(place)
    send(place, changed(key="2"))
    send(place, changed(key="3", thread="another"))
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.sns import sns_backends

    sent = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[mine].sent_notifications
    groups = [message[4] for message in sent]
    assert groups[0] == groups[1] != groups[2]
    assert place.messages() == []
