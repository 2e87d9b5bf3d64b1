"""From a dataset of labelled predictions (CSV, JSON Lines, Parquet, or a frame) to a quality state: a baseline."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

import polars as pl

from watchkeeper.analysis.attribute_path import AttributePath
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.dataset_profile import FrameLike, read_csv, read_frame, read_json_lines, read_parquet
from watchkeeper.analysis.quality_attributes import QualityAttributes
from watchkeeper.analysis.quality_profiler import QualityProfiler
from watchkeeper.analysis.quality_state import QualityState
from watchkeeper.errors import DatasetError


class QualityColumns:
    """Takes a table's blocks in and hands its label, prediction and probability columns on."""

    def __init__(self, attributes: QualityAttributes) -> None:
        if attributes.ground_truth is None:
            found = "no ground_truth_attribute"
            raise DatasetError("dataset", found, "Name the column that holds the label")
        self._attributes = attributes
        self._truth = attributes.ground_truth
        self._profiler = QualityProfiler(attributes)

    @property
    def row_count(self) -> int:
        """Rows taken in so far."""
        return self._profiler.row_count

    def update(self, block: pl.DataFrame, *, tidy: bool = False) -> None:  # noqa: ARG002 - as a `RowSink` has it
        """Add a block of String columns, null for missing.

        Raises
        ------
        DatasetError
            naming the attribute whose column the table lacks.
        """
        labels = _column(block, self._truth, "ground_truth_attribute")
        predictions = _optional(block, self._attributes.inference, "inference_attribute")
        self._profiler.update(
            labels, predictions, _optional(block, self._attributes.probability, "probability_attribute")
        )

    def freeze(self) -> QualityState:
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
            remedy = "Check the attributes, the positive label and the problem type"
            raise DatasetError("dataset", f"none of its {state.rejected_count} rows can be judged: {reasons}", remedy)
        return state


def _column(block: pl.DataFrame, path: AttributePath, role: str) -> pl.Series:
    name = path.column_of(block.columns)
    if name is None:
        some = ", ".join(block.columns[:10]) + (", …" if block.width > 10 else "")
        raise DatasetError(role, f"no column {path.text!r}", f"The dataset's columns are {some}")
    return block.get_column(name)


def _optional(block: pl.DataFrame, path: AttributePath | None, role: str) -> pl.Series | None:
    return None if path is None else _column(block, path, role)


def quality_of_csv(
    files: Iterable[CaptureFile],
    attributes: QualityAttributes,
    *,
    header: bool = True,
    columns: Sequence[str] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> QualityState:
    """Return the quality state of CSV files read in order; see `profile_csv` for headers and faults."""
    taken = QualityColumns(attributes)
    read_csv(taken, files, header=header, columns=columns, on_progress=on_progress)
    return taken.freeze()


def quality_of_json_lines(
    files: Iterable[CaptureFile],
    attributes: QualityAttributes,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> QualityState:
    """Return the quality state of JSON Lines files of flat objects, read in order."""
    taken = QualityColumns(attributes)
    read_json_lines(taken, files, on_progress=on_progress)
    return taken.freeze()


def quality_of_parquet(
    sources: Iterable[Path | IO[bytes]],
    attributes: QualityAttributes,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> QualityState:
    """Return the quality state of Parquet files read in order."""
    taken = QualityColumns(attributes)
    read_parquet(taken, sources, on_progress=on_progress)
    return taken.freeze()


def quality_of_frame(frame: FrameLike | pl.DataFrame, attributes: QualityAttributes) -> QualityState:
    """Return the quality state of a pandas or polars data frame."""
    taken = QualityColumns(attributes)
    read_frame(taken, frame)
    return taken.freeze()
