"""Whether a column is continuous, as Clarify tells from all its values: told from mergeable facts."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

UNIQUENESS = 0.05
"""An integer column is continuous from so many distinct values a row on (Clarify's rule)."""

DISTINCT_CEILING = 65_536
"""So many distinct integers are told apart; a column of more is taken for continuous."""


@dataclass(frozen=True, eq=False)
class ColumnReading:
    """What is remembered of a column to tell its kind.

    ``present`` counts values, ``missing`` gaps; ``fractional`` and ``text`` those that are numbers with a fraction or
    an exponent, and those that are no numbers. ``distinct`` holds the distinct integers in order, ``None`` where they
    do not matter (a fraction or a text was seen) or are more than `DISTINCT_CEILING`. ``maximum`` is of the numbers.
    """

    present: int = 0
    missing: int = 0
    fractional: int = 0
    text: int = 0
    distinct: NDArray[np.float64] | None = None
    maximum: float | None = None

    @property
    def is_continuous(self) -> bool:
        """Clarify's rule: text is categorical; fractions, and integers with gaps, are continuous as pandas' floats are;
        whole columns of integers are by the share of distinct values."""
        if self.text or not self.present:
            return False
        if self.is_float or self.distinct is None:
            return True
        return len(self.distinct) / self.present >= UNIQUENESS

    @property
    def is_float(self) -> bool:
        """Whether pandas would hold the column as floats."""
        return not self.text and bool(self.fractional or (self.missing and self.present))

    @classmethod
    def of(cls, texts: pl.Series, numbers: pl.Series, *, with_distinct: bool) -> "ColumnReading":
        """Return the reading of a block: texts without outer blanks, null for missing, and the same as numbers."""
        present = len(texts) - texts.null_count()
        no_numbers = present - (len(numbers) - numbers.null_count())
        fractional = int(texts.str.contains(r"^[+-]?[0-9]*[.eE]|[iI]nf").fill_null(value=False).sum())
        fractional = max(0, fractional - no_numbers) if no_numbers else fractional
        maximum = numbers.max()
        distinct = None
        if with_distinct and not no_numbers and not fractional:
            distinct = _capped(numbers.drop_nulls().unique().sort().to_numpy())
        top = float(maximum) if isinstance(maximum, int | float) else None
        return cls(present, len(texts) - present, fractional, no_numbers, distinct, top)

    def merge(self, other: "ColumnReading") -> "ColumnReading":
        """Return the reading of both parts' rows."""
        if not self.present or not other.present:
            distinct = self.distinct if self.present else other.distinct
        elif self.distinct is None or other.distinct is None:
            distinct = None
        else:
            distinct = _capped(np.union1d(self.distinct, other.distinct))
        tops = [top for top in (self.maximum, other.maximum) if top is not None]
        return ColumnReading(
            self.present + other.present,
            self.missing + other.missing,
            self.fractional + other.fractional,
            self.text + other.text,
            distinct,
            max(tops, default=None),
        )


def _capped(distinct: NDArray[np.float64]) -> NDArray[np.float64] | None:
    return distinct if len(distinct) <= DISTINCT_CEILING else None
