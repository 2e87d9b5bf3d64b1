"""Model Monitor's ``statistics.json``: derived from a state, written, and read back."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from watchkeeper.analysis.column_kind import InferredType
from watchkeeper.analysis.column_state import ColumnState
from watchkeeper.analysis.dataset_state import DatasetState
from watchkeeper.analysis.jackson_json import encode
from watchkeeper.analysis.quantile_sketch import SHRINKING_FACTOR, SKETCH_SIZE, QuantileSketch
from watchkeeper.errors import DocumentError

# A string column's categories are written while its estimated number of distinct values is at most this (deequ's
# low-cardinality histogram).
LOW_CARDINALITY = 120


@dataclass(frozen=True)
class NumericalStatistics:
    """What is written of a numeric column; ``quantiles`` is ``None`` when the document holds no sketch."""

    mean: float
    total: float
    standard_deviation: float
    minimum: float
    maximum: float
    distinct_count: int | None
    quantiles: QuantileSketch | None


@dataclass(frozen=True)
class StringStatistics:
    """What is written of any other column; ``categories`` only for few distinct values."""

    distinct_count: float
    categories: Mapping[str, int] | None


@dataclass(frozen=True)
class FeatureStatistics:
    """One entry of ``features``."""

    name: str
    inferred_type: InferredType
    present: int
    missing: int
    numerical: NumericalStatistics | None
    string: StringStatistics | None

    @property
    def completeness(self) -> float:
        """Share of rows with a value."""
        rows = self.present + self.missing
        return self.present / rows if rows else 1.0


@dataclass(frozen=True)
class DatasetStatistics:
    """The whole document."""

    row_count: int
    features: dict[str, FeatureStatistics]


def statistics_of(state: DatasetState) -> DatasetStatistics:
    """Return the statistics that Model Monitor would write of this data, features in column order."""
    features = {name: _feature(name, column) for name, column in state.columns.items()}
    return DatasetStatistics(state.row_count, features)


def _feature(name: str, column: ColumnState) -> FeatureStatistics:
    kind = column.inferred_type
    distinct = column.distinct.estimate()
    numerical = string = None
    if kind.is_numeric and column.moments is not None:
        moments = column.moments
        numerical = NumericalStatistics(
            moments.total / moments.count,
            moments.total,
            moments.standard_deviation,
            moments.minimum,
            moments.maximum,
            distinct,
            column.quantiles,
        )
    else:
        # The document's order means nothing; sorted, equal data gives equal bytes.
        categories = None if column.categories is None else dict(sorted(column.categories.items()))
        string = StringStatistics(float(distinct), categories if distinct <= LOW_CARDINALITY else None)
    return FeatureStatistics(name, kind, column.present, column.missing, numerical, string)


def encode_statistics(statistics: DatasetStatistics) -> bytes:
    """Return the document as the container writes it: field order, number text and layout."""
    return encode(statistics_document(statistics))


def statistics_document(statistics: DatasetStatistics) -> dict[str, object]:
    """Return the document as plain values, fields in the container's order."""
    return {
        "version": 0.0,
        "dataset": {"item_count": statistics.row_count},
        "features": [_document(feature) for feature in statistics.features.values()],
    }


def _document(feature: FeatureStatistics) -> dict[str, object]:
    head: dict[str, object] = {"name": feature.name, "inferred_type": feature.inferred_type.value}
    common = {"num_present": feature.present, "num_missing": feature.missing}
    if feature.numerical is not None:
        numbers = feature.numerical
        body: dict[str, object] = {
            "common": common,
            "mean": numbers.mean,
            "sum": numbers.total,
            "std_dev": numbers.standard_deviation,
            "min": numbers.minimum,
            "max": numbers.maximum,
            "approximate_num_distinct_values": numbers.distinct_count,
            "completeness": feature.completeness,
        }
        if numbers.quantiles is not None:
            body["distribution"] = {"kll": _sketch_document(numbers.quantiles, numbers.minimum, numbers.maximum)}
        return head | {"numerical_statistics": body}
    strings = feature.string or StringStatistics(0.0, None)
    body = {"common": common, "distinct_count": strings.distinct_count, "completeness": feature.completeness}
    if strings.categories is not None:
        buckets = [{"value": value, "count": count} for value, count in strings.categories.items()]
        body["distribution"] = {"categorical": {"buckets": buckets}}
    return head | {"string_statistics": body}


def _sketch_document(sketch: QuantileSketch, minimum: float, maximum: float) -> dict[str, object]:
    return {
        "buckets": [
            {"lower_bound": lower, "upper_bound": upper, "count": count}
            for lower, upper, count in sketch.buckets(minimum, maximum)
        ],
        "sketch": {
            "parameters": {"c": SHRINKING_FACTOR, "k": float(SKETCH_SIZE)},
            "data": [level.tolist() for level in sketch.levels],
        },
    }


class _Common(msgspec.Struct):
    num_present: float
    num_missing: float


# Jackson writes "NaN" and "Infinity" in quotes, in a sketch too.
class _Sketch(msgspec.Struct):
    data: list[list[float | str]]


class _Kll(msgspec.Struct):
    sketch: _Sketch | None = None


class _Bucket(msgspec.Struct):
    value: str
    count: float


class _Categorical(msgspec.Struct):
    buckets: list[_Bucket] = []


class _Distribution(msgspec.Struct):
    kll: _Kll | None = None
    categorical: _Categorical | None = None


_Number = float | str | None


class _Numerical(msgspec.Struct):
    common: _Common
    mean: _Number = None
    sum: _Number = None
    std_dev: _Number = None
    min: _Number = None
    max: _Number = None
    approximate_num_distinct_values: float | None = None
    distribution: _Distribution | None = None


class _Strings(msgspec.Struct):
    common: _Common
    distinct_count: float = 0.0
    distribution: _Distribution | None = None


class _Feature(msgspec.Struct):
    name: str
    inferred_type: str
    numerical_statistics: _Numerical | None = None
    string_statistics: _Strings | None = None


class _Dataset(msgspec.Struct):
    item_count: float = 0


class _Document(msgspec.Struct):
    features: list[_Feature]
    dataset: _Dataset = msgspec.field(default_factory=_Dataset)


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_DOCUMENTS = msgspec.json.Decoder(_Document)


def decode_statistics(data: bytes, source: str = "statistics.json") -> DatasetStatistics:
    """Return the statistics in a document of ours or of Model Monitor's; unknown fields are ignored.

    Raises
    ------
    DocumentError
        when it is not such a document; the message says where and what was found.
    """
    try:
        document = _DOCUMENTS.decode(data)
        features = {feature.name: _read_feature(feature) for feature in document.features}
    except (msgspec.MsgspecError, ValueError) as error:
        remedy = "Expected Model Monitor's statistics.json: {version, dataset, features: [{name, inferred_type, …}]}"
        raise DocumentError(source, str(error), remedy) from error
    return DatasetStatistics(int(document.dataset.item_count), features)


def _read_feature(feature: _Feature) -> FeatureStatistics:
    numbers, strings = feature.numerical_statistics, feature.string_statistics
    part = numbers or strings
    common = part.common if part else _Common(0, 0)
    numerical = string = None
    if numbers is not None:
        numerical = NumericalStatistics(
            _float(numbers.mean),
            _float(numbers.sum),
            _float(numbers.std_dev),
            _float(numbers.min),
            _float(numbers.max),
            None if (distinct := numbers.approximate_num_distinct_values) is None else int(distinct),
            _read_sketch(numbers.distribution),
        )
    elif strings is not None:
        categorical = strings.distribution.categorical if strings.distribution else None
        categories = None if categorical is None else {b.value: int(b.count) for b in categorical.buckets}
        string = StringStatistics(strings.distinct_count, categories)
    kind = InferredType(feature.inferred_type)
    return FeatureStatistics(feature.name, kind, int(common.num_present), int(common.num_missing), numerical, string)


def _float(value: _Number) -> float:
    return float("nan") if value is None else float(value)


def _read_sketch(distribution: _Distribution | None) -> QuantileSketch | None:
    if distribution is None or distribution.kll is None or distribution.kll.sketch is None:
        return None
    levels = tuple(np.array(level, np.float64) for level in distribution.kll.sketch.data)
    if not any(len(level) for level in levels):
        return None
    # A document does not tell how often a level was compacted; a read sketch is compared, not added to.
    return QuantileSketch(levels, (0,) * len(levels), (0,) * len(levels))
