"""Labelled rows with the answers of two models, and which of them can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from watchkeeper.analysis.class_label import binary_label, opposite_label

REGRESSION, BINARY, MULTICLASS = "Regression", "BinaryClassification", "MulticlassClassification"
PROBLEM_TYPES = (REGRESSION, BINARY, MULTICLASS)
NO_LABEL, NO_CHAMPION, NO_CHALLENGER = "no usable label", "no usable champion's answer", "no usable challenger's answer"
CLASS_LIMIT = 500


@dataclass(frozen=True)
class ScoredRows:
    """Labels and both models' answers as text (or numbers), row by row; ``None`` where there is none.

    An answer is a number (regression), a class, or a positive class's probability. ``segments`` holds columns by
    name, as long as the labels.
    """

    labels: Sequence[object]
    champion: Sequence[object]
    challenger: Sequence[object]
    segments: Mapping[str, Sequence[object]] = field(default_factory=dict)

    @property
    def mismatch(self) -> str | None:
        """Why these are not the same rows of both models, ``None`` if they are."""
        count = len(self.labels)
        for name, column in (("champion", self.champion), ("challenger", self.challenger), *self.segments.items()):
            if len(column) != count:
                return f"{count} labels, but {len(column)} rows of {name}"
        return None


@dataclass(frozen=True)
class UsableRows:
    """The rows that have all three, and how many have not, by the first reason.

    Numbers for a regression; for a binary problem ``labels`` is 1 for the positive class, and answers are
    probabilities, or 1 and 0; classes are numbered through for a multiclass problem. ``kept`` says which rows of the
    given these are.
    """

    labels: NDArray[np.float64]
    champion: NDArray[np.float64]
    challenger: NDArray[np.float64]
    kept: NDArray[np.bool_]
    dropped: Mapping[str, int]
    class_count: int = 0

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.labels)


def usable_rows(
    rows: ScoredRows,
    problem_type: str,
    *,
    positive_label: str,
    probabilities: bool,
    negative_label: str | None = None,
) -> UsableRows:
    """Return the rows that can be compared.

    Unusable are what is missing, what is no finite number (regression, probabilities), probabilities outside 0..1, and
    what names neither class of a binary problem. ``negative_label`` may be left out where the positive one is of a
    well-known pair; of other classes everything that is not positive is negative then.
    """
    columns = [rows.labels, rows.champion, rows.challenger]
    if problem_type == REGRESSION:
        read = [_numbers(column) for column in columns]
        return _kept(read)
    if problem_type == BINARY:
        positive = _class_names(pl.Series([positive_label], dtype=pl.String))[0]
        other = negative_label if negative_label is not None else opposite_label(positive_label)
        negative = None if other is None else _class_names(pl.Series([other], dtype=pl.String))[0]
        answers = [
            _probabilities(column) if probabilities else _positive(column, positive, negative) for column in columns[1:]
        ]
        return _kept([_positive(rows.labels, positive, negative), *answers])
    names = [_class_names(_texts(column)) for column in columns]
    known = pl.concat(names).drop_nulls().unique(maintain_order=True).to_list()
    number = {name: float(place) for place, name in enumerate(known)}
    return _kept([np.array([number.get(name, np.nan) for name in column.to_list()]) for column in names], len(known))


def segment_values(column: Sequence[object], kept: NDArray[np.bool_]) -> tuple[list[str | None], NDArray[np.int64]]:
    """Return the distinct values of a segment's column, and which of them each usable row has."""
    texts = _texts(column).filter(pl.Series(kept)).to_list()
    values = sorted(set(texts), key=lambda value: (value is None, value))
    place = {value: index for index, value in enumerate(values)}
    return values, np.array([place[value] for value in texts], np.int64)


def _kept(read: list[NDArray[np.float64]], class_count: int = 0) -> UsableRows:
    missing = [np.isnan(column) for column in read]
    dropped: dict[str, int] = {}
    gone = np.zeros(len(read[0]), bool)
    for reason, lacks in zip((NO_LABEL, NO_CHAMPION, NO_CHALLENGER), missing, strict=True):
        count = int((lacks & ~gone).sum())
        gone |= lacks
        if count:
            dropped[reason] = count
    labels, champion, challenger = (column[~gone] for column in read)
    return UsableRows(labels, champion, challenger, ~gone, dropped, class_count)


def _texts(column: Sequence[object]) -> pl.Series:
    texts = pl.Series([None if value is None else str(value).strip() for value in column], dtype=pl.String)
    return texts.set(texts == "", None)


def _numbers(column: Sequence[object]) -> NDArray[np.float64]:
    numbers = _texts(column).cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _probabilities(column: Sequence[object]) -> NDArray[np.float64]:
    numbers = _numbers(column)
    return np.where((numbers >= 0) & (numbers <= 1), numbers, np.nan)


def _positive(column: Sequence[object], positive: str, negative: str | None) -> NDArray[np.float64]:
    """Return 1 for the positive class, 0 for the negative one, not-a-number for neither."""
    texts = _texts(column)
    if negative is None:
        return (_class_names(texts) == positive).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    kinds = {text: binary_label(text, positive, negative) for text in texts.drop_nulls().unique().to_list()}
    number = {text: float(kind == positive) for text, kind in kinds.items() if kind is not None}
    return texts.replace_strict(number, default=None, return_dtype=pl.Float64).fill_null(float("nan")).to_numpy()


def _class_names(texts: pl.Series) -> pl.Series:
    """Return classes by name: ``1``, ``1.0`` and ``1e0`` are the same one."""
    numbers = texts.cast(pl.Float64, strict=False)
    whole = numbers.is_not_null() & (numbers == numbers.round()) & (numbers.abs() < 2**53)
    as_whole = numbers.set(~whole.fill_null(value=False), None).cast(pl.Int64, strict=False).cast(pl.String)
    return as_whole.zip_with(as_whole.is_not_null(), texts)
