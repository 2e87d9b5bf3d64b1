"""From a block of a column's raw text to its state, in one pass and in file order."""

from collections import Counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from watchkeeper.analysis.column_kind import (
    BOOLEAN_PATTERN,
    FRACTIONAL_PATTERN,
    INTEGRAL_PATTERN,
    InferredType,
    KindCounts,
    kind_of,
)
from watchkeeper.analysis.column_state import CATEGORY_LIMIT, ColumnState, merge_categories
from watchkeeper.analysis.distinct_sketch import DistinctSketchBuilder, Hashes
from watchkeeper.analysis.moment_state import MomentBuilder
from watchkeeper.analysis.quantile_sketch import QuantileSketchBuilder

Floats = NDArray[np.float64]

_FEW_TEXTS = 1000
_FEW_WHOLE = 100
_LARGEST_INT64 = 2.0**63


class ColumnProfiler:
    """Collects one column's state from blocks of raw text, where null means missing."""

    def __init__(self) -> None:
        self._missing = 0
        self._kinds = KindCounts()
        self._moments = MomentBuilder()
        self._quantiles = QuantileSketchBuilder()
        self._distinct = DistinctSketchBuilder()
        self._categories: dict[str, int] | None = {}

    def update(self, texts: pl.Series, numbers: Floats, hashes: Hashes, *, tidy: bool) -> None:
        """Add a block.

        ``numbers`` is ``texts`` cast to Float64 and NaN where that fails, ``hashes`` its xxHash64 and any present
        value's where a value is missing; both are computed by the caller for all columns at once. ``tidy`` says that
        no value of the block starts or ends with a point, so that every finite number satisfies deequ's patterns too.
        """
        missing = texts.null_count()
        self._missing += missing
        if missing == len(texts):
            return
        counts = self._count_categories(texts)
        values, kinds = _classify(texts, numbers, missing, counts, tidy=tidy)
        self._kinds = self._kinds.merge(kinds)
        if len(values):
            values = values + 0.0  # "-0" is zero; a negative zero would leave the order of equal items open
            self._moments.update(values)
            self._quantiles.update(values)
        self._distinct.update(hashes)

    def skip(self, rows: int) -> None:
        """Add ``rows`` rows that lack this column."""
        self._missing += rows

    def freeze(self) -> ColumnState:
        """Return the state so far."""
        return ColumnState(
            self._missing,
            self._kinds,
            self._moments.freeze(),
            self._quantiles.freeze(),
            self._distinct.freeze(),
            self._categories,
        )

    def _count_categories(self, texts: pl.Series) -> dict[str, int] | None:
        """Count the block's values in, and return their counts unless there are or were too many different ones."""
        if self._categories is None:
            return None
        counts = _counts_of(texts, CATEGORY_LIMIT)
        merged = merge_categories(self._categories, counts)
        self._categories = dict(merged) if merged is not None else None
        return counts


def _counts_of(texts: pl.Series, limit: int) -> dict[str, int] | None:
    """Return how often each present text occurs, or ``None`` when more than ``limit`` different ones do."""
    if len(texts) <= _FEW_TEXTS:  # polars needs a millisecond to start, which thousands of columns feel
        counts = dict(Counter(text for text in texts.to_list() if text is not None))
        return counts if len(counts) <= limit else None
    frame = texts.drop_nulls().value_counts(name="rows")
    return dict(frame.iter_rows()) if len(frame) <= limit else None


def _classify(
    texts: pl.Series, numbers: Floats, missing: int, counts: dict[str, int] | None, *, tidy: bool
) -> tuple[Floats, KindCounts]:
    """Return the block's numbers in order and how many values are of each kind."""
    no_number = np.isnan(numbers)
    parsed = len(numbers) - int(np.count_nonzero(no_number))
    values = numbers[~no_number] if parsed < len(numbers) else numbers
    if parsed and not ((tidy or _is_tidy(texts)) and _all_plain(values)):
        return _classify_by_pattern(texts)
    others = KindCounts()
    if parsed + missing < len(texts):
        if parsed or counts is None:
            counts = _counts_of(texts.filter(pl.Series(no_number)), _FEW_TEXTS)
        others = (
            _kinds_of_counts(counts) if counts is not None else _kinds_by_pattern(texts.filter(pl.Series(no_number)))[0]
        )
        if others.fractional or others.integral:
            return _classify_by_pattern(texts)  # "- 5" is a number to deequ, though not to a parser
    integral = _integral_count(texts, numbers) if parsed else 0
    return values, others.merge(KindCounts(fractional=parsed - integral, integral=integral))


def _is_tidy(texts: pl.Series) -> bool:
    return not texts.str.contains(r"(?:^|[^0-9])\.|\.(?:[^0-9]|$)").any()


def _all_plain(values: Floats) -> bool:
    # Infinities, "nan" and integers beyond 64 bits need a look at their text.
    return bool(np.abs(values).max() < _LARGEST_INT64)


def _integral_count(texts: pl.Series, numbers: Floats) -> int:
    whole = np.flatnonzero(numbers == np.floor(numbers))
    if not len(whole):
        return 0
    if len(whole) <= _FEW_WHOLE:
        return sum(kind_of(texts[position]) is InferredType.INTEGRAL for position in whole.tolist())
    integers = texts.cast(pl.Int64, strict=False)  # of a text that is no whole number, this makes null
    return len(integers) - integers.null_count()


def _kinds_of_counts(counts: dict[str, int]) -> KindCounts:
    tally = dict.fromkeys(InferredType, 0)
    for text, rows in counts.items():
        tally[kind_of(text)] += rows
    return KindCounts(
        tally[InferredType.FRACTIONAL],
        tally[InferredType.INTEGRAL],
        tally[InferredType.BOOLEAN],
        tally[InferredType.STRING],
    )


def _kinds_by_pattern(texts: pl.Series) -> tuple[KindCounts, pl.Series]:
    """Return the counts and a mask of the values that are numbers, by deequ's own patterns."""
    fractional = texts.str.contains(rf"\A{FRACTIONAL_PATTERN}\z")
    integral = texts.str.contains(rf"\A{INTEGRAL_PATTERN}\z")
    boolean = texts.str.contains(rf"\A{BOOLEAN_PATTERN}\z")
    present = len(texts) - texts.null_count()
    fractions, integers, booleans = (int(mask.sum()) for mask in (fractional, integral, boolean))
    strings = present - fractions - integers - booleans
    return KindCounts(fractions, integers, booleans, strings), (fractional | integral).fill_null(value=False)


def _classify_by_pattern(texts: pl.Series) -> tuple[Floats, KindCounts]:
    kinds, is_number = _kinds_by_pattern(texts)
    spelled = texts.filter(is_number).str.replace(" ", "", literal=True)
    return spelled.cast(pl.Float64).to_numpy(), kinds
