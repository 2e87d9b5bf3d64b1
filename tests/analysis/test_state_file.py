import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import any_text, few
from watchkeeper.analysis.dataset_state import DatasetProfiler, DatasetState, frame_of, merge_states
from watchkeeper.analysis.dataset_statistics import encode_statistics, statistics_of
from watchkeeper.analysis.state_file import STATE_FORMAT, decode_state, encode_state
from watchkeeper.errors import DocumentError


def state_of(rows: list[dict[str, str | None]], *, positional: bool = False) -> DatasetState:
    profiler = DatasetProfiler()
    profiler.update(frame_of(rows))
    state = profiler.freeze(positional=positional)
    assert state is not None
    return state


@few
@given(st.lists(st.fixed_dictionaries({"a": any_text, "größe \"/'": st.one_of(st.none(), any_text)}), min_size=1))
def test_a_state_comes_back_and_gives_the_same_bytes(rows: list[dict[str, str | None]]) -> None:
    state = state_of(rows)
    data = encode_state(state)
    again = decode_state(data)
    assert encode_state(again) == data
    assert encode_statistics(statistics_of(again)) == encode_statistics(statistics_of(state))
    assert list(again.columns) == list(state.columns)
    assert [column.categories for column in again.columns.values()] == [c.categories for c in state.columns.values()]


def test_equal_data_in_another_order_of_categories_gives_equal_bytes() -> None:
    rows: list[dict[str, str | None]] = [{"a": text} for text in ("x", "y", "z")]
    one, two = state_of(rows), state_of(rows[::-1])
    assert encode_state(one) == encode_state(two)
    assert encode_statistics(statistics_of(one)) == encode_statistics(statistics_of(two))


def test_a_stored_state_goes_on_as_if_it_had_never_been_stored() -> None:
    rng = np.random.default_rng(2)
    hours = [state_of([{"x": f"{value:.5f}"} for value in rng.normal(size=3000)]) for _ in range(4)]
    stored = [decode_state(encode_state(hour)) for hour in hours]
    one, two = merge_states(hours), merge_states(stored)
    assert one is not None
    assert two is not None
    assert encode_state(one) == encode_state(two)


def test_positions_are_remembered() -> None:
    assert decode_state(encode_state(state_of([{"_c0": "1"}], positional=True))).positional


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda data: b"", "no dataset state"),
        (lambda data: b"PK\x03\x04" + data[4:], "no dataset state"),
        (lambda data: data[:5], "state format"),
        (lambda data: data[:4] + (STATE_FORMAT + 1).to_bytes(2, "big") + data[6:], f"expected {STATE_FORMAT}"),
        (lambda data: data[:-9], "damaged"),
        (lambda data: data[:20] + b"\xff\xff" + data[22:], "damaged"),
        (lambda data: data[:6], "damaged"),
        (lambda data: data[:6] + zlib.compress(b"\x93\x01\x02\x03"), "damaged"),
    ],
)
def test_other_bytes_are_refused_with_the_remedy(damage, found: str) -> None:
    data = encode_state(state_of([{"a": str(i)} for i in range(50)]))
    with pytest.raises(DocumentError, match=found) as caught:
        decode_state(damage(data), "05.state")
    assert caught.value.subject == "05.state"
    assert "Delete it" in caught.value.remedy
