"""Threads: opened by what is told, closed by what is taken back, whoever writes at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.aws.conftest import BUCKET
from watchkeeper.aws.claim_record import Delivery
from watchkeeper.aws.notice_thread import NoticeThreads

NOW = datetime(2026, 11, 25, 5, tzinfo=UTC)
SUBJECTS = st.sampled_from(("w1", "w2", "w3"))


@pytest.fixture
def threads(s3):
    return NoticeThreads(BUCKET, "wk", s3)


def delivery(channel, ref=None):
    return Delivery(channel=channel, target="t", message_id="m", at="2026-11-25T05:00:00Z", thread_ref=ref)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.booleans(), SUBJECTS | st.none()), max_size=8))
def test_a_thread_stands_as_long_as_anything_told_was_not_taken_back(threads, steps):
    threads.remove("t")
    standing: set[str] = set()
    closed = True
    for is_told, subject in steps:
        if is_told:
            threads.told("t", subject, now=NOW, deliveries=())
            standing |= {subject} - {None}
            closed = False
        else:
            threads.taken_back("t", subject, now=NOW)
            standing = set() if subject is None else standing - {subject}
            closed = closed or not standing
    record = threads.read("t")
    assert (record is None) == (not steps)
    assert record is None or (set(record.standing), record.is_open) == (standing, not closed)


def test_a_channels_first_message_is_what_later_ones_hang_on_until_it_is_closed(threads):
    threads.told("t", "w1", now=NOW, deliveries=(delivery("slack", "1"),))
    threads.told("t", "w2", now=NOW, deliveries=(delivery("slack", "2"), delivery("topic")))
    record = threads.read("t")
    assert record.delivery("slack").thread_ref == "1"
    assert [one.channel for one in record.deliveries] == ["slack", "topic"]
    threads.taken_back("t", None, now=NOW)
    again = threads.told("t", "w3", now=NOW + timedelta(hours=1), deliveries=(delivery("slack", "9"),))
    assert (again.delivery("slack").thread_ref, again.standing, again.opened_at) == (
        "9",
        ("w3",),
        "2026-11-25T06:00:00Z",
    )


def test_what_two_runs_tell_at_once_both_stands(threads):
    with ThreadPoolExecutor(2) as runs:
        list(runs.map(lambda name: threads.told("t", name, now=NOW, deliveries=()), ("w1", "w2")))
    assert set(threads.read("t").standing) == {"w1", "w2"}
    assert [record.thread for record in threads.all()] == ["t"]
