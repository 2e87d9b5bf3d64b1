"""Codes: every value has one, and comes back from it as it was."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.analysis.coded_rows import CodedRows

rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(-3, 3)),
        st.one_of(st.none(), st.text("ab", max_size=2)),
        st.one_of(st.none(), st.booleans()),
        st.one_of(st.none(), st.sampled_from([0.1, 2.0, 1e300])),
    ),
    min_size=1,
    max_size=12,
)
SCHEMA = {"whole": pl.Int64, "text": pl.String, "flag": pl.Boolean, "number": pl.Float64}


def frame_of(values: list[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(values, schema=SCHEMA, orient="row")


@given(rows, rows)
def test_values_come_back_and_equal_ones_have_equal_codes(
    first: list[tuple[object, ...]], second: list[tuple[object, ...]]
) -> None:
    coder = CodedRows(frame_of(first), frame_of(second))
    for frame in (frame_of(first), frame_of(second)):
        assert coder.decode(coder.encode(frame)).equals(frame)
    codes = coder.encode(frame_of(first + second))
    for left, one in zip(codes, first + second, strict=True):
        for right, other in zip(codes, first + second, strict=True):
            assert (left == right).tolist() == [a == b for a, b in zip(one, other, strict=True)]


@given(rows)
def test_distinct_rows_are_the_rows_again(values: list[tuple[object, ...]]) -> None:
    coder = CodedRows(frame_of(values))
    codes = coder.encode(frame_of(values))
    distinct, which = coder.distinct(codes)
    assert distinct[which].tolist() == codes.tolist()
    assert len(distinct) == len(set(values))


def test_rows_of_more_values_than_a_number_can_tell_apart_are_still_told_apart() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(rng.integers(0, 40, (300, 20)), schema=[str(position) for position in range(20)])
    coder = CodedRows(frame)
    codes = np.concatenate([coder.encode(frame)] * 2)
    distinct, which = coder.distinct(codes)
    assert len(distinct) == 300
    assert distinct[which].tolist() == codes.tolist()


def test_whole_numbers_beside_fractions_become_numbers() -> None:
    coder = CodedRows(pl.DataFrame({"age": [39.5]}), pl.DataFrame({"age": [40, 41]}))
    assert coder.decode(np.array([[0], [2]]))["age"].to_list() == [39.5, 41.0]
