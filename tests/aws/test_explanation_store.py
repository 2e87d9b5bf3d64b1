"""Explanations by window: the newest one that holds a prediction is found, and only where it can be."""

import numpy as np
import polars as pl
import pytest

from tests.aws.conftest import BUCKET
from watchkeeper.analysis.attribution_sample import SampledRows
from watchkeeper.analysis.explanation import Explanation
from watchkeeper.analysis.local_shap import encode_local_shap
from watchkeeper.aws.explanation_store import ExplanationStore
from watchkeeper.errors import DocumentError
from watchkeeper.registry.capture_window import HOUR, Window, parse_moment

HOURS = [Window.hour_of(parse_moment(f"2026-11-20T{hour:02d}:00:00Z")) for hour in range(24)]
DAY = Window(HOURS[0].start, HOURS[-1].end)


def explained(*events, shift=0.0):
    """Return the kept explanations of events, one row each."""
    values = np.full((len(events), 2, 1), 1.0) + shift
    explanation = Explanation(("a", "b"), values, np.array([0.5]), 0, 0, 0)
    ids = tuple(f"i-{event}" for event in events)
    rows = pl.DataFrame({"a": [1.0] * len(events), "b": [2.0] * len(events)})
    times = ("2026-11-20T05:00:00Z",) * len(events)
    return encode_local_shap(SampledRows(rows, events, (0,) * len(events), ids, times, len(events)), explanation)


@pytest.fixture
def store(s3):
    return ExplanationStore(BUCKET, "wk", s3)


def test_a_prediction_is_found_by_either_id_in_its_window_only(store):
    uri = store.write("flights", "AllTraffic", HOURS[5], explained("x", "y"))
    assert uri == f"s3://{BUCKET}/wk/explanations/flights/AllTraffic/2026/11/20/05/{HOURS[5].name}.parquet"
    (found,) = store.find("flights", "AllTraffic", DAY, event_id="y")
    assert (found.event_id, found.prediction) == ("y", 2.5)
    assert store.find("flights", "AllTraffic", DAY, inference_id="i-y") == [found]
    for span in (HOURS[4], HOURS[6], Window(HOURS[6].start, HOURS[9].end)):
        assert store.find("flights", "AllTraffic", span, event_id="y") == []
    assert store.find("flights", "Blue", DAY, event_id="y") == []
    assert store.find("other", "AllTraffic", DAY, event_id="y") == []
    assert store.find("flights", "AllTraffic", DAY, event_id="z") == []


def test_of_an_hour_and_its_day_the_later_beginning_is_found_and_a_rewrite_replaces(store):
    store.write("flights", "AllTraffic", DAY, explained("x", shift=1.0))
    assert store.find("flights", "AllTraffic", DAY, event_id="x")[0].prediction == 4.5
    store.write("flights", "AllTraffic", HOURS[5], explained("x"))
    assert store.find("flights", "AllTraffic", DAY, event_id="x")[0].prediction == 2.5
    store.write("flights", "AllTraffic", HOURS[5], explained("x", shift=2.0))
    assert store.find("flights", "AllTraffic", DAY, event_id="x")[0].prediction == 6.5


def test_a_span_over_midnight_looks_into_both_days(store):
    late, early = HOURS[23], HOURS[23].shifted(HOUR)
    store.write("flights", "AllTraffic", late, explained("x"))
    store.write("flights", "AllTraffic", early, explained("y"))
    span = Window(late.start, early.end)
    assert [store.find("flights", "AllTraffic", span, event_id=event)[0].event_id for event in "xy"] == ["x", "y"]


def test_what_cannot_be_read_is_named(store):
    uri = store.write("flights", "AllTraffic", HOURS[5], b"broken")
    with pytest.raises(DocumentError, match=uri.rpartition("/")[2].replace("+", r"\+")):
        store.find("flights", "AllTraffic", DAY, event_id="x")


@pytest.mark.parametrize("ids", [{}, {"event_id": "a", "inference_id": "b"}])
def test_exactly_one_id_is_wanted_even_where_nothing_is_kept(store, ids):
    with pytest.raises(ValueError, match="give an event_id or an inference_id"):
        store.find("flights", "AllTraffic", DAY, **ids)
