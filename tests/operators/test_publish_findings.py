"""Alerts: who is told, how often, and of what."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest

from tests.aws.result_samples import finding, result
from tests.operators.conftest import context
from watchkeeper.operators.finding_alerts import AlertPublisher
from watchkeeper.operators.publish_findings import PublishFindingsOperator
from watchkeeper.registry.capture_window import HOUR, Window

NOW = Window.hour_of(datetime.now(UTC) - HOUR)
BEFORE = NOW.previous()


def violated(window=NOW, *, features=("delay",), digest="d" * 32, **fields):
    findings = tuple(finding(name, severity="high") for name in features)
    values = {
        "verdict": "violated",
        "reason": "1 of 12 checks violated; worst: delay, baseline_drift_check",
        "findings": findings,
        "severity": "high",
        "worst_feature": features[0],
        "worst_check": "baseline_drift_check",
    }
    return result(window=window, digest=digest, **(values | fields))


def store(place, *results):
    for item in results:
        place.deployment.reports.write_result(item, {}, Window.from_name(item.window))


def publish(place, window=NOW, **fields):
    arguments = {"endpoint": "flights", "window_start": window.start.isoformat(), "window_end": window.end.isoformat()}
    return PublishFindingsOperator(task_id="publish", **(arguments | fields)).execute(context())


def subjects(place):
    return [message["Subject"] for message in place.messages()]


def test_a_violation_is_told_once(place):
    store(place, violated())
    assert publish(place)["sent"] == [f"flights/AllTraffic {NOW.name}"]
    assert publish(place) == {"sent": [], "quiet": []}
    assert subjects(place) == ["[warning] flights: violated, delay baseline_drift_check"]


def test_the_same_findings_of_the_next_window_are_quiet_for_as_long_as_they_last(place):
    first, second, third = BEFORE.previous(), BEFORE, NOW
    store(place, violated(first), violated(second, digest="e" * 32), violated(third, digest="f" * 32))
    assert publish(place, first)["sent"]
    assert publish(place, second)["quiet"]
    assert publish(place, third)["quiet"]
    assert len(subjects(place)) == 1


def test_other_findings_are_told_again(place):
    store(place, violated(BEFORE), violated(NOW, features=("delay", "distance"), digest="e" * 32))
    publish(place, BEFORE)
    assert publish(place)["sent"]


def test_consecutive_means_by_window_time_and_not_by_when_it_ran(place):
    """The earlier window comes later, as in a replay: its findings were not told for the window before it."""
    store(place, violated(NOW), violated(BEFORE, digest="e" * 32))
    assert publish(place, NOW)["sent"]
    assert publish(place, BEFORE)["sent"]


def test_a_restated_window_with_the_same_findings_is_quiet(place):
    store(place, violated())
    publish(place)
    store(place, violated(digest="e" * 32))
    assert publish(place)["quiet"]


def test_good_news_go_to_those_who_had_the_bad(place):
    store(place, violated(BEFORE), result(window=NOW, digest="e" * 32))
    assert publish(place) == {"sent": [], "quiet": []}
    publish(place, BEFORE)
    assert publish(place)["sent"]
    _, good = place.messages()
    assert good["Subject"] == "flights is ok again"
    assert good["MessageAttributes"]["severity"]["Value"] == "info"
    assert "Top findings" not in good["Message"]


@pytest.mark.parametrize("verdict", ["no_traffic", "too_few", "ok", "labels_pending"])
def test_what_is_no_news_is_not_told(place, verdict):
    store(place, result(window=NOW, verdict=verdict))
    assert publish(place) == {"sent": [], "quiet": []}
    assert place.messages() == []


@pytest.mark.parametrize("verdict", ["capture_gap", "failed"])
def test_what_keeps_from_judging_is_told(place, verdict):
    store(place, result(window=NOW, verdict=verdict, reason="because"))
    publish(place)
    assert subjects(place) == [f"[warning] flights: {verdict}"]


def test_old_windows_are_silent_unless_the_run_says_so(place):
    old = NOW.shifted(-30 * HOUR)
    store(place, violated(old))
    assert publish(place, old) == {"sent": [], "quiet": []}
    assert publish(place, old, act=True)["sent"]
    store(place, violated())
    assert publish(place, act=False) == {"sent": [], "quiet": []}


@pytest.mark.parametrize(("act", "sent"), [("True", 1), ("false", 0), ("None", 0)])
def test_a_templated_switch_is_read_as_what_it_says(place, act, sent):
    old = NOW.shifted(-30 * HOUR)
    store(place, violated(old))
    assert len(publish(place, old, act=act)["sent"]) == sent


def test_a_switch_that_says_neither_is_refused(place):
    store(place, violated())
    with pytest.raises(ValueError, match="got 'perhaps'; use true, false"):
        publish(place, act="perhaps")


def test_good_news_come_after_a_quiet_time_too(place):
    first, quiet = BEFORE.previous(), BEFORE
    store(place, violated(first), result(window=quiet, verdict="no_traffic"), result(window=NOW, digest="e" * 32))
    publish(place, first)
    publish(place, quiet)
    assert publish(place)["sent"]
    assert subjects(place)[-1] == "flights is ok again"


def test_good_news_are_told_once_though_the_window_is_restated(place):
    store(place, violated(BEFORE), result(window=NOW, digest="e" * 32))
    publish(place, BEFORE)
    publish(place)
    store(place, result(window=NOW, digest="f" * 32))
    assert publish(place) == {"sent": [], "quiet": []}


def test_an_alert_is_corrected_when_its_window_is_restated(place):
    store(place, violated())
    publish(place)
    store(place, violated(features=("distance",), digest="e" * 32))
    assert publish(place)["sent"]
    _, corrected = place.messages()
    assert corrected["Subject"] == "[warning] flights: corrected, violated, distance baseline_drift_check"
    assert corrected["MessageAttributes"]["kind"]["Value"] == "correction"


@pytest.mark.parametrize("verdict", ["ok", "too_few"])
def test_an_alert_is_withdrawn_when_its_window_is_restated(place, verdict):
    store(place, violated())
    publish(place)
    store(place, result(window=NOW, verdict=verdict, digest="e" * 32))
    assert publish(place)["sent"]
    _, withdrawn = place.messages()
    assert withdrawn["Subject"] == f"flights: alert withdrawn, the window is {verdict} on restatement"
    assert withdrawn["MessageAttributes"]["severity"]["Value"] == "info"


def test_an_alert_whose_run_died_is_sent_by_the_next_one(place):
    left = violated(BEFORE)
    store(place, left, result(window=NOW, verdict="no_traffic", digest="e" * 32))
    place.deployment.alerts.claim(left, kind="alert", now=datetime.now(UTC) - timedelta(minutes=11), run_id="dead")
    assert publish(place)["sent"] == [f"flights/AllTraffic {BEFORE.name}"]
    assert publish(place) == {"sent": [], "quiet": []}


def test_an_alert_that_another_run_is_about_to_send_is_no_silent_success(place):
    store(place, violated())
    place.deployment.alerts.claim(violated(), kind="alert", now=datetime.now(UTC), run_id="other")
    with pytest.raises(RuntimeError, match="run other has claimed it"):
        publish(place)


def test_a_retry_of_the_run_that_claimed_it_sends_it(place):
    store(place, violated())
    place.deployment.alerts.claim(violated(), kind="alert", now=datetime.now(UTC), run_id="scheduled__1")
    assert publish(place)["sent"]


def test_an_endpoints_own_topic_severity_and_runbook_win(place):
    mine = boto3.client("sns", region_name="eu-west-1").create_topic(Name="mine.fifo", Attributes={"FifoTopic": "true"})
    alerts = {"topic_arn": mine["TopicArn"], "severity": "critical", "runbook_url": "https://wiki/flights"}
    place.endpoint(alerts=alerts)
    store(place, violated())
    publish(place)
    assert place.messages() == []
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.sns import sns_backends

    (sent,) = sns_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].topics[mine["TopicArn"]].sent_notifications
    _, text, subject, attributes, group = sent[:5]
    assert "Runbook: https://wiki/flights" in text
    assert subject.startswith("[critical]")
    assert attributes["severity"]["Value"] == "critical"
    assert group == "flights"


def test_a_topic_that_fails_can_be_tried_again_at_once(place, monkeypatch):
    store(place, violated())
    monkeypatch.setenv("WATCHKEEPER_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:gone")
    with pytest.raises(RuntimeError, match="flights/AllTraffic"):
        publish(place)
    monkeypatch.setenv("WATCHKEEPER_TOPIC_ARN", place.topic)
    assert publish(place)["sent"]


def test_one_faulty_topic_does_not_keep_others_from_being_told(place):
    place.endpoint("churn", alerts={"topic_arn": "arn:aws:sns:us-east-1:123456789012:gone"})
    publisher = AlertPublisher(place.deployment, "d", "r", None, print)
    report = publisher.publish([violated(endpoint="churn"), violated()])
    assert report.sent == (f"flights/AllTraffic {NOW.name}",)
    assert len(report.faults) == 1
    assert report.faults[0].startswith("churn/AllTraffic")


def test_nobody_to_tell_is_reported_and_claims_nothing(place, monkeypatch):
    monkeypatch.delenv("WATCHKEEPER_TOPIC_ARN")
    store(place, violated())
    publish(place)
    monkeypatch.setenv("WATCHKEEPER_TOPIC_ARN", place.topic)
    assert publish(place)["sent"]


def test_long_and_foreign_names_fit_the_subject(place):
    store(place, violated(features=("größe" * 40,)))
    publish(place)
    (subject,) = subjects(place)
    assert len(subject) <= 100
    assert subject.isascii()


def test_no_result_yet_says_what_to_run_first(place):
    with pytest.raises(LookupError, match="AnalyzeWindowOperator"):
        publish(place)
