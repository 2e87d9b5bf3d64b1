"""From a dataset of labelled rows (CSV, JSON, JSON Lines, Parquet, or a frame) to a bias state: a baseline."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from watchkeeper.analysis.attribute_path import AttributePath
from watchkeeper.analysis.bias_definition import BiasAttributes, feature_named
from watchkeeper.analysis.bias_profile import mixed
from watchkeeper.analysis.bias_profiler import BiasProfiler
from watchkeeper.analysis.bias_state import BiasState
from watchkeeper.analysis.capture_records import CaptureFile, Payload, PayloadError
from watchkeeper.analysis.dataset_profile import FrameLike, read_csv, read_frame, read_json_lines, read_parquet
from watchkeeper.analysis.feature_rows import FeatureReader
from watchkeeper.analysis.merged_records import PayloadDocument
from watchkeeper.errors import DatasetError


class BiasColumns:
    """Takes a table's blocks in and hands its label, prediction, probability and feature columns on.

    Features are the attributes' ``input_columns``, or all columns that are not named otherwise.
    """

    def __init__(self, attributes: BiasAttributes) -> None:
        if attributes.ground_truth is None:
            raise DatasetError("dataset", "no ground_truth_attribute", "Name the column that holds the label")
        self._attributes = attributes
        self._truth = attributes.ground_truth
        self._profiler = BiasProfiler(attributes)
        self._checked = False

    @property
    def row_count(self) -> int:
        """Rows taken in so far."""
        return self._profiler.row_count

    def update(self, block: pl.DataFrame, *, tidy: bool = False) -> None:  # noqa: ARG002 - as a `RowSink` has it
        """Add a block of String columns, null for missing.

        Raises
        ------
        DatasetError
            naming the attribute, the facet or the feature whose column the table lacks.
        """
        roles = {
            "ground_truth_attribute": self._truth,
            "inference_attribute": self._attributes.inference,
            "probability_attribute": self._attributes.probability,
        }
        named = {role: None if path is None else _named(block, path, role) for role, path in roles.items()}
        features = self._features(block, set(named.values()))
        self.take(features, *(None if name is None else block.get_column(name) for name in named.values()))

    def take(
        self,
        features: pl.DataFrame,
        labels: pl.Series | None,
        predictions: pl.Series | None,
        probabilities: pl.Series | None,
    ) -> None:
        """Add rows whose features stand apart; DatasetError names the facet that is none of them."""
        if not self._checked:
            self._check(features.columns)
        if labels is None:
            raise DatasetError("dataset", "no labels", "Name the column that holds the label")
        start = self._profiler.row_count
        hashes = mixed(np.arange(start + 1, start + 1 + len(labels), dtype=np.uint64))
        self._profiler.update(features, labels, predictions, probabilities, hashes)

    def _features(self, block: pl.DataFrame, taken: set[str | None]) -> pl.DataFrame:
        given = self._attributes.input_columns
        missing = [name for name in given or () if name not in block.columns]
        if missing:
            raise DatasetError("input_columns", f"no column {', '.join(missing)}", _columns(block.columns))
        return block.select(given or [name for name in block.columns if name not in taken])

    def _check(self, columns: list[str]) -> None:
        asked = [("facet", facet.name) for facet in self._attributes.facets]
        if self._attributes.group_variable is not None:
            asked.append(("group_variable", self._attributes.group_variable))
        for role, name in asked:
            if feature_named(name, columns) is None:
                raise DatasetError(role, f"no feature {name!r}", _columns(columns))
        self._checked = True

    def freeze(self) -> BiasState:
        """Return the state of all rows.

        Raises
        ------
        DatasetError
            when there is no row, or none that can be judged: the message has the reasons.
        """
        state = self._profiler.freeze()
        if state is None:
            raise DatasetError("dataset", "it holds no row", "A baseline needs data: check the location and the format")
        if not state.row_count:
            reasons = ", ".join(f"{count} with {reason}" for reason, count in state.rejected.items())
            found = f"none of its {state.rejected_count} rows can be judged: {reasons}"
            raise DatasetError("dataset", found, "Check the attributes")
        return state


def _named(block: pl.DataFrame, path: AttributePath, role: str) -> str:
    name = path.column_of(block.columns)
    if name is None:
        raise DatasetError(role, f"no column {path.text!r}", _columns(block.columns))
    return name


def _columns(names: Sequence[str]) -> str:
    return f"The dataset's columns are {', '.join(names[:10])}" + (", …" if len(names) > 10 else "")


def bias_of_csv(
    files: Iterable[CaptureFile],
    attributes: BiasAttributes,
    *,
    header: bool = True,
    columns: Sequence[str] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> BiasState:
    """Return the bias state of CSV files read in order; see `profile_csv` for headers and faults."""
    taken = BiasColumns(attributes)
    read_csv(taken, files, header=header, columns=columns, on_progress=on_progress)
    return taken.freeze()


def bias_of_json_lines(
    files: Iterable[CaptureFile], attributes: BiasAttributes, *, on_progress: Callable[[int], None] | None = None
) -> BiasState:
    """Return the bias state of JSON Lines files read in order: flat objects, or documents with a features attribute."""
    if attributes.features is not None:
        return bias_of_json(files, attributes)
    taken = BiasColumns(attributes)
    read_json_lines(taken, files, on_progress=on_progress)
    return taken.freeze()


def bias_of_parquet(
    sources: Iterable[Path | IO[bytes]],
    attributes: BiasAttributes,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> BiasState:
    """Return the bias state of Parquet files read in order."""
    taken = BiasColumns(attributes)
    read_parquet(taken, sources, on_progress=on_progress)
    return taken.freeze()


def bias_of_frame(frame: FrameLike | pl.DataFrame, attributes: BiasAttributes) -> BiasState:
    """Return the bias state of a pandas or polars data frame."""
    taken = BiasColumns(attributes)
    read_frame(taken, frame)
    return taken.freeze()


def bias_of_json(
    files: Iterable[CaptureFile],
    attributes: BiasAttributes,
    predictions: Sequence[str | None] | None = None,
) -> BiasState:
    """Return the bias state of JSON documents, whole or one a line, as Clarify's ``application/json`` has them.

    Features stand at the ``features_attribute``, labels at the ``ground_truth_attribute``. Answers stand at their
    attributes, or are given as ``predictions``: one for each row of all files, where the model was asked for them.

    Raises
    ------
    DatasetError
        when a file is no JSON, a path leads nowhere, or rows and labels differ in number.
    """
    taken = BiasColumns(attributes)
    reader = FeatureReader(attributes.input_columns, attributes.features_attribute)
    start = 0
    for file in files:
        paths = [attributes.ground_truth, attributes.inference, attributes.probability]
        features, columns = json_columns(file, reader, paths if predictions is None else paths[:1])
        if predictions is not None:
            answers = predictions[start : start + len(features)]
            columns += [pl.Series(answers, dtype=pl.String), None]
        _require_rows(file.name, len(features), columns)
        start += len(features)
        taken.take(features, *columns)
    return taken.freeze()


def json_columns(
    file: CaptureFile, reader: FeatureReader, paths: Sequence[AttributePath | None]
) -> tuple[pl.DataFrame, list[pl.Series | None]]:
    """Return the features of one file's documents, and what stands at each path, ``None`` where there is no path.

    Raises
    ------
    DatasetError
        when it is no JSON, or a path leads nowhere.
    """
    try:
        payload = Payload(b"".join(file.chunks).decode(), "JSON")
        rows = reader.rows(payload)
        document = PayloadDocument(payload, "dataset", None)
        columns = [document.values(path) for path in paths]
    except (PayloadError, UnicodeDecodeError) as error:
        raise DatasetError(file.name, str(error), "Check the paths of features, label and predicted label") from error
    features = pl.DataFrame(rows, schema=dict.fromkeys(reader.names or (), pl.String), orient="row")
    return features, [None if column is None else pl.Series(column, dtype=pl.String) for column in columns]


def _require_rows(file: str, rows: int, columns: Sequence[pl.Series | None]) -> None:
    for column, role in zip(columns, ("labels", "predictions", "probabilities"), strict=True):
        if column is not None and len(column) != rows:
            raise DatasetError(file, f"{rows} rows of features, but {len(column)} {role}", "Give one for each row")
