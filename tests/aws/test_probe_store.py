from datetime import timedelta

import pytest

from tests.aws.conftest import BUCKET
from tests.aws.result_samples import HOUR
from watchkeeper.aws.probe_store import ProbeMeter, ProbeStore
from watchkeeper.errors import DocumentError
from watchkeeper.registry.capture_window import Window


@pytest.fixture
def store(s3):
    return ProbeStore(BUCKET, "wk", s3)


def count(store, window=HOUR, variant="AllTraffic"):
    return store.request_count("flights", variant, window)


def meter(store, moments, digest="a1", **more):
    return ProbeMeter(store, "flights", "AllTraffic", digest, now=lambda: moments[0], **more)


def test_nothing_was_asked(store):
    assert count(store) == 0


def test_the_runs_of_a_window_add_up_and_others_do_not_count(store):
    later = Window(HOUR.end, HOUR.end + timedelta(hours=1))
    store.write("flights", "AllTraffic", HOUR, "a1", 5)
    store.write("flights", "AllTraffic", HOUR, "b2", 7)
    store.write("flights", "AllTraffic", later, "a1", 100)
    store.write("flights", "Green", HOUR, "a1", 1000)
    assert (count(store), count(store, later), count(store, Window(HOUR.start, later.end))) == (12, 100, 112)
    store.write("flights", "AllTraffic", HOUR, "a1", 5)
    assert count(store) == 12


def test_requests_are_written_down_before_they_are_sent_and_exactly_at_the_end(store):
    asking = meter(store, [HOUR.start], ahead=3)
    with asking:
        for sent in range(1, 10):
            asking(1)
            assert count(store) >= sent
            assert count(store) <= sent + 3
    assert count(store) == 9


def test_a_killed_run_counts_a_few_too_many_and_its_next_try_counts_on(store):
    meter(store, [HOUR.start], ahead=3)(2)
    assert count(store) == 5
    with meter(store, [HOUR.start], ahead=3) as again:
        again(4)
    assert count(store) == 9


def test_a_run_that_ends_with_an_error_has_the_right_number(store):
    def fail():
        with meter(store, [HOUR.start]) as asking:
            asking(2)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert count(store) == 2


def test_each_hour_gets_its_own(store):
    moments = [HOUR.end - timedelta(seconds=1)]
    later = Window(HOUR.end, HOUR.end + timedelta(hours=1))
    with meter(store, moments) as asking:
        asking(2)
        moments[0] = HOUR.end
        asking(3)
        assert count(store) == 2
    assert count(store, later) == 3


def test_writes_are_few(store, s3):
    written = []
    s3.meta.events.register("before-call.s3.PutObject", lambda **event: written.append(event))
    with meter(store, [HOUR.start]) as asking:
        for _ in range(1000):
            asking(1)
    assert count(store) == 1000
    assert len(written) <= 11


def test_an_unreadable_count_is_named(store):
    store.objects.write(f"probes/flights/AllTraffic/{HOUR.start_path}/a1.json", b"{")
    with pytest.raises(DocumentError, match=r"s3://watchkeeper-tests/wk/probes/flights/.*a1\.json: not a count"):
        count(store)
