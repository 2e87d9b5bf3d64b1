"""Mergeable sufficient statistics of bias: counts by facet, group, label and prediction, and a sample of rows.

A facet's, label's or prediction's **code** says how a value stands to what was asked for: bit 1 that it is one of the
values, bit 2 that it is above the threshold. Which of the two counts is known only from all values (see
`ColumnReading`), so both are kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce

from watchkeeper.analysis.bias_definition import INTERSECTION, BiasAttributes
from watchkeeper.analysis.column_reading import ColumnReading
from watchkeeper.analysis.row_sample import RowSample
from watchkeeper.errors import CaptureError

IS_VALUE, IS_ABOVE = 1, 2
"""The bits of a code."""

JOINT = "\x1f"
"""Stands between the codes of facets that are looked at together."""

CELL_CEILING = 50_000
"""A table with more cells first forgets the group variable, then itself."""

Cell = tuple[str, str | None, int, int]
"""Facet code, value of the group variable (``None``: none), label code, prediction code."""


@dataclass(frozen=True)
class FacetTable:
    """How many rows there are of each kind, for one facet or one intersection of facets.

    A facet without values has them as its codes, in the order they were first seen; a missing value has the code
    ``""``. ``grouped`` is false where the group variable had too many values, ``cells`` is ``None`` where even the
    facet had.
    """

    cells: Mapping[Cell, int] | None
    grouped: bool = True

    def merge(self, other: "FacetTable") -> "FacetTable":
        """Return the table of both parts' rows."""
        if self.cells is None or other.cells is None:
            return FacetTable(None, grouped=False)
        grouped = self.grouped and other.grouped
        return FacetTable.of([*self.cells.items(), *other.cells.items()], grouped=grouped)

    @classmethod
    def of(cls, counted: Iterable[tuple[Cell, int]], *, grouped: bool = True) -> "FacetTable":
        """Return the table of cells that may occur several times, within its ceiling."""
        cells: dict[Cell, int] = {}
        for (code, group, label, prediction), count in counted:
            key = (code, group if grouped else None, label, prediction)
            cells[key] = cells.get(key, 0) + count
        if len(cells) <= CELL_CEILING:
            return cls(cells, grouped)
        return cls.of(cells.items(), grouped=False) if grouped else cls(None, grouped=False)


@dataclass(frozen=True)
class BiasState:
    """What is remembered of labelled rows.

    ``row_count`` counts the rows that can be judged, ``rejected`` the others by reason. ``label`` and ``facets`` are
    the readings of those columns, ``tables`` the counts: of each facet, then of each intersection. ``sample`` is
    ``None`` where no Flip Test is asked for.
    """

    attributes: BiasAttributes
    row_count: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    label: ColumnReading = field(default_factory=ColumnReading)
    facets: tuple[ColumnReading, ...] = ()
    tables: tuple[FacetTable, ...] = ()
    sample: RowSample | None = None

    @property
    def rejected_count(self) -> int:
        """Rows that could not be judged."""
        return sum(self.rejected.values())

    @property
    def rejected_share(self) -> float:
        """Their share of all rows; 0 for no rows."""
        rows = self.row_count + self.rejected_count
        return self.rejected_count / rows if rows else 0.0

    @property
    def table_names(self) -> tuple[str, ...]:
        """What the tables are called in documents: facets by their names, intersections by theirs joined."""
        joined = (INTERSECTION.join(parts) for parts in self.attributes.intersections)
        return (*(facet.name for facet in self.attributes.facets), *joined)

    def facet_positions(self, table: int) -> tuple[int, ...]:
        """Return which facets a table is of, by their positions."""
        names = [facet.name for facet in self.attributes.facets]
        if table < len(names):
            return (table,)
        return tuple(names.index(name) for name in self.attributes.intersections[table - len(names)])


def merge_bias_states(states: Iterable[BiasState]) -> BiasState | None:
    """Return the state of all rows, folded in the order given; ``None`` for no states.

    Counts are exact under any split; the sample is the same set of rows under any order.

    Raises
    ------
    CaptureError
        when the parts were read by different attributes.
    """
    parts = list(states)
    return reduce(_merge_two, parts) if parts else None


def _merge_two(left: BiasState, right: BiasState) -> BiasState:
    if left.attributes.digest() != right.attributes.digest():
        raise CaptureError(
            "states cannot be merged",
            "their rows were counted by different attributes of bias",
            "Rebuild the older one from its merged records, or judge these hours one by one",
        )
    rejected = dict(left.rejected)
    for reason, count in right.rejected.items():
        rejected[reason] = rejected.get(reason, 0) + count
    samples = [part for part in (left.sample, right.sample) if part is not None]
    return BiasState(
        left.attributes,
        left.row_count + right.row_count,
        rejected,
        left.label.merge(right.label),
        tuple(a.merge(b) for a, b in zip(left.facets, right.facets, strict=True)),
        tuple(a.merge(b) for a, b in zip(left.tables, right.tables, strict=True)),
        reduce(RowSample.merge, samples) if samples else None,
    )
