"""The groups that a bias state's rows fall into: one for each facet's value, with its counts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.bias_definition import INTERSECTION, Facet, Value
from watchkeeper.analysis.bias_metrics import Floats
from watchkeeper.analysis.bias_profiler import threshold_of
from watchkeeper.analysis.bias_state import IS_ABOVE, IS_VALUE, JOINT, BiasState, FacetTable
from watchkeeper.analysis.class_label import class_label
from watchkeeper.analysis.column_reading import ColumnReading
from watchkeeper.analysis.flip_test import FlipCounts, flip_counts

NO_THRESHOLD = "Threshold values must be provided for continuous features"
NO_GROUP = "Group variable is empty or not provided"
EMPTY_FACET = "Facet set is empty"
EMPTY_OTHERS = "Negated facet set is empty"
NON_NUMERIC = "FlipTest does not support non-numeric columns"
TOO_MANY_GROUPS = "the group variable has too many values to count rows by it"
TOO_MANY_VALUES = "the facet has too many values to count rows by it"
GAPS = "FlipTest does not support missing values"

_WHOLE = 2.0**53


@dataclass(frozen=True, eq=False)
class FacetGroup:
    """The rows of one facet's value beside all others.

    ``cells`` counts by (group, label, prediction), group 1 being the facet's; ``by_group`` the same for each value of
    the group variable first, with the reason where it cannot be had. ``flips`` is of the sampled rows; ``entropy`` the
    Generalized Entropy summed row by row where all rows are known, which is what Clarify does, to the last digit.
    ``fault`` says why the facet cannot be counted at all.
    """

    facet: str
    value: str
    cells: Floats = field(default_factory=lambda: np.zeros((2, 2, 2)))
    by_group: Floats | str = NO_GROUP
    flips: FlipCounts | str = EMPTY_FACET
    entropy: float | None = None
    fault: str | None = None

    @property
    def facet_rows(self) -> int:
        """Rows of the facet's value."""
        return int(self.cells[1].sum())

    @property
    def other_rows(self) -> int:
        """All other rows."""
        return int(self.cells[0].sum())

    @property
    def empty(self) -> str | None:
        """Why there are no two groups to compare, ``None`` where there are."""
        if self.fault:
            return self.fault
        return EMPTY_FACET if not self.facet_rows else None if self.other_rows else EMPTY_OTHERS


@dataclass(frozen=True)
class Reading:
    """Which bit of a code counts, and what the values are called in documents."""

    bit: int
    text: str

    @property
    def is_continuous(self) -> bool:
        """Whether the values are a threshold."""
        return self.bit == IS_ABOVE


def is_interval(text: str) -> bool:
    """Whether a document's value is that of a continuous column: ``(100, 225]``, or empty above its maximum."""
    return not text or (text.startswith("(") and text.endswith("]") and ", " in text)


def same_value(left: str, right: str) -> bool:
    """Whether two documents mean the same value: intervals go by their lower ends, for the upper is the data's.

    Numbers go by their value: pandas spells the same column ``1`` or ``1.0``, depending on its gaps.
    """
    pairs = (left.split(INTERSECTION), right.split(INTERSECTION))
    return len(pairs[0]) == len(pairs[1]) and all(map(_same, *pairs))


def _same(left: str, right: str) -> bool:
    if left and right and is_interval(left) and is_interval(right):
        return left.partition(",")[0] == right.partition(",")[0]
    return class_label(left) == class_label(right)


def label_reading(state: BiasState, known: str | None = None) -> Reading:
    """Return how labels are read: as ``known`` (a baseline's text) is, else by Clarify's rule.

    Where nothing is above the threshold but something equal to it, the value counts: Clarify takes the integers of a
    few rows for continuous, and then finds no positive label.
    """
    values = state.attributes.label_values_or_threshold
    seen = 0
    for (_, _, label, prediction), _count in _cells(state):
        seen |= label | (prediction if state.attributes.inference_attribute is not None else 0)
    return _reading(values, state.label, seen, known)


def _cells(state: BiasState) -> Iterator[tuple[tuple[str, str | None, int, int], int]]:
    for table in state.tables:
        if table.cells is not None:
            yield from table.cells.items()
            return


def _reading(values: tuple[Value, ...], column: ColumnReading, seen: int, known: str | None) -> Reading:
    threshold = threshold_of(values)
    if threshold is None:
        return Reading(IS_VALUE, ",".join(map(str, values)))
    continuous = column.is_continuous if known is None else is_interval(known)
    if known is None and seen == IS_VALUE:
        continuous = False
    if continuous:
        return Reading(IS_ABOVE, interval_text(threshold, column))
    return Reading(IS_VALUE, str(values[0]))


def interval_text(threshold: float, column: ColumnReading) -> str:
    """Return the interval from the threshold to the column's maximum as Clarify writes it; empty where they are one."""
    top = column.maximum
    if top is None or abs(top) == threshold:
        return ""
    whole = not column.is_float and threshold == int(threshold) and abs(top) < _WHOLE
    ends = [str(int(end)) if whole else repr(end) for end in sorted((threshold, top))]
    return f"({ends[0]}, {ends[1]}]"


def facet_groups(
    state: BiasState, known: dict[str, list[str]] | None = None, label: Reading | None = None
) -> list[FacetGroup]:
    """Return the groups of all facets and intersections, in the order asked for.

    ``known`` are a baseline's values by facet, whose kinds are kept.
    """
    label = label or label_reading(state)
    groups: list[FacetGroup] = []
    for position, name in enumerate(state.table_names):
        texts = (known or {}).get(name)
        groups += _Table(state, position, name, label, texts[0] if texts else None).groups()
    return groups


class _Table:
    """One facet's table as arrays: a row for each cell."""

    def __init__(self, state: BiasState, position: int, name: str, label: Reading, known: str | None) -> None:
        self._state = state
        self._name = name
        self._label = label
        self._facets = state.facet_positions(position)
        self._table: FacetTable = state.tables[position]
        cells = self._table.cells or {}
        codes = [code.split(JOINT) for code, *_ in cells]
        self._codes = [np.array([code[part] for code in codes], np.str_) for part in range(len(self._facets))]
        self._groups = [group for _, group, _, _ in cells]
        bits = np.array([(label_code, prediction) for *_, label_code, prediction in cells], np.int64).reshape(-1, 2)
        self._outcome = (bits[:, 0] & label.bit > 0) * 2 + (bits[:, 1] & label.bit > 0)
        self._counts = np.fromiter(cells.values(), np.float64, len(cells))
        parts = known.split(INTERSECTION) if known is not None else []
        self._known = parts if len(parts) == len(self._facets) else [None] * len(self._facets)

    def groups(self) -> list[FacetGroup]:
        if self._table.cells is None:
            return [FacetGroup(self._name, "", fault=TOO_MANY_VALUES)]
        choices: list[list[tuple[str, Reading | None]]] = []
        for part, position in enumerate(self._facets):
            found = self._choices(part, self._state.attributes.facets[position], self._state.facets[position])
            if found is None:
                return [FacetGroup(self._name, "", fault=NO_THRESHOLD)]
            choices.append(found)
        return [self._group(chosen) for chosen in _product(choices)]

    def _choices(self, part: int, facet: Facet, column: ColumnReading) -> list[tuple[str, Reading | None]] | None:
        """Return the values of one facet; without a reading the text itself is the code."""
        if facet.values_or_threshold:
            seen = int(np.bitwise_or.reduce(self._bits(self._codes[part]), initial=0))
            reading = _reading(facet.values_or_threshold, column, seen, self._known[part])
            return [(reading.text, reading)]
        # As in the baseline, which has no value of a facet that lacked a threshold.
        if column.is_continuous if (known := self._known[part]) is None else not known:
            return None
        return [(code, None) for code in dict.fromkeys(self._codes[part].tolist()) if code]

    @staticmethod
    def _bits(codes: NDArray[np.str_]) -> NDArray[np.int64]:
        return np.where(codes == "", "0", codes).astype(np.int64) if len(codes) else np.zeros(0, np.int64)

    def _members(self, chosen: list[tuple[str, Reading | None]], codes: list[NDArray[np.str_]]) -> NDArray[np.bool_]:
        members = np.ones(len(codes[0]), np.bool_)
        for (text, reading), column in zip(chosen, codes, strict=True):
            members &= column == text if reading is None else self._bits(column) & reading.bit > 0
        return members

    def _group(self, chosen: list[tuple[str, Reading | None]]) -> FacetGroup:
        members = self._members(chosen, self._codes)
        kind = members * 4 + self._outcome
        cells = np.bincount(kind, self._counts, 8).astype(np.float64).reshape(2, 2, 2)
        return FacetGroup(
            self._name,
            INTERSECTION.join(text for text, _ in chosen),
            cells,
            self._by_group(kind),
            self._flips(chosen),
            self._entropy(),
        )

    def _by_group(self, kind: NDArray[np.int64]) -> Floats | str:
        if not self._table.grouped:
            return TOO_MANY_GROUPS
        names = _sorted({group for group in self._groups if group is not None})
        if not names:
            return NO_GROUP
        index = {name: position for position, name in enumerate(names)}
        places = np.array([index.get(group, -1) if group is not None else -1 for group in self._groups])
        present = places >= 0
        flat = np.bincount((places * 8 + kind)[present], self._counts[present], len(names) * 8)
        return flat.astype(np.float64).reshape(len(names), 2, 2, 2)

    def _flips(self, chosen: list[tuple[str, Reading | None]]) -> FlipCounts | str:
        sample = self._state.sample
        if sample is None:
            return "no rows were kept"
        own = {self._state.attributes.facets[position].name for position in self._facets}
        columns = [column for column, name in enumerate(sample.names) if name not in own]
        members = self._members(chosen, [sample.codes[position] for position in self._facets])
        if not members.any() or members.all():
            return EMPTY_OTHERS if members.any() else EMPTY_FACET
        if not all(sample.numeric[column] for column in columns):
            return NON_NUMERIC
        features = sample.features[:, columns]
        if not columns or not np.isfinite(features).all():
            return GAPS if columns else "no feature is left to find neighbours by"
        return flip_counts(features, members, sample.predictions & self._label.bit > 0)

    def _entropy(self) -> float | None:
        sample = self._state.sample
        if sample is None or len(sample) != self._state.row_count:
            return None
        benefit = 1 + (sample.predictions & self._label.bit > 0) - (sample.labels & self._label.bit > 0).astype(int)
        mean = benefit.mean()
        if not mean:
            return None
        return float(((benefit / mean) ** 2 - 1).sum() / (len(benefit) * 2))


def _sorted(names: set[str]) -> list[str]:
    """Return the group variable's values in order: numbers by value where all are, as numpy sorts a column of them."""
    try:
        return sorted(names, key=float)
    except ValueError:
        return sorted(names)


def _product[T](choices: list[list[T]]) -> list[list[T]]:
    chosen: list[list[T]] = [[]]
    for options in choices:
        chosen = [[*before, option] for before in chosen for option in options]
    return chosen
