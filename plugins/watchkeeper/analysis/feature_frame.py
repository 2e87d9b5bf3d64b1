"""Rows of captured text as a frame of typed columns, so that a model gets numbers where it was sent numbers."""

import polars as pl

from watchkeeper.analysis.column_kind import BOOLEAN_PATTERN, FRACTIONAL_PATTERN
from watchkeeper.analysis.feature_rows import FeatureRow

# "007" is a name, not a number: as a number it would reach the model as 7.
_WHOLE_PATTERN = r"[-+]?(?:0|[1-9][0-9]*)"
_PATTERNS = {
    "Int64": _WHOLE_PATTERN,
    "Float64": f"{_WHOLE_PATTERN}|{FRACTIONAL_PATTERN}",
    "Boolean": BOOLEAN_PATTERN,
}


def feature_frame(rows: list[FeatureRow], names: tuple[str, ...]) -> pl.DataFrame:
    """Return rows of text as a frame; a column of whole numbers, of numbers or of booleans alone gets that type."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pl.DataFrame(
        [_typed(pl.Series(name, list(cells), dtype=pl.String)) for name, cells in zip(names, columns, strict=True)]
    )


def typed_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame of texts with the types that `feature_frame` gives."""
    return pl.DataFrame([_typed(series) for series in frame.get_columns()])


def _typed(series: pl.Series) -> pl.Series:
    for kind in (pl.Int64(), pl.Float64(), pl.Boolean()):
        cast = cast_cells(series, kind)
        if cast.null_count() == series.null_count() < len(series):
            return cast
    return series


def cast_cells(series: pl.Series, kind: pl.DataType) -> pl.Series:
    """Return texts as values of ``kind`` (Int64, Float64 or Boolean); those of another kind become ``None``."""
    pattern = f"^(?:{_PATTERNS[str(kind)]})$"
    fitting = series.to_frame().select(pl.when(pl.first().str.contains(pattern)).then(pl.first())).to_series()
    return fitting == "true" if kind == pl.Boolean else fitting.cast(kind, strict=False)
