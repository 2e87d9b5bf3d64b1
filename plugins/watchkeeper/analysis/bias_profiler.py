"""From blocks of features, labels and predictions as text to a bias state, in bounded memory."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from watchkeeper.analysis.bias_definition import BiasAttributes, Facet, Value, feature_named
from watchkeeper.analysis.bias_state import IS_ABOVE, IS_VALUE, JOINT, BiasState, Cell, FacetTable
from watchkeeper.analysis.class_label import class_label
from watchkeeper.analysis.column_reading import ColumnReading
from watchkeeper.analysis.distinct_sketch import Hashes
from watchkeeper.analysis.quality_profiler import (
    NO_LABEL,
    NO_PREDICTION,
    NO_PROBABILITY,
    PROBABILITY_OUTSIDE,
)
from watchkeeper.analysis.row_sample import SAMPLE_CEILING, RowSample

Mask = NDArray[np.bool_]

_BOTH = IS_VALUE | IS_ABOVE
_MISSING = ("", "nan", "NaN")
_BOOLEANS = {"true": 1.0, "false": 0.0}
_GROUP, _LABEL, _PREDICTION = "group", "label", "prediction"


class BiasProfiler:
    """Collects a bias state; a row without a label or a prediction is left out and counted by its first fault."""

    def __init__(self, attributes: BiasAttributes) -> None:
        self._attributes = attributes
        self._label_values = attributes.label_values_or_threshold
        self._empty = BiasState(attributes)
        self._rows = 0
        self._rejected: dict[str, int] = {}
        self._label = ColumnReading()
        self._facets = [ColumnReading() for _ in attributes.facets]
        self._tables = [FacetTable({}) for _ in self._empty.table_names]
        self._samples_rows = "FT" in attributes.post_training
        self._sample: RowSample | None = None

    @property
    def row_count(self) -> int:
        """Rows seen so far, those that cannot be judged included."""
        return self._rows + sum(self._rejected.values())

    def update(
        self,
        features: pl.DataFrame,
        labels: pl.Series,
        predictions: pl.Series | None,
        probabilities: pl.Series | None,
        hashes: Hashes,
    ) -> None:
        """Add a block of String columns of equal length, null or blank for missing, and a hash for each row.

        Predictions or probabilities are ``None`` where the attributes do not name them. A facet or a group variable
        that is no column of ``features`` is missing in all rows.
        """
        if not len(labels):
            return
        labels = _tidy(labels)
        keep = self._reject(np.ones(len(labels), np.bool_), NO_LABEL, labels.is_null())
        answers, keep = self._answers(keep, predictions, probabilities)
        kept = pl.Series(keep)
        truth, reading = _codes(labels.filter(kept), self._label_values)
        if not len(truth):
            return
        self._label = self._label.merge(reading)
        self._rows += len(truth)
        self._count(features.filter(kept), truth, answers.filter(kept), hashes[keep])

    def _reject(self, keep: Mask, reason: str, faulty: pl.Series) -> Mask:
        mask: Mask = faulty.to_numpy()
        count = int(np.count_nonzero(keep & mask))
        if count:
            self._rejected[reason] = self._rejected.get(reason, 0) + count
        return keep & ~mask

    def _answers(
        self, keep: Mask, predictions: pl.Series | None, probabilities: pl.Series | None
    ) -> tuple[pl.Series, Mask]:
        """Return the predictions' codes, and which rows have one; without any they are all 0."""
        if predictions is not None:
            predictions = _tidy(predictions)
            keep = self._reject(keep, NO_PREDICTION, predictions.is_null())
            return _codes(predictions, self._label_values, with_reading=False)[0], keep
        if probabilities is None:
            return pl.zeros(len(keep), pl.UInt8, eager=True), keep
        scores = _numbers(_tidy(probabilities))
        keep = self._reject(keep, NO_PROBABILITY, _tidy(probabilities).is_null())
        keep = self._reject(keep, PROBABILITY_OUTSIDE, ~scores.is_between(0, 1).fill_null(value=False))
        above = (scores > self._attributes.probability_threshold).fill_null(value=False)
        return above.cast(pl.UInt8) * _BOTH, keep

    def _count(self, features: pl.DataFrame, truth: pl.Series, answers: pl.Series, hashes: Hashes) -> None:
        codes = []
        for position, facet in enumerate(self._attributes.facets):
            code, reading = _facet_codes(_feature(features, facet.name), facet)
            self._facets[position] = self._facets[position].merge(reading)
            codes.append(code.alias(str(position)))
        group = self._attributes.group_variable
        groups = (
            _feature(features, group) if group is not None else pl.repeat(None, len(truth), dtype=pl.String, eager=True)
        )
        frame = pl.DataFrame([*codes, groups.alias(_GROUP), truth.alias(_LABEL), answers.alias(_PREDICTION)])
        for table in range(len(self._tables)):
            self._count_table(table, frame)
        if self._samples_rows:
            self._take_sample(features, frame, hashes)

    def _count_table(self, table: int, frame: pl.DataFrame) -> None:
        if self._tables[table].cells is None:
            return
        if not self._tables[table].grouped:
            frame = frame.with_columns(pl.lit(None, pl.String).alias(_GROUP))
        facets = [str(position) for position in self._empty.facet_positions(table)]
        counted = frame.group_by(*facets, _GROUP, _LABEL, _PREDICTION, maintain_order=True).len()
        names = {text: class_label(text) for text in counted.get_column(_GROUP).drop_nulls().unique().to_list()}
        cells: list[tuple[Cell, int]] = []
        for *parts, group, label, prediction, count in counted.iter_rows():
            code = JOINT.join("" if part is None else str(part) for part in parts)
            cells.append(((code, None if group is None else names[group], label, prediction), count))
        self._tables[table] = self._tables[table].merge(FacetTable.of(cells))

    def _take_sample(self, features: pl.DataFrame, frame: pl.DataFrame, hashes: Hashes) -> None:
        rows = np.arange(len(hashes))
        if self._sample is not None and len(self._sample) == SAMPLE_CEILING:
            rows = np.flatnonzero(hashes < self._sample.hashes.max())
        if len(rows) > SAMPLE_CEILING:
            rows = np.sort(rows[np.argpartition(hashes[rows], SAMPLE_CEILING - 1)[:SAMPLE_CEILING]])
        if not len(rows):
            return
        excluded = {feature_named(name, features.columns) for name in self._attributes.excluded_columns}
        chosen = features.select(name for name in features.columns if name not in excluded)[rows]
        codes = frame[rows]
        columns = [_tidy(chosen.get_column(name)) for name in chosen.columns]
        numbers = [_numbers(column, booleans=True) for column in columns]
        block = RowSample(
            tuple(chosen.columns),
            hashes[rows],
            np.column_stack([values.fill_null(float("nan")).to_numpy() for values in numbers])
            if numbers
            else np.empty((len(rows), 0)),
            tuple(a.null_count() == b.null_count() for a, b in zip(columns, numbers, strict=True)),
            tuple(
                codes.get_column(str(position)).cast(pl.String).fill_null("").to_numpy().astype(np.str_)
                for position in range(len(self._facets))
            ),
            codes.get_column(_LABEL).to_numpy(),
            codes.get_column(_PREDICTION).to_numpy(),
        )
        self._sample = block if self._sample is None else self._sample.merge(block)

    def freeze(self) -> BiasState | None:
        """Return the state so far, or ``None`` when there was no row, judged or rejected."""
        if not self.row_count:
            return None
        return BiasState(
            self._attributes,
            self._rows,
            dict(self._rejected),
            self._label,
            tuple(self._facets),
            tuple(self._tables),
            self._sample,
        )


def _feature(features: pl.DataFrame, name: str) -> pl.Series:
    column = feature_named(name, features.columns)
    if column is None:
        return pl.repeat(None, len(features), dtype=pl.String, eager=True)
    return _tidy(features.get_column(column))


def _facet_codes(texts: pl.Series, facet: Facet) -> tuple[pl.Series, ColumnReading]:
    """Return a facet's codes: bits where it has values, else its values as class labels."""
    if facet.values_or_threshold:
        return _codes(texts, facet.values_or_threshold)
    distinct = texts.drop_nulls().unique()
    names = pl.Series([class_label(text) for text in distinct.to_list()], dtype=pl.String)
    codes = texts.replace_strict(distinct, names, default=None, return_dtype=pl.String)
    return codes.fill_null(""), ColumnReading.of(texts, _numbers(texts), with_distinct=True)


def _codes(texts: pl.Series, values: Sequence[Value], *, with_reading: bool = True) -> tuple[pl.Series, ColumnReading]:
    """Return the codes of texts against the values asked for, and the column's reading."""
    numbers = _numbers(texts)
    spelled, numeric = _spellings(values)
    code = (texts.is_in(spelled) | numbers.is_in(numeric)).fill_null(value=False).cast(pl.UInt8) * IS_VALUE
    threshold = threshold_of(values)
    if threshold is not None:
        code += (numbers > threshold).fill_null(value=False).cast(pl.UInt8) * IS_ABOVE
    if not with_reading:
        return code, ColumnReading()
    return code, ColumnReading.of(texts, numbers, with_distinct=threshold is not None)


def threshold_of(values: Sequence[Value]) -> float | None:
    """Return the only value as a number, if it is one: what a continuous column is compared with."""
    number = _number(values[0]) if len(values) == 1 else None
    return number if number is not None and not isinstance(values[0], bool) else None


def _spellings(values: Sequence[Value]) -> tuple[list[str], list[float]]:
    """Return the texts and the numbers that name one of the values; booleans stand for 1 and 0 and the reverse."""
    numbers = [number for number in map(_number, values) if number is not None]
    texts = [str(value).strip() for value in values if _number(value) is None]
    for word, number in _BOOLEANS.items():
        if number in numbers:
            texts += [word, word.capitalize(), word.upper()]
    return texts, numbers


def _number(value: Value) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        label = class_label(text)
        try:
            return float(label) if label[:1].isdigit() or label[:1] in {"-", "+", "."} else None
        except ValueError:
            return None
    return float(value)


def _tidy(series: pl.Series) -> pl.Series:
    stripped = series.str.strip_chars()
    return stripped.set(stripped.is_in(_MISSING), None)


def _numbers(texts: pl.Series, *, booleans: bool = False) -> pl.Series:
    """Return each text's number, null for what is none."""
    numbers = texts.cast(pl.Float64, strict=False).fill_nan(None)
    if booleans and numbers.null_count() > texts.null_count():
        words = texts.str.to_lowercase().replace_strict(_BOOLEANS, default=None, return_dtype=pl.Float64)
        numbers = numbers.fill_null(words)
    return numbers
