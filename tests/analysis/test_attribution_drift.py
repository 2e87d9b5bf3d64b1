"""Every feature's rank and share before and after, and the sentence that names the drivers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.analysis.attribution_drift import FeatureDrift, drift_sentence, feature_drifts, top_driver

BEFORE = {"size": 0.6, "location": 0.1, "rooms": 0.3}
AFTER = {"size": 0.1, "location": 0.7, "rooms": 0.2}


def test_ranks_and_shares_before_and_after() -> None:
    first, second, third = feature_drifts(BEFORE, AFTER)
    assert first == FeatureDrift("location", 3, 1, pytest.approx(0.1), pytest.approx(0.7))
    assert second == FeatureDrift("size", 1, 3, pytest.approx(0.6), pytest.approx(0.1))
    assert (third.feature, third.rank_before, third.rank_after) == ("rooms", 2, 2)
    assert first.share_change == pytest.approx(0.6)


def test_the_sentence_names_the_top_driver_before_and_after() -> None:
    assert drift_sentence(BEFORE, AFTER) == (
        "top driver was size, is now location; location went from rank 3 (10%) to rank 1 (70%)"
    )
    assert drift_sentence(BEFORE, BEFORE).startswith("top driver is still size; ")


def test_features_of_one_side_only_are_named() -> None:
    text = drift_sentence(BEFORE, {"size": 0.6, "rooms": 0.3, "garden": 0.1})
    assert "location is gone" in text
    assert "garden is new" in text
    drifts = {drift.feature: drift for drift in feature_drifts(BEFORE, {"size": 0.5, "garden": 0.5})}
    assert drifts["location"] == FeatureDrift("location", 3, None, pytest.approx(0.1), None)
    assert drifts["garden"].share_change == 0.5


def test_equal_features_rank_alike_and_medians_count_by_their_size() -> None:
    drifts = {
        drift.feature: drift for drift in feature_drifts({"a": -0.5, "b": 0.5, "c": 0.1}, {"a": 0, "b": 0, "c": 0})
    }
    assert [drifts[name].rank_before for name in "abc"] == [1, 1, 3]
    assert [drifts[name].share_after for name in "abc"] == [0, 0, 0]
    assert top_driver({"a": -0.5, "b": 0.2}) == "a"
    assert top_driver({"a": 0.0}) is None
    assert top_driver({}) is None


sides = st.dictionaries(st.sampled_from("abcde"), st.floats(-1, 1, allow_nan=False), min_size=1)


@given(sides, sides)
def test_shares_are_shares_and_changes_cancel_out(before: dict[str, float], after: dict[str, float]) -> None:
    drifts = feature_drifts(before, after)
    assert {drift.feature for drift in drifts} == before.keys() | after.keys()
    if any(before.values()) and any(after.values()):
        assert sum(drift.share_change for drift in drifts) == pytest.approx(0.0, abs=1e-9)
    changes = [abs(drift.share_change) for drift in drifts]
    assert changes == sorted(changes, reverse=True)
