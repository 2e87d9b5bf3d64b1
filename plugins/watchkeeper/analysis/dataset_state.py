"""Mergeable sufficient statistics of a dataset: the only thing that is merged."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import polars as pl
import polars_hash as plh

from watchkeeper.analysis.column_kind import KindCounts
from watchkeeper.analysis.column_profiler import ColumnProfiler
from watchkeeper.analysis.column_state import ColumnState
from watchkeeper.analysis.distinct_sketch import HASH_SEED, DistinctSketchBuilder
from watchkeeper.errors import CaptureError


@dataclass(frozen=True)
class DatasetState:
    """Row count and one state per column, in column order.

    ``positional`` says that the columns' names are only positions (``_c0``, ``_c1``, …), because the number of
    fields was not the one the schema or the baseline promised. Positions on each side (``output_0``, ``input_0``, …)
    say that it was, but divided otherwise between the two.
    """

    row_count: int
    columns: dict[str, ColumnState]
    positional: bool = False

    @property
    def is_divided_otherwise(self) -> bool:
        """Whether there are as many fields as promised, but not so many on each side."""
        return self.positional and not next(iter(self.columns), "_c").startswith("_c")

    def renamed(self, names: Sequence[str]) -> "DatasetState":
        """Return the same state under other column names, one for each column."""
        return DatasetState(self.row_count, dict(zip(names, self.columns.values(), strict=True)))

    def without(self, names: Iterable[str]) -> "DatasetState":
        """Return the state of the other columns."""
        excluded = set(names)
        kept = {name: column for name, column in self.columns.items() if name not in excluded}
        return DatasetState(self.row_count, kept, self.positional)


def _absent(rows: int) -> ColumnState:
    """Return the state of a column that none of ``rows`` rows had."""
    return ColumnState(rows, KindCounts(), None, None, DistinctSketchBuilder().freeze(), {})


def merge_states(states: Iterable[DatasetState]) -> DatasetState | None:
    """Return the state of all rows, folded in the order given; ``None`` for no states.

    Columns are joined by name; rows of a part that lacks a column count as missing there. Parts whose columns are
    only positions can be merged with each other if they have equally many, and not with named ones: the names would
    be guesses.

    Raises
    ------
    CaptureError
        when positional and named columns meet.
    """
    parts = list(states)
    return reduce(_merge_two, parts) if parts else None


def _merge_two(left: DatasetState, right: DatasetState) -> DatasetState:
    if (left.positional or right.positional) and left.columns.keys() != right.columns.keys():
        raise CaptureError(
            "states cannot be merged",
            f"one has {len(left.columns)} columns and the other {len(right.columns)}, and not both have names",
            "Judge these hours one by one, or state input_columns and output_columns in the endpoint's file",
        )
    names = list(left.columns) + [name for name in right.columns if name not in left.columns]
    columns = {
        name: (left.columns.get(name) or _absent(left.row_count)).merge(
            right.columns.get(name) or _absent(right.row_count)
        )
        for name in names
    }
    return DatasetState(left.row_count + right.row_count, columns, left.positional)


class DatasetProfiler:
    """Collects a dataset's state from blocks of raw text; memory does not grow with the number of rows."""

    def __init__(self) -> None:
        self._rows = 0
        self._columns: dict[str, ColumnProfiler] = {}

    @property
    def row_count(self) -> int:
        """Rows seen so far."""
        return self._rows

    def update(self, block: pl.DataFrame, *, tidy: bool = False) -> None:
        """Add a block of String columns, null for missing; `ColumnProfiler.update` says what ``tidy`` promises.

        A column first seen now was missing from all rows before; one not in this block is missing from its rows.
        """
        names = block.columns
        numbers = block.select(pl.all().cast(pl.Float64, strict=False).fill_null(math.nan))
        # Any present value's hash may stand in for a missing one: it is counted already.
        hashes = block.select(plh.col("*").nchash.xxhash64(seed=HASH_SEED).fill_null(strategy="max"))
        for name in names:
            if name not in self._columns:
                self._columns[name] = self._new_column()
        frames = zip(block.get_columns(), numbers.get_columns(), hashes.get_columns(), strict=True)
        series = dict(zip(names, frames, strict=True))
        for name, column in self._columns.items():
            if name in series:
                texts, floats, hashed = series[name]
                column.update(texts, floats.to_numpy(), hashed.to_numpy(), tidy=tidy)
            else:
                column.skip(len(block))
        self._rows += len(block)

    def freeze(self, *, positional: bool = False) -> DatasetState | None:
        """Return the state so far, or ``None`` when there was no row."""
        if not self._rows:
            return None
        columns = {name: column.freeze() for name, column in self._columns.items()}
        return DatasetState(self._rows, columns, positional)

    def _new_column(self) -> ColumnProfiler:
        column = ColumnProfiler()
        column.skip(self._rows)
        return column


def frame_of(rows: list[dict[str, str | None]]) -> pl.DataFrame:
    """Return rows of named texts as a frame, columns in order of appearance, null where a row lacks one."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame({name: pl.Series(name, [row.get(name) for row in rows], pl.String) for name in names})
