from datetime import UTC, datetime, timedelta

import pytest

from tests.aws.conftest import BUCKET
from tests.aws.result_samples import HOUR, finding, result
from watchkeeper.aws.alert_record import (
    METRICS_PART,
    AlertRecords,
    alert_id,
    findings_fingerprint,
)
from watchkeeper.aws.claim_record import ClaimedElsewhereError
from watchkeeper.registry.capture_window import Window

NOW = datetime(2026, 11, 20, 6, 12, tzinfo=UTC)
VIOLATED = result(verdict="violated", findings=(finding(),), violated_count=1)


@pytest.fixture
def records(s3):
    return AlertRecords(BUCKET, "wk", s3)


def minutes(count):
    return NOW + timedelta(minutes=count)


def test_an_alert_is_claimed_once(records):
    assert records.claim(VIOLATED, kind="alert", now=NOW, run_id="one") is not None
    with pytest.raises(ClaimedElsewhereError, match="run one has claimed it"):
        records.claim(VIOLATED, kind="alert", now=minutes(9), run_id="two")


def test_a_run_takes_its_own_claim_over_at_once(records):
    records.claim(VIOLATED, kind="alert", now=NOW, run_id="one")
    again = records.claim(VIOLATED, kind="alert", now=minutes(1), run_id="one")
    assert again is not None
    records.mark_sent(again, now=minutes(1))
    assert records.claim(VIOLATED, kind="alert", now=minutes(2), run_id="one") is None


def test_a_claim_unsent_for_ten_minutes_is_sent_again(records):
    records.claim(VIOLATED, kind="alert", now=NOW)
    again = records.claim(VIOLATED, kind="alert", now=minutes(10))
    assert again is not None
    assert again.record.alert_id == alert_id(VIOLATED)
    with pytest.raises(ClaimedElsewhereError):
        records.claim(VIOLATED, kind="alert", now=minutes(11))


def test_what_was_sent_is_never_sent_again(records):
    claim = records.claim(VIOLATED, kind="alert", now=NOW)
    records.mark_sent(claim, now=minutes(1), message_id="m-1", topic_arn="arn")
    assert records.claim(VIOLATED, kind="alert", now=minutes(60)) is None
    (record,) = records.of_window(VIOLATED)
    assert (record.status, record.message_id, record.told) == ("sent", "m-1", True)


def test_a_claim_given_back_can_be_taken_at_once(records):
    records.release(records.claim(VIOLATED, kind="alert", now=NOW))
    assert records.claim(VIOLATED, kind="alert", now=NOW) is not None


def test_a_quiet_alert_counts_as_told(records):
    claim = records.claim(VIOLATED, kind="alert", now=NOW)
    records.mark_quiet(claim, quiet_since="first")
    (record,) = records.of_window(VIOLATED)
    assert (record.told, record.quiet_since) == (True, "first")


def test_metrics_and_alert_of_a_result_are_claimed_apart(records):
    assert records.claim(VIOLATED, kind="metrics", now=NOW, part=METRICS_PART) is not None
    assert records.claim(VIOLATED, kind="alert", now=NOW) is not None
    assert [record.kind for record in records.of_window(VIOLATED)] == ["alert"]


def test_a_new_revision_has_an_alert_of_its_own(records):
    records.claim(VIOLATED, kind="alert", now=NOW)
    later = result(verdict="violated", digest="e" * 32)
    assert records.claim(later, kind="alert", now=minutes(1)) is not None
    assert alert_id(later) != alert_id(VIOLATED)
    assert len(records.of_window(VIOLATED)) == 2


def test_another_windows_records_are_found_by_the_window(records):
    earlier = result(window=HOUR.previous(), verdict="violated", findings=(finding(),))
    records.claim(earlier, kind="alert", now=NOW)
    assert records.of_window(VIOLATED) == ()
    assert len(records.of_window(VIOLATED, HOUR.previous())) == 1


def test_findings_are_identical_whatever_their_figures_and_order():
    one = result(verdict="violated", findings=(finding("a", observed=0.2), finding("b")))
    two = result(verdict="violated", findings=(finding("b"), finding("a", observed=0.9)), digest="x")
    assert findings_fingerprint(one) == findings_fingerprint(two)


@pytest.mark.parametrize(
    "other",
    [
        result(verdict="violated", findings=(finding("a"),)),
        result(verdict="violated", findings=(finding("a"), finding("b", check="data_type_check"))),
        result(verdict="capture_gap"),
    ],
)
def test_other_features_checks_or_verdicts_are_other_findings(other):
    one = result(verdict="violated", findings=(finding("a"), finding("b")))
    assert findings_fingerprint(one) != findings_fingerprint(other)


def test_what_could_not_be_evaluated_is_no_finding_to_tell():
    one = result(verdict="violated", findings=(finding("a"),))
    two = result(verdict="violated", findings=(finding("a"), finding("b", outcome="not_evaluated")))
    assert findings_fingerprint(one) == findings_fingerprint(two)


def test_earlier_windows_records_come_newest_first(records):
    windows = [HOUR.shifted(timedelta(hours=-hours)) for hours in (30, 3, 1)]
    for window in windows:
        records.claim(result(window=window, verdict="violated"), kind="alert", now=NOW)
        records.claim(result(window=window, verdict="violated"), kind="metrics", now=NOW, part=METRICS_PART)
    day = result(window=Window.day_of(windows[1].start), period="daily", verdict="violated")
    records.claim(day, kind="alert", now=NOW)
    records.claim(VIOLATED, kind="alert", now=NOW)
    found = [window for window, _ in records.earlier(VIOLATED, HOUR.start - timedelta(hours=24))]
    assert found == [windows[2], windows[1]]
