"""From merged records to a quality state: one pass, in key order, in bounded memory."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec
import polars as pl

from watchkeeper.analysis.attribute_path import AttributePath
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.csv_payload import parse_uniform
from watchkeeper.analysis.line_blocks import BLOCK_BYTES
from watchkeeper.analysis.merged_reader import LabelledProfile, MergedReader, merge_malformed
from watchkeeper.analysis.merged_records import Column, MergedCsvRecord, read_merged_record
from watchkeeper.analysis.quality_attributes import QualityAttributes
from watchkeeper.analysis.quality_profiler import QualityProfiler
from watchkeeper.analysis.quality_state import QualityState, merge_quality_states

_fast = msgspec.json.Decoder(MergedCsvRecord)


@dataclass(frozen=True)
class QualityProfile(LabelledProfile[QualityState]):
    """What a window's labelled rows say of the model."""


def profile_merged(
    files: Iterable[CaptureFile],
    attributes: QualityAttributes,
    *,
    block_bytes: int = BLOCK_BYTES,
    on_progress: Callable[[int], None] | None = None,
) -> QualityProfile:
    """Return the profile of all files of merged records, read in the order given.

    A line that is no merged record, whose payloads cannot be read, where an attribute leads nowhere, or whose outputs
    and labels differ in number, is malformed: counted and sampled by place and reason, and left out. Our own requests
    are left out uncounted. ``on_progress`` is told the lines read so far.
    """
    reader = _QualityReader(attributes)
    reader.read(files, block_bytes, on_progress)
    return reader.finish()


def merge_quality_profiles(profiles: Iterable[QualityProfile]) -> QualityProfile:
    """Return the profile of a day from those of its hours, states folded in the order given.

    Raises
    ------
    CaptureError
        when the hours were read by different attributes.
    """
    parts = list(profiles)
    return QualityProfile(
        merge_quality_states([part.state for part in parts if part.state is not None]),
        sum(part.line_count for part in parts),
        sum(part.record_count for part in parts),
        merge_malformed(part.malformed for part in parts),
    )


class _QualityReader(MergedReader):
    def __init__(self, attributes: QualityAttributes) -> None:
        super().__init__()
        self._attributes = attributes
        self._profiler = QualityProfiler(attributes)
        self._labels: Column = []
        self._predictions: Column = []
        self._probabilities: Column = []

    def take_uniform(self, block: bytes) -> int:
        try:
            records = _fast.decode_lines(block)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return 0
        payloads = [record.captureData.endpointOutput or record.captureData.batchTransformOutput for record in records]
        texts = [payload.data for payload in payloads if payload is not None]
        if not records or len(texts) != len(records):
            return 0
        outputs = parse_uniform(texts)
        truths = parse_uniform([record.groundTruthData.data for record in records])
        if outputs is None or truths is None or truths.frame.width != 1 or len(outputs.frame) != len(truths.frame):
            return 0
        single = [1] * len(records)
        if (outputs.rows_per_payload or single) != (truths.rows_per_payload or single):
            return 0
        positions = [self._position(path, outputs.frame.width) for path in self._paths()]
        if any(position is not None and position < 0 for position in positions):
            return 0
        predictions, probabilities = (None if p is None else outputs.frame.to_series(p) for p in positions)
        self._profiler.update(truths.frame.to_series(0), predictions, probabilities)
        return len(records)

    def _paths(self) -> tuple[AttributePath | None, AttributePath | None]:
        return self._attributes.inference, self._attributes.probability

    def _position(self, path: AttributePath | None, width: int) -> int | None:
        """Return the column's index, ``None`` where none is asked for, -1 where it needs a look line by line."""
        if path is None:
            return None
        names = self._attributes.output_columns
        position = path.position
        if position is None:
            name = path.column_of(names) if names is not None else None
            position = names.index(name) if names is not None and name is not None else -1
        return position if position < width else -1

    def take_line(self, line: bytes) -> None:
        rows = read_merged_record(line, self._attributes)
        self._labels += rows.labels
        self._predictions += rows.predictions or ()
        self._probabilities += rows.probabilities or ()

    def end_lines(self) -> None:
        inference, probability = self._paths()
        self._profiler.update(
            _series(self._labels),
            None if inference is None else _series(self._predictions),
            None if probability is None else _series(self._probabilities),
        )
        self._labels, self._predictions, self._probabilities = [], [], []

    def finish(self) -> QualityProfile:
        """Return the profile of what was read."""
        malformed = self.malformed
        return QualityProfile(self._profiler.freeze(), self.line_count, self.line_count - malformed.count, malformed)


def _series(values: Column) -> pl.Series:
    return pl.Series(values, dtype=pl.String)
