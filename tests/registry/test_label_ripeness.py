from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from watchkeeper.registry.ground_truth_spec import GroundTruthSpec
from watchkeeper.registry.label_ripeness import label_ripeness

END = datetime(2026, 11, 20, 6, tzinfo=UTC)
SPEC = GroundTruthSpec(s3_uri="s3://labels/churn/")


@pytest.mark.parametrize(
    ("captured", "matched", "hours", "state", "reason"),
    [
        (0, 0, 1, "covered", "nothing was captured, so there is no label to wait for"),
        (1000, 900, 1, "covered", "900 of 1,000 captured invocations have a label (90 %), at least the 90 % that are"),
        (10000, 8999, 47, "pending", "(89.9 %), under the 90 % that are waited for until 2026-11-22T06:00:00Z"),
        (1000, 899, 48, "waited", "(89.9 %) within the 48 hours that are waited"),
        (1000, 0, 50, "waited", "no label came for any of 1,000 captured invocations within the 48 hours"),
    ],
)
def test_a_window_is_ripe_by_coverage_or_by_the_clock(captured, matched, hours, state, reason):
    found = label_ripeness(SPEC, captured, matched, END, END + timedelta(hours=hours))
    assert (found.state, found.is_ripe) == (state, state != "pending")
    assert reason in found.reason


@given(st.integers(1, 1000), st.data())
def test_more_labels_or_more_time_never_make_a_window_unripe(captured, data):
    matched = data.draw(st.integers(0, captured))
    now = END + timedelta(hours=data.draw(st.integers(0, 100)))
    if label_ripeness(SPEC, captured, matched, END, now).is_ripe:
        assert label_ripeness(SPEC, captured, data.draw(st.integers(matched, captured)), END, now).is_ripe
        assert label_ripeness(SPEC, captured, matched, END, now + timedelta(hours=1)).is_ripe


def test_a_slash_at_the_end_of_the_place_does_not_count():
    assert SPEC.s3_uri == "s3://labels/churn"


def test_waiting_beyond_the_horizon_is_refused_with_the_remedy():
    with pytest.raises(ValidationError, match="use at most 24 hours, or more days"):
        GroundTruthSpec(s3_uri="s3://labels/churn", waiting_hours=48, horizon_days=1)
