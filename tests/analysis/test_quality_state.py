from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.quality_samples import BINARY, MULTICLASS, REGRESSION, SCORED, confused, raw_state, state_of
from tests.analysis.strategies import few
from watchkeeper.analysis import score_counts
from watchkeeper.analysis.confusion_counts import CLASS_LIMIT
from watchkeeper.analysis.error_sums import GROUP_COUNT, ErrorSums
from watchkeeper.analysis.quality_attributes import QualityAttributes
from watchkeeper.analysis.quality_metrics import measure
from watchkeeper.analysis.quality_profiler import PROBABILITY_OUTSIDE
from watchkeeper.analysis.quality_state import QualityState, merge_quality_states
from watchkeeper.analysis.quality_state_file import QUALITY_FORMAT, decode_quality_state, encode_quality_state
from watchkeeper.analysis.score_counts import ScoreCounts
from watchkeeper.errors import CaptureError, DocumentError

SCORES = st.floats(0, 1).map(lambda value: round(value, 3))
SCORED_ROWS = st.lists(
    st.tuples(st.sampled_from(["0", "1", "x", None]), st.one_of(SCORES.map(str), st.just("7"))), min_size=1
)
NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=2500)


def cut(rows: list, places: list[int]) -> list[list]:
    edges = [0, *sorted(place % (len(rows) + 1) for place in places), len(rows)]
    return [rows[a:b] for a, b in pairwise(edges) if a < b]


def scored(rows: list[tuple[str | None, str]]) -> QualityState:
    return raw_state(SCORED, label=[label for label, _ in rows], probability=[p for _, p in rows])


def counts_of(state: QualityState) -> tuple:
    scores = state.scores
    return (
        state.row_count,
        dict(state.rejected),
        state.confusion,
        None if scores is None else (scores.scores.tolist(), scores.positives.tolist(), scores.negatives.tolist()),
    )


@few
@given(SCORED_ROWS, st.lists(st.integers(0, 1000), max_size=4))
def test_any_split_of_a_window_has_the_counts_of_the_whole(rows, places) -> None:
    parts = [scored(part) for part in cut(rows, places)]
    merged = merge_quality_states(parts)
    assert merged is not None
    assert counts_of(merged) == counts_of(scored(rows))


@few
@given(PAIRS, st.lists(st.integers(0, 3000), max_size=4))
def test_any_split_of_a_regression_has_the_groups_of_the_whole(rows, places) -> None:
    def sums(part) -> ErrorSums:
        array = np.array(part)
        return ErrorSums.of(array[:, 0], array[:, 1])

    merged, whole = reduce(ErrorSums.merge, [sums(part) for part in cut(rows, places)]), sums(rows)
    assert merged.rows.tolist() == whole.rows.tolist()
    for name in ("absolute", "squared", "label_mean"):
        assert getattr(merged, name) == pytest.approx(getattr(whole, name), rel=1e-12, abs=1e-9), name
    assert merged.label_spread == pytest.approx(whole.label_spread, rel=1e-9, abs=1e-3)


def test_rows_go_to_the_groups_in_turn_across_hours() -> None:
    hours = [ErrorSums.of(np.zeros(30), np.ones(30)) for _ in range(50)]
    merged = reduce(ErrorSums.merge, hours)
    assert set(merged.rows.tolist()) == {1, 2}
    assert len(merged.rows) == GROUP_COUNT


def test_past_the_limit_scores_fall_on_the_grid_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_counts, "SCORE_LIMIT", 50)
    rng = np.random.default_rng(1)
    parts = [ScoreCounts.of(rng.random(30), rng.random(30) < 0.5) for _ in range(4)]
    one = reduce(ScoreCounts.merge, parts)
    two = reduce(ScoreCounts.merge, parts[::-1])
    three = parts[0].merge(parts[1].merge(parts[2].merge(parts[3])))
    assert one.gridded
    assert not parts[0].gridded
    assert one.row_count == 120
    for other in (two, three):
        assert other.gridded
        assert one.scores.tolist() == other.scores.tolist()
        assert one.positives.tolist() == other.positives.tolist()


def test_the_grid_hardly_moves_the_areas(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    scores = rng.beta(1, 4, 20_000)
    labels = (rng.random(20_000) < scores).astype(int)
    exact = measure(state_of(SCORED, label=labels, probability=scores))
    monkeypatch.setattr(score_counts, "SCORE_LIMIT", 1000)
    rough = measure(state_of(SCORED, label=labels, probability=scores))
    assert rough["auc"].value == pytest.approx(exact["auc"].value, abs=1e-6)
    assert rough["au_prc"].value == pytest.approx(exact["au_prc"].value, abs=1e-4)
    assert rough["recall"] == exact["recall"]  # the threshold is applied before


def test_identifiers_read_as_labels_are_dropped_and_said() -> None:
    names = [f"id-{number}" for number in range(CLASS_LIMIT + 1)]
    half = CLASS_LIMIT // 2
    whole = state_of(MULTICLASS, label=names, prediction=names)
    parts = [state_of(MULTICLASS, label=part, prediction=part) for part in (names[:half], names[half:])]
    merged = merge_quality_states(parts)
    assert merged is not None
    for state in (whole, merged):
        assert state.confusion is not None
        assert state.confusion.cells is None
        assert {(metric.value, metric.reason[:9]) for metric in measure(state).values()} == {(None, "more than")}


@pytest.mark.parametrize(
    "state",
    [
        confused(3, 2, 1, 4),
        state_of(SCORED, label=[0, 1, 1], probability=[0.1, 0.7, 0.7]),
        state_of(REGRESSION, label=[1.5, 2.5, None], prediction=[1, 3, 4]),
        state_of(MULTICLASS, label=["a", "b", "1"], prediction=["b", "b", "1.0"]),
        raw_state(SCORED, label=["1"], probability=["1.5"]),
    ],
    ids=["binary", "scored", "regression", "multiclass", "rejected"],
)
def test_a_state_comes_back_and_gives_the_same_bytes_and_metrics(state: QualityState) -> None:
    data = encode_quality_state(state)
    again = decode_quality_state(data)
    assert encode_quality_state(again) == data
    assert measure(again) == measure(state)
    twice = merge_quality_states([again, again])
    assert twice is not None
    assert encode_quality_state(twice) == encode_quality_state(merge_quality_states([state, state]) or state)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda data: b"", "no quality state"),
        (lambda data: b"WKST" + data[4:], "no quality state"),
        (lambda data: data[:4] + (QUALITY_FORMAT + 1).to_bytes(2, "big") + data[6:], f"expected {QUALITY_FORMAT}"),
        (lambda data: data[:-9], "damaged"),
        (lambda data: data[:6], "damaged"),
    ],
)
def test_other_bytes_are_refused_with_the_remedy(damage, found: str) -> None:
    data = encode_quality_state(confused(3, 2, 1, 4))
    with pytest.raises(DocumentError, match=found) as caught:
        decode_quality_state(damage(data), "05.state")
    assert caught.value.subject == "05.state"
    assert "Delete it" in caught.value.remedy


def test_states_read_by_different_attributes_do_not_merge() -> None:
    other = QualityAttributes(SCORED.problem_type, None, "probability", "label", probability_threshold=0.7)
    states = [state_of(a, label=[1], probability=[0.6]) for a in (SCORED, other)]
    with pytest.raises(CaptureError, match="different attributes"):
        merge_quality_states(states)


def test_nothing_merges_to_none() -> None:
    assert merge_quality_states([]) is None


def test_what_cannot_be_judged_is_counted_by_reason() -> None:
    state = raw_state(
        SCORED,
        label=["1", "1.0", " true ", "0", "2", None, "", "1", "0", "1", "NaN", "0"],
        probability=["0.9", "0.4", "1", "0", "0.5", "0.5", "0.5", "1.2", "-0.1", "nan", "0.5", "high"],
    )
    assert state.row_count == 4
    assert state.confusion is not None
    assert state.confusion.cells == {("0", "0"): 1, ("1", "0"): 1, ("1", "1"): 2}
    assert dict(state.rejected) == {
        "no label": 3, "a label that is neither class": 1, "no probability": 1, PROBABILITY_OUTSIDE: 3,
    }  # fmt: skip
    assert state.rejected_share == 8 / 12


def test_a_regression_takes_finite_numbers_only() -> None:
    state = raw_state(REGRESSION, label=["1", "x", "2", "3", None], prediction=["1.5", "1", "inf", "high", "2"])
    assert state.row_count == 1
    assert dict(state.rejected) == {
        "no label": 1,
        "a label that is no number, or beyond 1e150": 1,
        "a prediction that is no number, or beyond 1e150": 2,
    }


def test_the_threshold_is_strict() -> None:
    state = state_of(SCORED, label=[1, 1], probability=[0.5, 0.5000001])
    assert state.confusion is not None
    assert state.confusion.cells == {("1", "0"): 1, ("1", "1"): 1}


def test_a_named_pair_of_classes() -> None:
    attributes = QualityAttributes(
        BINARY.problem_type, "prediction", None, "label", positive_label="fraud", negative_label="fine"
    )
    state = state_of(attributes, label=["fraud", "fine", "Fraud"], prediction=["fine", "fine", "fine"])
    assert state.confusion is not None
    assert state.confusion.cells == {("fraud", "fine"): 1, ("fine", "fine"): 1}
    assert dict(state.rejected) == {"a label that is neither class": 1}
