import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.strategies import quick
from watchkeeper.analysis.column_kind import InferredType, KindCounts, kind_of

F, N, B, S, U = (
    InferredType.FRACTIONAL,
    InferredType.INTEGRAL,
    InferredType.BOOLEAN,
    InferredType.STRING,
    InferredType.UNKNOWN,
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("5", N), ("-5", N), ("+5", N), ("- 5", N), ("+ 5", N), (" 5", N), ("007", N), ("-0", N), ("9" * 30, N),
        ("5.0", F), ("-5.25", F), ("+ 5.0", F), (" 5.0", F), ("1e5", F), ("1E-5", F), ("1.5e+3", F), ("1e999", F),
        ("5.", S), (".5", S), ("1.e5", S), ("5 ", S), ("  5", S), ("-  5", S), ("\t5", S), ("1e", S), ("1e5.5", S),
        ("nan", S), ("NaN", S), ("inf", S), ("Infinity", S), ("1_000", S), ("1,5", S), ("0x10", S), ("٣", S), ("５", S),
        ("1d", S), ("5\n", S), ("−5", S), ("", S),
        ("true", B), ("false", B), ("True", S), ("TRUE", S), ("true ", S),
    ],
)  # fmt: skip
def test_kinds_are_deequs(text: str, kind: InferredType) -> None:
    assert kind_of(text) is kind


@pytest.mark.parametrize(
    ("counts", "kind"),
    [
        (KindCounts(), U),
        (KindCounts(integral=3), N),
        (KindCounts(fractional=1, integral=3), F),
        (KindCounts(boolean=2), B),
        (KindCounts(boolean=2, integral=1), S),
        (KindCounts(boolean=2, fractional=1), S),
        (KindCounts(integral=1000, string=1), S),
        (KindCounts(boolean=1, string=1), S),
    ],
)
def test_a_columns_type_is_determined_as_deequ_does(counts: KindCounts, kind: InferredType) -> None:
    assert counts.inferred_type() is kind


def test_integral_values_serve_as_fractional_ones_but_not_the_other_way_round() -> None:
    counts = KindCounts(fractional=1, integral=2, boolean=4, string=8)
    assert [counts.count_of(kind) for kind in (F, N, B, S, U)] == [3, 2, 4, 8, 15]


@quick
@given(st.tuples(*[st.integers(0, 10**9)] * 8))
def test_counts_merge_by_addition(numbers: tuple[int, ...]) -> None:
    left, right = KindCounts(*numbers[:4]), KindCounts(*numbers[4:])
    assert left.merge(right).present == left.present + right.present
    assert left.merge(right) == right.merge(left)
    assert left.merge(KindCounts()) == left
