"""The laws of merging, on datasets of awkward texts."""

import itertools
from functools import reduce

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import few, numbers_as_text
from watchkeeper.analysis.dataset_state import DatasetProfiler, DatasetState, frame_of, merge_states
from watchkeeper.analysis.dataset_statistics import encode_statistics, statistics_of
from watchkeeper.analysis.state_file import encode_state
from watchkeeper.analysis.text_scan import is_tidy
from watchkeeper.errors import CaptureError

Row = dict[str, str | None]

cells = st.one_of(st.none(), numbers_as_text, st.sampled_from(["true", "red", "5.", "- 5", "日本", "nan", "1e999"]))
rows = st.fixed_dictionaries({"a": cells, "b": st.integers(-99, 99).map(str)}, optional={"c": cells})


def state_of(part: list[Row]) -> DatasetState | None:
    profiler = DatasetProfiler()
    if part:
        profiler.update(frame_of(part))
    return profiler.freeze()


def states_of(parts: list[list[Row]]) -> list[DatasetState]:
    return [state for part in parts if (state := state_of(part)) is not None]


def assert_equal_states(merged: DatasetState, whole: DatasetState) -> None:
    assert merged.row_count == whole.row_count
    assert merged.columns.keys() == whole.columns.keys()
    for name, column in whole.columns.items():
        found = merged.columns[name]
        assert (found.missing, found.kinds, found.categories) == (column.missing, column.kinds, column.categories)
        assert found.distinct.registers.tolist() == column.distinct.registers.tolist()
        assert found.inferred_type is column.inferred_type
        assert (found.moments is None) == (column.moments is None)
        if found.moments is not None and column.moments is not None:
            same = ("count", "minimum", "maximum")
            assert [getattr(found.moments, f) for f in same] == [getattr(column.moments, f) for f in same]
        if found.quantiles is not None and column.quantiles is not None:
            # Small enough that nothing is compacted: the sketches hold the values themselves.
            assert found.quantiles.levels[0].tolist() == column.quantiles.levels[0].tolist()


@few
@given(st.lists(rows, min_size=1, max_size=40), st.data())
def test_any_split_merges_to_the_whole(table: list[Row], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(table)), max_size=4)))
    edges = [0, *cuts, len(table)]
    parts = [table[start:end] for start, end in itertools.pairwise(edges)]
    merged, whole = merge_states(states_of(parts)), state_of(table)
    assert merged is not None
    assert whole is not None
    assert_equal_states(merged, whole)


@few
@given(st.lists(rows, min_size=1, max_size=40), st.integers(1, 9))
def test_blocks_of_any_size_are_one_pass(table: list[Row], size: int) -> None:
    profiler = DatasetProfiler()
    for start in range(0, len(table), size):
        profiler.update(frame_of(table[start : start + size]))
    pieces, whole = profiler.freeze(), state_of(table)
    assert pieces is not None
    assert whole is not None
    assert pieces.columns.keys() == whole.columns.keys()
    same_order = DatasetState(pieces.row_count, {name: pieces.columns[name] for name in whole.columns})
    assert encode_state(same_order) == encode_state(whole)
    assert encode_statistics(statistics_of(same_order)) == encode_statistics(statistics_of(whole))


def test_large_blocks_are_one_pass_too() -> None:
    rng = np.random.default_rng(17)
    size = 30_000
    frame = pl.DataFrame(
        {
            "score": [f"{value:.6f}" for value in rng.normal(0.0, 3.0, size)],
            "count": [str(value) for value in rng.poisson(900.0, size)],
            "colour": rng.choice(["red", "green", "blue"], size).tolist(),
            "id": [f"id-{number}" for number in range(size)],
        }
    )
    encoded = set()
    for step in (size, 7919, 1024):
        profiler = DatasetProfiler()
        for start in range(0, size, step):
            profiler.update(frame.slice(start, step))
        state = profiler.freeze()
        assert state is not None
        encoded.add(encode_state(state))
    assert len(encoded) == 1


def test_a_day_is_the_merge_of_its_hours_within_the_laws() -> None:
    rng = np.random.default_rng(5)
    values = rng.gamma(2.0, 30.0, 48_000)
    texts = [f"{value:.4f}" for value in values]
    table: list[Row] = [{"x": text} for text in texts]
    hours = [state_of(table[start : start + 2000]) for start in range(0, len(table), 2000)]
    day, whole = merge_states([hour for hour in hours if hour]), state_of(table)
    assert day is not None
    assert whole is not None
    ours, truth = day.columns["x"], whole.columns["x"]
    assert (ours.distinct.estimate(), ours.present) == (truth.distinct.estimate(), truth.present)
    assert ours.moments is not None
    assert truth.moments is not None
    assert ours.moments.standard_deviation == pytest.approx(truth.moments.standard_deviation, rel=1e-12)
    assert ours.moments.total == pytest.approx(truth.moments.total, rel=1e-12)
    assert ours.quantiles is not None
    items, weights = ours.quantiles.weighted_items()
    shares = np.cumsum(weights) / weights.sum()
    ranks = np.searchsorted(np.sort(values), items, side="right") / len(values)
    assert np.abs(shares - ranks).max() < 0.02


def test_folding_is_associative_for_what_is_counted() -> None:
    parts = states_of([[{"a": "1", "b": str(i)}, {"a": None, "c": "x"}] for i in range(6)])
    left = reduce(lambda x, y: merge_states([x, y]) or x, parts)
    right = merge_states([parts[0], merge_states(parts[1:]) or parts[1]])
    assert right is not None
    assert_equal_states(left, right)


def test_nothing_is_the_identity() -> None:
    assert merge_states([]) is None
    assert state_of([]) is None
    [only] = states_of([[{"a": "1"}]])
    assert merge_states([only]) is only


def test_a_column_that_a_part_lacks_is_missing_there() -> None:
    merged = merge_states(states_of([[{"a": "1"}] * 3, [{"b": "x"}] * 2]))
    assert merged is not None
    assert {name: (c.missing, c.present) for name, c in merged.columns.items()} == {"a": (2, 3), "b": (3, 2)}


def test_more_than_400_categories_are_dropped_however_they_come() -> None:
    halves = states_of([[{"a": f"v{i}"} for i in range(250)], [{"a": f"v{i}"} for i in range(200, 450)]])
    merged = merge_states(halves)
    assert merged is not None
    assert merged.columns["a"].categories is None
    again = merge_states([merged, *states_of([[{"a": "v1"}]])])
    assert again is not None
    assert again.columns["a"].categories is None


def test_positions_are_not_joined_with_names() -> None:
    named = states_of([[{"a": "1", "b": "2"}]])[0]
    positions = DatasetState(1, {"_c0": named.columns["a"]}, positional=True)
    with pytest.raises(CaptureError, match="cannot be merged"):
        merge_states([named, positions])
    both = merge_states([positions, positions])
    assert both is not None
    assert (both.row_count, both.positional) == (2, True)


def test_renaming_and_leaving_out_keep_the_rest() -> None:
    [state] = states_of([[{"a": "1", "b": "2", "c": "3"}]])
    assert list(state.renamed(["x", "y", "z"]).columns) == ["x", "y", "z"]
    assert state.renamed(["x", "y", "z"]).columns["y"] == state.columns["b"]
    assert list(state.without(["b", "unknown"]).columns) == ["a", "c"]
    with pytest.raises(ValueError, match="zip"):
        state.renamed(["x"])


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        (b"1,2\n3,4", True), (b"1.5,2.25\n", True), (b"", True), (b"5.,1", False), (b"1,.5", False), (b".5", False),
        (b"5.", False), (b"-.5", False), (b"1.e5", False), (b"1..2", False), (b"1.\n2", False), (b"a.b", False),
    ],
)  # fmt: skip
def test_tidy_text_has_digits_around_every_point(text: bytes, tidy: bool) -> None:
    assert is_tidy(text) is tidy
