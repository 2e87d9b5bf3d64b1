"""Who gets which message: routes, silences, groups, storms, threads, and what happens when a channel fails."""

import json
import sys
from datetime import UTC, datetime, timedelta

import boto3
import pytest
import yaml

from tests.aws.result_samples import result
from tests.operators.conftest import REGION
from tests.operators.message_receivers import Receiver
from tests.operators.test_publish_findings import BEFORE, NOW, publish, store, subjects, violated
from watchkeeper.operators.finding_alerts import AlertPublisher
from watchkeeper.operators.message_text import RunOrigin
from watchkeeper.operators.notice import Notice, send_notice, send_notices
from watchkeeper.operators.reminders import send_reminders
from watchkeeper.registry.capture_window import HOUR
from watchkeeper.registry.routing_spec import SilenceSpec

MOMENT = datetime(2026, 11, 25, 5, tzinfo=UTC)
CHANNELS = {"slack": {"slack": {"channel": "#models"}}, "pager": {"pagerduty": {}}}


@pytest.fixture
def receiver(monkeypatch, tmp_path_factory):
    with Receiver(tmp_path_factory.mktemp("tls")) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        slack = {"conn_type": "slack", "password": "no-token", "extra": {"base_url": f"{server.url}/"}}
        pager = {"conn_type": "pagerduty_events", "password": "no-key", "host": server.secure_url}
        monkeypatch.setenv("AIRFLOW_CONN_SLACK_API_DEFAULT", json.dumps(slack))
        monkeypatch.setenv("AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT", json.dumps(pager))
        yield server


@pytest.fixture
def fleet(place, tmp_path, monkeypatch):
    include = tmp_path / "include"
    include.mkdir()
    monkeypatch.setenv("WATCHKEEPER_INCLUDE", str(include))

    def write(**routing):
        (include / "fleet.yaml").write_text(yaml.safe_dump({"routing": {"channels": CHANNELS} | routing}))

    return write


def notice(key="n-1", **fields):
    values = {
        "kind": "alert",
        "severity": "critical",
        "headline": "[critical] flights: server_errors",
        "endpoint": "flights",
        "thread": "incident/flights/1",
    }
    return Notice(key=key, **(values | fields))


def send(place, given, now=MOMENT, warned=None):
    warn = (lambda *_: None) if warned is None else (lambda *said: warned.append(said[0] % said[1:]))
    return send_notice(place.deployment, given, now=now, warn=warn)


def queue_of(place, name):
    sns = boto3.client("sns", region_name=REGION)
    topic = sns.create_topic(Name=name)["TopicArn"]
    url = place.sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = place.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return topic, url


def received(place, url):
    answer = place.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_a_route_takes_what_it_names_and_the_rest_goes_to_the_deployments_topic(place, fleet):
    topic, url = queue_of(place, "growth")
    fleet(
        channels=CHANNELS | {"growth": {"sns": {"topic_arn": topic}}},
        routes=[{"match": {"tags": {"tier": "gold"}}, "channels": ["growth"]}],
    )
    place.endpoint("churn", tags={"tier": "gold"})
    assert send(place, notice(endpoint="churn")).deliveries[0].channel == "growth"
    assert send(place, notice("n-2")).deliveries[0].target == place.topic
    assert len(received(place, url)) == 1
    assert len(place.messages()) == 1


def test_findings_go_through_the_routes_too(place, fleet, receiver):
    fleet(routes=[{"match": {"monitor": ["data_quality"]}, "channels": ["slack"]}])
    store(place, violated())
    assert publish(place)["sent"]
    assert place.messages() == []
    (posted,) = receiver.slack
    assert posted["channel"] == "#models"
    assert posted["text"].startswith("*[warning] flights: violated, delay baseline_drift_check")
    assert publish(place) == {"sent": [], "quiet": []}


def test_an_incident_is_one_thread_in_slack_and_one_incident_in_pagerduty(place, fleet, receiver):
    fleet(routes=[{"match": {"kind": ["alert"]}, "channels": ["slack", "pager"]}])
    send(place, notice())
    send(place, notice("n-2", headline="[critical] flights: model_errors"))
    send(place, notice("n-3", kind="recovery", severity="info", headline="flights is ok again"))
    send(place, notice("n-4"))
    assert [post.get("thread_ts") for post in receiver.slack] == [None, "1700.1", "1700.1", None]
    assert [post.get("reply_broadcast") for post in receiver.slack] == [None, True, False, None]
    actions = [(event["event_action"], event["dedup_key"]) for event in receiver.pager]
    assert actions == [(action, "incident/flights/1") for action in ("trigger", "trigger", "resolve", "trigger")]
    assert receiver.pager[0]["routing_key"] == "no-key"
    assert receiver.pager[0]["payload"]["severity"] == "critical"
    assert place.messages() == []


def test_good_news_go_to_those_who_had_the_bad_whatever_the_routes_say(place, fleet, receiver):
    fleet(routes=[{"match": {"kind": ["alert"]}, "channels": ["slack"]}])
    store(place, violated(BEFORE), result(window=NOW, digest="e" * 32))
    publish(place, BEFORE)
    fleet(routes=[])
    publish(place)
    assert receiver.slack[1]["text"].startswith("*flights is ok again")
    assert receiver.slack[1]["thread_ts"] == "1700.1"
    assert place.messages() == []


def test_good_news_find_their_people_when_the_channel_is_gone(place, fleet, receiver):
    fleet(routes=[{"channels": ["slack"]}])
    send(place, notice())
    fleet(channels={})
    send(place, notice("n-2", kind="recovery", severity="info"))
    assert len(place.messages()) == 1


def test_a_withdrawal_resolves_only_when_nothing_else_stands(place, fleet, receiver):
    fleet(routes=[{"channels": ["pager"]}])
    store(place, violated(BEFORE), violated(NOW, features=("distance",), digest="f" * 32))
    publish(place, BEFORE)
    publish(place)
    store(place, result(window=BEFORE, digest="e" * 32))
    publish(place, BEFORE)
    assert [event["event_action"] for event in receiver.pager] == ["trigger", "trigger"]
    store(place, result(window=NOW, digest="a" * 32))
    publish(place)
    assert [event["event_action"] for event in receiver.pager] == ["trigger", "trigger", "resolve"]


def test_a_missing_provider_falls_back_to_the_topic_with_a_warning(place, fleet, monkeypatch):
    fleet(routes=[{"channels": ["slack"]}])
    monkeypatch.setitem(sys.modules, "airflow.providers.slack", None)
    warned = []
    outcome = send(place, notice(), warned=warned)
    assert (outcome.status, outcome.deliveries[0].channel) == ("sent", "slack")
    assert "needs apache-airflow-providers-slack, which is not installed" in warned[0]
    assert len(place.messages()) == 1
    assert send(place, notice()).status == "told before"


def test_a_channel_that_fails_is_tried_again_alone(place, fleet, receiver):
    fleet(
        channels=CHANNELS | {"topic": {"sns": {"topic_arn": place.topic}}},
        routes=[{"channels": ["topic", "slack"]}],
    )
    receiver.slack_error = "invalid_auth"
    outcome = send(place, notice())
    assert outcome.status == "failed"
    assert outcome.why.startswith("slack: ")
    assert "invalid_auth" in outcome.why
    receiver.slack_error = ""
    again = send(place, notice(), now=MOMENT + timedelta(seconds=1))
    assert again.status == "sent"
    assert [one.channel for one in again.deliveries] == ["topic", "slack"]
    assert len(place.messages()) == 1
    assert len(receiver.slack) == 2


def test_a_finding_that_slack_refused_is_made_good_by_the_next_report(place, fleet, receiver):
    fleet(
        channels=CHANNELS | {"topic": {"sns": {"topic_arn": place.topic}}},
        routes=[{"channels": ["topic", "slack"]}],
    )
    store(place, violated(BEFORE), result(window=NOW, verdict="no_traffic", digest="e" * 32))
    receiver.slack_error = "invalid_auth"
    with pytest.raises(RuntimeError, match="invalid_auth"):
        publish(place, BEFORE)
    receiver.slack_error = ""
    assert publish(place)["sent"] == [f"flights/AllTraffic {BEFORE.name}"]
    assert len(place.messages()) == 1


def silence(until, **match):
    values = {"match": match, "until": until, "reason": "the warehouse is moved", "author": "ana"}
    return SilenceSpec.model_validate(values)


def test_a_silence_holds_back_until_it_ends_and_not_a_second_longer(place):
    place.deployment.silences.write(silence(MOMENT + timedelta(hours=1), endpoint=["flights"]))
    outcome = send(place, notice())
    assert (outcome.status, outcome.why) == ("silenced", "until 2026-11-25T06:00Z, the warehouse is moved (ana)")
    assert send(place, notice("n-2", endpoint=None)).status == "sent"
    assert send(place, notice("n-3"), now=MOMENT + timedelta(hours=1)).status == "sent"
    assert place.deployment.notices.read("n-1").why.startswith("until 2026-11-25T06:00Z")


def test_what_was_silenced_is_told_once_the_silence_is_over_if_it_still_holds(place):
    held = place.deployment.silences.write(silence(NOW.end + timedelta(days=9), monitor=["data_quality"]))
    store(place, violated(BEFORE), violated(NOW, digest="e" * 32))
    assert publish(place, BEFORE) == {"sent": [], "quiet": []}
    place.deployment.silences.lift(held)
    assert publish(place)["sent"]


def test_a_silence_that_cannot_be_read_silences_nothing(place):
    place.deployment.silences.objects.write("silences/broken.json", b'{"match": {}}')
    warned = []
    assert send(place, notice(), warned=warned).status == "sent"
    assert "silences/broken.json is no silence that can be read" in warned[0]


def test_a_fleet_file_that_cannot_be_read_costs_no_message(place, fleet, tmp_path):
    fleet()
    (tmp_path / "include" / "fleet.yaml").write_text("routing: {routes: [{channels: [gone]}]}")
    warned = []
    assert send(place, notice(), warned=warned).status == "sent"
    assert "the fleet's file cannot be read" in warned[0]
    assert len(place.messages()) == 1


def test_the_same_fingerprint_is_quiet_for_its_minutes(place):
    assert send(place, notice(fingerprint="f")).status == "sent"
    outcome = send(place, notice("n-2", fingerprint="f"), now=MOMENT + timedelta(minutes=59))
    assert (outcome.status, outcome.why) == ("quiet", "n-1 told the same at 2026-11-25T05:00:00Z")
    assert send(place, notice("n-3", fingerprint="f"), now=MOMENT + timedelta(minutes=60)).status == "sent"
    assert send(place, notice("n-4", fingerprint="other")).status == "sent"


def test_the_same_findings_are_told_again_when_the_reminder_is_due(place, fleet):
    fleet(reminder_hours=2)
    first = violated(BEFORE)
    store(place, first, violated(NOW, digest="e" * 32))
    alerts = place.deployment.alerts
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    alerts.mark_sent(alerts.claim(first, kind="alert", now=long_ago), now=long_ago)
    assert publish(place)["sent"]
    (message,) = place.messages()
    assert message["Subject"] == "[warning] flights: still violated, delay baseline_drift_check"
    assert message["MessageAttributes"]["kind"]["Value"] == "reminder"
    later = violated(NOW.shifted(HOUR), digest="f" * 32)
    store(place, later)
    assert publish(place, NOW.shifted(HOUR), act=True)["quiet"]


def remind(place, now):
    return [one.status for one in send_reminders(place.deployment, RunOrigin(), now=now, warn=print)]


def test_an_incident_is_told_again_until_somebody_says_that_it_is_over(place):
    send(place, notice(runbook="server_errors.md"))
    assert remind(place, MOMENT + timedelta(hours=23)) == []
    assert remind(place, MOMENT + timedelta(hours=24)) == ["sent"]
    assert remind(place, MOMENT + timedelta(hours=25)) == []
    assert remind(place, MOMENT + timedelta(hours=48)) == ["sent"]
    _, first, _ = place.messages()
    assert first["Subject"] == "Still open: [critical] flights: server_errors"
    assert first["MessageAttributes"]["kind"]["Value"] == "reminder"
    assert "Since: 2026-11-25T05:00:00Z" in first["Message"]
    assert "Runbook: include/runbooks/server_errors.md" in first["Message"]
    send(place, notice("n-2", kind="recovery"), now=MOMENT + timedelta(hours=50))
    assert remind(place, MOMENT + timedelta(days=4)) == []


def test_a_reminder_that_was_silenced_comes_after_the_silence(place):
    send(place, notice())
    place.deployment.silences.write(silence(MOMENT + timedelta(hours=30), endpoint=["flights"]))
    assert remind(place, MOMENT + timedelta(hours=24)) == ["silenced"]
    assert remind(place, MOMENT + timedelta(hours=25)) == ["told before"]
    assert remind(place, MOMENT + timedelta(hours=48)) == ["sent"]


def test_what_is_forgotten_is_told_a_week_long_and_then_removed(place):
    send(place, notice())
    assert remind(place, MOMENT + timedelta(days=7)) == ["sent"]
    assert remind(place, MOMENT + timedelta(days=8, hours=1)) == []
    assert place.deployment.threads.read("incident/flights/1") is not None
    remind(place, MOMENT + timedelta(days=38))
    assert place.deployment.threads.read("incident/flights/1") is None


def test_findings_and_mere_news_are_not_told_again_here(place):
    store(place, violated())
    publish(place)
    send(place, notice("n-2", kind="action", thread="other"))
    assert remind(place, datetime.now(UTC) + timedelta(days=2)) == []


def publisher(place):
    return AlertPublisher(place.deployment, "monitor_hourly", "scheduled__1", None, print)


def test_several_alerts_of_one_endpoint_in_one_run_are_one_message(place):
    place.endpoint(variants=["AllTraffic", "Shadow"])
    report = publisher(place).publish([violated(), violated(variant="Shadow", verdict="capture_gap", digest="e" * 32)])
    assert len(report.sent) == 2
    (message,) = place.messages()
    assert message["Subject"] == "[warning] flights: 1 violated, 1 capture_gap"
    assert json.loads(message["MessageAttributes"]["variant"]["Value"]) == ["AllTraffic", "Shadow"]
    assert message["MessageAttributes"]["variant"]["Type"] == "String.Array"
    assert message["MessageAttributes"]["endpoint"]["Value"] == "flights"
    assert message["Message"].count("Runbook: ") == 2


def test_without_grouping_each_is_a_message(place, fleet):
    fleet(group=False)
    place.endpoint(variants=["AllTraffic", "Shadow"])
    publisher(place).publish([violated(), violated(variant="Shadow", digest="e" * 32)])
    assert len(place.messages()) == 2


def test_within_a_run_the_same_findings_are_told_once(place):
    report = publisher(place).publish([violated(BEFORE), violated(NOW, digest="e" * 32)])
    assert report.sent == (f"flights/AllTraffic {BEFORE.name}",)
    assert report.quiet == (f"flights/AllTraffic {NOW.name}",)
    assert len(place.messages()) == 1


def test_what_follows_an_alert_that_was_not_sent_waits_for_it(place):
    place.endpoint(alerts={"topic_arn": "arn:aws:sns:us-east-1:123456789012:gone"})
    given = [violated(BEFORE.previous()), violated(BEFORE, digest="e" * 32), result(window=NOW, digest="f" * 32)]
    store(place, *given)
    report = publisher(place).publish(given)
    assert (report.sent, report.quiet) == ((), ())
    assert len(report.faults) == 3
    place.endpoint()
    assert len(publisher(place).publish(given).sent) == 2
    assert subjects(place) == ["[warning] flights: violated, delay baseline_drift_check", "flights is ok again"]


def test_a_storm_over_the_fleet_is_one_summary_and_each_recovers_for_itself(place, fleet, receiver):
    fleet(storm_endpoints=2, routes=[{"channels": ["slack", "pager"]}])
    names = ["a", "b", "c"]
    for name in names:
        place.endpoint(name)
    report = publisher(place).publish([violated(BEFORE, endpoint=name) for name in names])
    assert len(report.sent) == 3
    (posted,), (event,) = receiver.slack, receiver.pager
    assert posted["text"].startswith("*[warning] 3 endpoints at once: 3 violated*")
    assert event["payload"]["custom_details"]["endpoint"] == names
    assert posted["text"].endswith("Runbook: include/runbooks/alert_storm.md")
    for name in names:
        assert publisher(place).publish([result(endpoint=name, window=NOW, digest="e" * 32)]).sent
    assert [post.get("thread_ts") for post in receiver.slack] == [None, "1700.1", "1700.1", "1700.1"]
    assert [event["event_action"] for event in receiver.pager] == ["trigger", "resolve"]
    assert {event["dedup_key"] for event in receiver.pager} == {event["dedup_key"]}


def test_notices_of_one_endpoint_in_one_run_are_one_message_and_a_question_stands_alone(place):
    given = [
        notice("n-1"),
        notice("n-2", headline="[critical] flights: model_latency_p95"),
        notice("n-3", kind="approval_wanted", headline="flights: roll back?"),
        notice("n-1"),
    ]
    outcomes = send_notices(place.deployment, given, now=MOMENT, warn=print)
    assert [one.status for one in outcomes] == ["sent", "sent", "sent", "told before"]
    assert outcomes[0].message_id == outcomes[1].message_id != outcomes[2].message_id
    assert sorted(subjects(place)) == ["[critical] flights: 2 alert", "flights: roll back?"]
