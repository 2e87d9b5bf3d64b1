"""From merged records to a bias state: one pass, in key order, in bounded memory."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from watchkeeper.analysis.attribute_path import AttributePath
from watchkeeper.analysis.bias_definition import BiasAttributes
from watchkeeper.analysis.bias_profiler import BiasProfiler
from watchkeeper.analysis.bias_records import BiasCsvRecord, read_bias_record
from watchkeeper.analysis.bias_state import BiasState, merge_bias_states
from watchkeeper.analysis.capture_records import CaptureFile, CsvPayload
from watchkeeper.analysis.csv_payload import UniformRows, parse_uniform
from watchkeeper.analysis.distinct_sketch import Hashes
from watchkeeper.analysis.feature_rows import FeatureReader, FeatureRow
from watchkeeper.analysis.key_spill import key_hashes
from watchkeeper.analysis.line_blocks import BLOCK_BYTES
from watchkeeper.analysis.merged_reader import LabelledProfile, MergedReader, merge_malformed
from watchkeeper.analysis.merged_records import Column

_fast = msgspec.json.Decoder(BiasCsvRecord)
_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class BiasProfile(LabelledProfile[BiasState]):
    """What a window's labelled rows say of groups."""


def profile_bias(
    files: Iterable[CaptureFile],
    attributes: BiasAttributes,
    *,
    block_bytes: int = BLOCK_BYTES,
    on_progress: Callable[[int], None] | None = None,
) -> BiasProfile:
    """Return the profile of all files of merged records, read in the order given.

    A line that is no merged record, whose payloads cannot be read, where an attribute leads nowhere, or whose features,
    outputs and labels differ in number, is malformed: counted and sampled by place and reason, and left out.
    ``on_progress`` is told the lines read so far.
    """
    reader = _BiasReader(attributes)
    reader.read(files, block_bytes, on_progress)
    return reader.finish()


def merge_bias_profiles(profiles: Iterable[BiasProfile]) -> BiasProfile:
    """Return the profile of a day from those of its hours, states folded in the order given.

    Raises
    ------
    CaptureError
        when the hours were read by different attributes.
    """
    parts = list(profiles)
    return BiasProfile(
        merge_bias_states([part.state for part in parts if part.state is not None]),
        sum(part.line_count for part in parts),
        sum(part.record_count for part in parts),
        merge_malformed(part.malformed for part in parts),
    )


class _BiasReader(MergedReader):
    def __init__(self, attributes: BiasAttributes) -> None:
        super().__init__()
        self._attributes = attributes
        self._features = FeatureReader(attributes.input_columns, attributes.features_attribute)
        self._profiler = BiasProfiler(attributes)
        self._begin_lines()

    def _begin_lines(self) -> None:
        self._rows: list[FeatureRow] = []
        self._labels: Column = []
        self._predictions: Column = []
        self._probabilities: Column = []
        self._event_ids: list[str] = []
        self._counts: list[int] = []

    def take_uniform(self, block: bytes) -> int:
        try:
            records = _fast.decode_lines(block)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return 0
        captures = [record.captureData for record in records]
        joined = bool(captures) and captures[0].endpointInput is None
        if any((capture.endpointInput is None) is not joined for capture in captures):
            return 0
        outputs = _parsed([capture.endpointOutput or capture.batchTransformOutput for capture in captures])
        inputs = _parsed([capture.endpointInput or capture.batchTransformOutput for capture in captures])
        truths = _parsed([record.groundTruthData for record in records])
        if inputs is None or outputs is None or truths is None:
            return 0
        return len(records) if self._take_parsed(records, inputs, outputs, truths, joined=joined) else 0

    def _take_parsed(
        self,
        records: list[BiasCsvRecord],
        inputs: UniformRows,
        outputs: UniformRows,
        truths: UniformRows,
        *,
        joined: bool,
    ) -> bool:
        """Take in records whose payloads are uniform, if their rows fit together too."""
        counts = _rows_of(inputs, len(records))
        names = self._features.names or (None if joined else tuple(f"_c{i}" for i in range(inputs.frame.width)))
        positions = [self._position(path, outputs.frame.width) for path in self._paths()]
        if (
            truths.frame.width != 1
            or not counts == _rows_of(outputs, len(records)) == _rows_of(truths, len(records))
            or names is None
            or not (len(names) == inputs.frame.width or (joined and len(names) < inputs.frame.width))
            or any(position is not None and position < 0 for position in positions)
        ):
            return False
        features = inputs.frame.select(inputs.frame.columns[: len(names)])
        features.columns = list(names)
        predictions, probabilities = (None if p is None else outputs.frame.to_series(p) for p in positions)
        hashes = _row_hashes([record.eventMetadata.eventId or "" for record in records], counts)
        self._profiler.update(features, truths.frame.to_series(0), predictions, probabilities, hashes)
        return True

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
        rows = read_bias_record(line, self._attributes, self._features)
        self._rows += rows.features
        self._labels += rows.labels
        self._predictions += rows.predictions or ()
        self._probabilities += rows.probabilities or ()
        self._event_ids.append(rows.event_id)
        self._counts.append(len(rows.features))

    def end_lines(self) -> None:
        if self._rows:
            names = self._features.names or ()
            inference, probability = self._paths()
            self._profiler.update(
                pl.DataFrame(self._rows, schema=dict.fromkeys(names, pl.String), orient="row"),
                _series(self._labels),
                None if inference is None else _series(self._predictions),
                None if probability is None else _series(self._probabilities),
                _row_hashes(self._event_ids, self._counts),
            )
        self._begin_lines()

    def finish(self) -> BiasProfile:
        """Return the profile of what was read."""
        malformed = self.malformed
        return BiasProfile(self._profiler.freeze(), self.line_count, self.line_count - malformed.count, malformed)


def _parsed(payloads: Sequence[CsvPayload | None]) -> UniformRows | None:
    texts = [payload.data for payload in payloads if payload is not None]
    return parse_uniform(texts) if texts and len(texts) == len(payloads) else None


def _rows_of(rows: UniformRows, records: int) -> list[int]:
    return rows.rows_per_payload or [1] * records


def _row_hashes(event_ids: list[str], counts: list[int]) -> Hashes:
    """Return a hash for each row, of its event's id and its number in the payload."""
    repeats = np.array(counts)
    hashes = np.repeat(key_hashes(event_ids), repeats)
    numbers = np.arange(len(hashes)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return mixed(hashes + numbers.astype(np.uint64) * _STEP)


def mixed(numbers: NDArray[np.uint64]) -> Hashes:
    """Return the numbers scattered over all 64 bits (SplitMix64's last step), each to another one."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _series(values: Column) -> pl.Series:
    return pl.Series(values, dtype=pl.String)
