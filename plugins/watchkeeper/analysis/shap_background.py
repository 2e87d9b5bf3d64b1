"""What rows are explained against: the rows that stand for "this feature is not known"."""

import io
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from watchkeeper.analysis.coded_rows import CodedRows
from watchkeeper.analysis.feature_frame import cast_cells
from watchkeeper.analysis.shap_settings import DEFAULT_CLUSTERS, BaselineRow, ShapSettings
from watchkeeper.errors import DocumentError

_WEIGHT = "watchkeeper_weight"


@dataclass(frozen=True)
class Background:
    """Rows of features, and how much each counts (weights add up to 1).

    Attributions against different backgrounds are not comparable: a window is explained against its baseline's.
    """

    rows: pl.DataFrame
    weights: NDArray[np.float64]


def background_of(settings: ShapSettings, data: pl.DataFrame) -> Background:
    """Return the background that ``settings`` ask for, in the names and types of ``data``: the baseline's features.

    Prototypes are those of `shap.kmeans`, each value one that occurs in its column; texts take part by the number of
    their place in the column's order.

    Raises
    ------
    DocumentError
        when baseline rows have other features than the data, text for numbers, or there is no data to cluster.
    """
    if settings.baseline is not None:
        rows = _stated(settings.baseline, data)
        return Background(rows, np.full(len(rows), 1.0 / len(rows)))
    if data.is_empty():
        raise DocumentError("methods.shap", "no baseline, and no data to find prototypes in", "Give baseline rows")
    return _prototypes(data, settings.num_clusters or DEFAULT_CLUSTERS)


def _stated(baseline: tuple[BaselineRow, ...], data: pl.DataFrame) -> pl.DataFrame:
    found = len(baseline[0])
    if found != data.width:
        text = f"baseline rows of {found} values, where the data have {data.width} features"
        raise DocumentError("methods.shap.baseline", text, "Give each row all features and no label")
    columns, faults = [], []
    for series, cells in zip(data.get_columns(), zip(*baseline, strict=True), strict=True):
        texts = pl.Series(series.name, [None if cell is None else _text(cell) for cell in cells], dtype=pl.String)
        # Integers may be given a fraction: a mean age is a good baseline of ages.
        kinds = (series.dtype, pl.Float64()) if series.dtype.is_integer() else (series.dtype,)
        fitting = [cast for kind in kinds if (cast := _as(texts, kind)).null_count() == texts.null_count()]
        columns += fitting[:1]
        faults += [] if fitting else [series.name]
    if faults:
        text = f"text where the data have numbers: {', '.join(faults)}"
        raise DocumentError("methods.shap.baseline", text, "Give values of the features' own kind, in their order")
    return pl.DataFrame(columns)


def _as(texts: pl.Series, kind: pl.DataType) -> pl.Series:
    return cast_cells(texts, kind) if kind == pl.Boolean else texts.cast(kind, strict=False)


def _text(cell: str | float | bool) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _prototypes(data: pl.DataFrame, count: int) -> Background:
    import shap

    coder = CodedRows(data)
    codes = coder.encode(data)
    matrix = codes.astype(np.float64)
    numeric = [position for position, kind in enumerate(data.dtypes) if kind.is_numeric()]
    for position in numeric:
        values = data.to_series(position).cast(pl.Float64).to_numpy()
        # A column without any value is left at its code: its only one, whatever the mean.
        if not np.isnan(values).all():
            matrix[:, position] = values
    distinct, _ = coder.distinct(codes)
    found = shap.kmeans(matrix, min(count, len(distinct)))
    rows = coder.decode(np.rint(_within(found.data, codes)).astype(np.int64))
    columns = [
        pl.Series(series.name, found.data[:, position]) if _is_measured(data, position) else series
        for position, series in enumerate(rows.get_columns())
    ]
    typed = [_typed(column, data.schema[column.name]) for column in columns]
    return Background(pl.DataFrame(typed), np.asarray(found.weights, np.float64))


def _within(centers: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.clip(centers, codes.min(axis=0), codes.max(axis=0))


def _is_measured(data: pl.DataFrame, position: int) -> bool:
    series = data.to_series(position)
    return series.dtype.is_numeric() and series.null_count() < len(series)


def _typed(column: pl.Series, kind: pl.DataType) -> pl.Series:
    # Where values are missing, the mean stands for them, which need not be a whole number.
    return column.round().cast(kind) if kind.is_integer() and column.dtype.is_float() else column.cast(kind)


def encode_background(background: Background) -> bytes:
    """Return ``background`` as Parquet, its weights in a column of their own, to be kept with a baseline."""
    buffer = io.BytesIO()
    background.rows.with_columns(pl.Series(_WEIGHT, background.weights)).write_parquet(buffer)
    return buffer.getvalue()


def decode_background(data: bytes, source: str = "background.parquet") -> Background:
    """Return the background that `encode_background` wrote.

    Raises
    ------
    DocumentError
        when the bytes are no such file.
    """
    try:
        frame = pl.read_parquet(io.BytesIO(data))
        return Background(frame.drop(_WEIGHT), frame[_WEIGHT].to_numpy())
    except (pl.exceptions.PolarsError, OSError) as error:
        remedy = "Make the baseline again: it keeps the rows that attributions are measured against"
        raise DocumentError(source, "this is no background", remedy) from error
