"""The quick way to classify a column against the slow one, value by value."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.analysis.strategies import NEARLY_NUMBERS, any_text, numbers_as_text, quick
from watchkeeper.analysis.column_kind import InferredType, KindCounts, kind_of
from watchkeeper.analysis.column_state import CATEGORY_LIMIT, ColumnState
from watchkeeper.analysis.dataset_state import DatasetProfiler
from watchkeeper.analysis.text_scan import is_tidy


def state_of(texts: list[str | None], *, blocks: int = 1, tidy: bool = False) -> ColumnState:
    profiler = DatasetProfiler()
    for part in np.array_split(np.array(texts, object), blocks):
        if len(part):
            profiler.update(pl.DataFrame({"x": pl.Series("x", part.tolist(), pl.String)}), tidy=tidy)
    state = profiler.freeze()
    assert state is not None
    return state.columns["x"]


def check(texts: list[str | None], state: ColumnState) -> None:
    present = [text for text in texts if text is not None]
    kinds = Counter(kind_of(text) for text in present)
    numbers = [
        float(text.replace(" ", "")) + 0.0
        for text in present
        if kind_of(text) in {InferredType.FRACTIONAL, InferredType.INTEGRAL}
    ]
    assert state.kinds == KindCounts(
        kinds[InferredType.FRACTIONAL],
        kinds[InferredType.INTEGRAL],
        kinds[InferredType.BOOLEAN],
        kinds[InferredType.STRING],
    )
    assert state.missing == len(texts) - len(present)
    assert (state.moments is None) == (state.quantiles is None) == (not numbers)
    if state.moments is not None and state.quantiles is not None:
        assert state.moments.count == len(numbers)
        assert state.quantiles.levels[0].tolist() == numbers
        assert (state.moments.minimum, state.moments.maximum) == (min(numbers), max(numbers))
    counts = Counter(present)
    assert state.categories == (dict(counts) if len(counts) <= CATEGORY_LIMIT else None)


@quick
@given(st.lists(st.one_of(st.none(), any_text), min_size=1, max_size=12))
@example(["+5", "7"])
@example(["1e999", "1"])
@example(["- 5", "abc", None])
def test_columns_are_classified_value_by_value(texts: list[str | None]) -> None:
    check(texts, state_of(texts))


@quick
@given(st.lists(st.one_of(st.none(), numbers_as_text), min_size=1, max_size=30))
def test_numbers_are_classified_value_by_value(texts: list[str | None]) -> None:
    check(texts, state_of(texts))


@quick
@given(
    st.lists(st.one_of(numbers_as_text, st.sampled_from(["5.", ".5", "1e5", "true", "x.y", "a.", "1.e5"])), min_size=1)
)
def test_a_promise_of_tidiness_changes_nothing_where_it_holds(texts: list[str]) -> None:
    tidy = is_tidy("\n".join(texts).encode())
    check(list(texts), state_of(list(texts), tidy=tidy))
    if any(text.startswith(".") or text.endswith(".") or "-." in text for text in texts):
        assert not tidy


@pytest.mark.parametrize("company", [[], ["7"], ["7.5"], ["abc"], [None], ["7", "abc", "true", None]])
def test_no_text_is_misjudged_in_any_company(company: list[str | None]) -> None:
    for text in NEARLY_NUMBERS:
        texts = [text, *company]
        check(texts, state_of(texts))


def test_many_different_texts_are_judged_by_pattern_alike() -> None:
    texts: list[str | None] = [f"id-{number}" for number in range(1500)]
    texts += ["- 5", "+7", "8.25", "true", None, "9" * 25]
    state = state_of(texts)
    check_kinds = KindCounts(fractional=1, integral=3, boolean=1, string=1500)
    assert (state.kinds, state.missing, state.categories) == (check_kinds, 1, None)
    assert state.quantiles is not None
    assert sorted(state.quantiles.levels[0].tolist()) == [-5.0, 7.0, 8.25, 1e25]


@pytest.mark.parametrize("distinct", [CATEGORY_LIMIT, CATEGORY_LIMIT + 1])
@pytest.mark.parametrize("rows", [900, 3000])
def test_categories_are_kept_up_to_the_limit_and_dropped_for_good(distinct: int, rows: int) -> None:
    texts: list[str | None] = [f"v{row % distinct}" for row in range(rows)]
    for blocks in (1, 4):
        state = state_of([*texts, "v0"], blocks=blocks)
        if distinct > CATEGORY_LIMIT:
            assert state.categories is None
        else:
            assert state.categories == dict(Counter([*texts, "v0"]))


def test_a_negative_zero_is_zero() -> None:
    moments = state_of(["-0", "-0.0"]).moments
    assert moments is not None
    assert not np.signbit(moments.minimum)
