"""The dataset of a SageMaker Clarify job as one table: its features, observed labels and predicted labels as text."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO

import polars as pl

from watchkeeper.analysis.attribute_path import AttributePath
from watchkeeper.analysis.bias_dataset import BiasColumns, json_columns
from watchkeeper.analysis.bias_definition import BiasAttributes, feature_named
from watchkeeper.analysis.bias_state import BiasState
from watchkeeper.analysis.capture_records import CaptureFile, PayloadError
from watchkeeper.analysis.clarify_config import ClarifyConfig
from watchkeeper.analysis.column_kind import FRACTIONAL_PATTERN
from watchkeeper.analysis.csv_payload import parse_csv
from watchkeeper.analysis.dataset_profile import read_csv, read_parquet
from watchkeeper.analysis.feature_frame import typed_frame
from watchkeeper.analysis.feature_rows import FeatureReader
from watchkeeper.analysis.line_blocks import LineBlocks
from watchkeeper.errors import DatasetError

_NUMBER = f"^(?:[-+]?[0-9]+|{FRACTIONAL_PATTERN})$"


@dataclass(frozen=True)
class ClarifyDataset:
    """All rows in the files' order; ``config`` is the job's with names where it had indices.

    ``features`` are columns of text, null for missing, those among them that no model is sent. ``labels`` and
    ``predictions`` are ``None`` where the dataset has none.
    """

    config: ClarifyConfig
    features: pl.DataFrame
    labels: pl.Series | None = None
    predictions: pl.Series | None = None

    def model_rows(self) -> pl.DataFrame:
        """Return what a model is sent: the features without those left out, numbers and booleans as such."""
        return typed_frame(without_excluded(self.features, self.config))

    def bias_state(
        self, attributes: BiasAttributes, predictions: pl.Series | None, probabilities: pl.Series | None
    ) -> BiasState:
        """Return the bias state of all rows; errors as `BiasColumns`."""
        columns = BiasColumns(attributes)
        columns.take(self.features, self.labels, predictions, probabilities)
        return columns.freeze()


def without_excluded(features: pl.DataFrame, config: ClarifyConfig) -> pl.DataFrame:
    """Return features without ``excluded_columns`` and the column that rows are joined by."""
    named = (*config.excluded_columns, *((config.joinsource,) if config.joinsource else ()))
    return features.drop({column for name in named if (column := feature_named(name, features.columns)) is not None})


def read_clarify_dataset(
    files: Sequence[CaptureFile], config: ClarifyConfig, *, header: bool | None = None
) -> ClarifyDataset:
    """Return the rows of all files, whose kind is the configuration's ``dataset_type``.

    ``header`` says whether CSV files begin with one. Not told, they do where their first line is the configuration's
    headers, or, without any, where none of its fields is a number; columns without names are ``column_0``, … as
    Clarify's. Its headers rename Parquet's columns, in their order, unless these have the same names.

    Raises
    ------
    DatasetError
        when a file cannot be read, lacks a column that is asked for, or there is no row.
    """
    found = _documents(files, config) if config.is_json else _table(files, config, header)
    if found.features.is_empty():
        raise DatasetError("dataset", "it holds no row", "Check the location and the format")
    return found


def _documents(files: Sequence[CaptureFile], config: ClarifyConfig) -> ClarifyDataset:
    """Read JSON: features, labels and predicted labels stand at paths."""
    reader = FeatureReader(config.input_columns if config.features else None, config.features)
    paths = [None if text is None else AttributePath(text) for text in (config.label, config.predicted_label)]
    frames: list[pl.DataFrame] = []
    columns: list[list[pl.Series]] = [[], []]
    for file in files:
        frame, found = json_columns(file, reader, paths)
        for place, (column, role) in enumerate(zip(found, ("labels", "predicted labels"), strict=True)):
            if column is not None and len(column) != len(frame):
                text = f"{len(frame)} rows of features, but {len(column)} {role}"
                raise DatasetError(file.name, text, "Give one for each row")
            columns[place] += [] if column is None else [column]
        frames.append(frame)
    features = pl.concat(frames) if frames else pl.DataFrame()
    if config.features is None:  # plain objects, which hold their labels among the rest
        config = replace(config, headers=config.headers or tuple(features.columns))
        features = features.drop({name for path in paths if path and (name := path.column_of(features.columns))})
    labels, predictions = (pl.concat(parts) if parts else None for parts in columns)
    return ClarifyDataset(config, features, labels, predictions)


@dataclass
class _Blocks:
    """Takes a table in whole."""

    row_count: int = 0
    blocks: list[pl.DataFrame] = field(default_factory=list)

    def update(self, block: pl.DataFrame, *, tidy: bool = False) -> None:  # noqa: ARG002 - as a `RowSink` has it
        """Add a block of String columns."""
        self.blocks.append(block)
        self.row_count += len(block)


def _table(files: Sequence[CaptureFile], config: ClarifyConfig, header: bool | None) -> ClarifyDataset:
    taken = _Blocks()
    if config.dataset_type == "text/csv":
        for file in files:
            _read_csv(taken, CaptureFile(file.name, list(file.chunks)), config, header)
    else:
        read_parquet(taken, (BytesIO(b"".join(file.chunks)) for file in files))
    if not taken.row_count:
        return ClarifyDataset(config, pl.DataFrame())
    frame = _joined(taken.blocks, config.headers)
    config = replace(config.with_columns(frame.columns), headers=tuple(frame.columns))
    names = {"predicted_label": config.predicted_label} | ({"label": config.label} if config.asks_for_bias else {})
    missing = [f"{role} {name!r}" for role, name in names.items() if name is not None and name not in frame.columns]
    if missing:
        shown = ", ".join(frame.columns[:10]) + (", …" if frame.width > 10 else "")
        raise DatasetError("dataset", f"no column for {' and '.join(missing)}", f"Its columns are {shown}")
    labels, predictions = (
        frame.get_column(name) if name in frame.columns else None
        for name in (config.label or "", config.predicted_label or "")
    )
    others = {name for name in (config.label, config.predicted_label) if name is not None}
    return ClarifyDataset(config, frame.drop(others, strict=False), labels, predictions)


def _read_csv(taken: _Blocks, file: CaptureFile, config: ClarifyConfig, header: bool | None) -> None:
    first = _first_fields(file)
    headers = None if config.headers is None else list(config.headers)
    if header is None:
        header = first == headers if headers else not any(field is None or _is_number(field) for field in first)
    names = headers or (None if header else [f"column_{place}" for place in range(len(first))])
    read_csv(taken, [file], header=header, columns=names)


def _first_fields(file: CaptureFile) -> list[str | None]:
    block = next(iter(LineBlocks(file.chunks)), b"")
    try:
        # A quoted field may hold line ends; such a first line is no number, and read_csv reads it properly.
        return parse_csv(block.lstrip(b"\r\n").split(b"\n", 1)[0].decode()).fields[0] if block.strip() else []
    except (PayloadError, UnicodeDecodeError, IndexError):
        return []


def _is_number(text: str) -> bool:
    return bool(pl.Series([text.strip()]).str.contains(_NUMBER)[0])


def _joined(blocks: list[pl.DataFrame], headers: Sequence[str] | None) -> pl.DataFrame:
    names = blocks[0].columns
    if any(block.columns != names for block in blocks):
        raise DatasetError("dataset", "its files have different columns", "Give all the same, in the same order")
    frame = pl.concat(blocks)
    if headers is None or set(headers) == set(names):
        return frame
    if len(headers) != len(names):
        text = f"{len(names)} columns, where headers names {len(headers)}"
        raise DatasetError("dataset", text, "Name every column")
    frame.columns = list(headers)
    return frame
