"""Mergeable sufficient statistics of one column."""

from collections.abc import Mapping
from dataclasses import dataclass

from watchkeeper.analysis.column_kind import InferredType, KindCounts
from watchkeeper.analysis.distinct_sketch import DistinctSketch
from watchkeeper.analysis.moment_state import MomentState
from watchkeeper.analysis.quantile_sketch import QuantileSketch

# Past this many distinct values category counts are dropped for good. Model Monitor writes categories while the
# *estimated* number of distinct values is at most 120; the sketch's error keeps that far below 400.
CATEGORY_LIMIT = 400


@dataclass(frozen=True)
class ColumnState:
    """Everything that is remembered of a column; statistics and verdicts are derived from it, never stored.

    A state keeps what a numeric and a string column need, because the type is known only when all parts are merged.
    ``moments`` and ``quantiles`` are of the values that read as numbers, ``None`` if there was none. ``categories``
    counts every present text, ``None`` once there were more than `CATEGORY_LIMIT` different ones.
    """

    missing: int
    kinds: KindCounts
    moments: MomentState | None
    quantiles: QuantileSketch | None
    distinct: DistinctSketch
    categories: Mapping[str, int] | None

    @property
    def present(self) -> int:
        """Values that are not missing."""
        return self.kinds.present

    @property
    def completeness(self) -> float:
        """Share of rows with a value; 1 for no rows."""
        rows = self.present + self.missing
        return self.present / rows if rows else 1.0

    @property
    def inferred_type(self) -> InferredType:
        """The column's type."""
        return self.kinds.inferred_type()

    def merge(self, other: "ColumnState") -> "ColumnState":
        """Return the state of this column's rows followed by ``other``'s.

        Counts, distinct sketch and categories are exact under any split, moments to about 1e-12 relative, quantiles
        within the sketch's rank error. ``None`` is the identity.
        """
        return ColumnState(
            self.missing + other.missing,
            self.kinds.merge(other.kinds),
            _merge_optional(self.moments, other.moments),
            _merge_optional(self.quantiles, other.quantiles),
            self.distinct.merge(other.distinct),
            merge_categories(self.categories, other.categories),
        )


def _merge_optional[S: (MomentState, QuantileSketch)](left: S | None, right: S | None) -> S | None:
    if left is None or right is None:
        return right if left is None else left
    return left.merge(right)


def merge_categories(left: Mapping[str, int] | None, right: Mapping[str, int] | None) -> Mapping[str, int] | None:
    """Return the counts of both streams, or ``None`` when either was dropped or both together are too many."""
    if left is None or right is None:
        return None
    merged = dict(left)
    for value, count in right.items():
        merged[value] = merged.get(value, 0) + count
    return merged if len(merged) <= CATEGORY_LIMIT else None
