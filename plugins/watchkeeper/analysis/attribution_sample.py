"""The rows of a window that are explained: all, or a sample that does not depend on how captures lie in files."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import polars as pl

from watchkeeper.analysis.capture_profile import SAMPLE_LIMIT, MalformedLines, MalformedSample
from watchkeeper.analysis.capture_records import CaptureFile, Payload, PayloadError
from watchkeeper.analysis.feature_frame import cast_cells, feature_frame
from watchkeeper.analysis.feature_rows import FeatureReader, FeatureRow
from watchkeeper.analysis.own_requests import CaptureBlocks


class _Metadata(msgspec.Struct, gc=False):
    event_id: str | None = msgspec.field(default=None, name="eventId")
    inference_id: str | None = msgspec.field(default=None, name="inferenceId")
    inference_time: str | None = msgspec.field(default=None, name="inferenceTime")


class _Capture(msgspec.Struct):
    input: Payload | None = msgspec.field(default=None, name="endpointInput")


class _Record(msgspec.Struct):
    capture: _Capture = msgspec.field(name="captureData")
    metadata: _Metadata = msgspec.field(default_factory=_Metadata, name="eventMetadata")


# Made once, at import: msgspec works a type out when it is first decoded, and two threads that do so at once can hang.
_RECORDS = msgspec.json.Decoder(_Record)


@dataclass(frozen=True)
class SampledRows:
    """Sampled rows, and what each belongs to.

    ``rows`` hold the features, numbers and booleans as such where all of a column are. The other columns have an entry
    for each row; ``row_numbers`` count the rows of one event from 0. ``row_count`` is that of the whole window,
    ``line_count`` counts its lines, ``malformed`` those that could not be read. ``misfits`` counts sampled rows that
    were left out by `fitting`, by reason.
    """

    rows: pl.DataFrame
    event_ids: tuple[str | None, ...] = ()
    row_numbers: tuple[int, ...] = ()
    inference_ids: tuple[str | None, ...] = ()
    inference_times: tuple[str | None, ...] = ()
    row_count: int = 0
    line_count: int = 0
    malformed: MalformedLines = field(default_factory=MalformedLines)
    misfit_count: int = 0
    misfits: Mapping[str, int] = field(default_factory=dict)

    @property
    def malformed_share(self) -> float:
        """Share of the lines that could not be read; 0 for no lines."""
        return self.malformed.count / self.line_count if self.line_count else 0.0

    @property
    def misfit_share(self) -> float:
        """Share of the sampled rows that do not fit the baseline; 0 for no rows."""
        return self.misfit_count / (len(self.rows) + self.misfit_count) if self.misfit_count else 0.0

    def fitting(self, schema: Mapping[str, pl.DataType]) -> "SampledRows":
        """Return the sample without rows that hold text where ``schema``, the background's, has numbers.

        A model was never asked about such rows while its baseline was made. Numbers where it has text become text.
        """
        fits = np.ones(len(self.rows), np.bool_)
        misfits: dict[str, int] = {}
        columns = []
        for series in self.rows.get_columns():
            kind = schema.get(series.name, series.dtype)
            if series.dtype != pl.String or kind == pl.String:
                columns.append(series.cast(pl.String) if kind == pl.String else series)
                continue
            columns.append(cast_cells(series, pl.Float64() if kind.is_numeric() else kind))
            odd = (columns[-1].is_null() & series.is_not_null()).to_numpy()
            fits &= ~odd
            if odd.any():
                misfits[f"text in feature {series.name}, where the baseline has none"] = int(odd.sum())
        kept = np.flatnonzero(fits).tolist()
        return replace(
            self,
            rows=pl.DataFrame(columns)[kept],
            event_ids=tuple(self.event_ids[place] for place in kept),
            row_numbers=tuple(self.row_numbers[place] for place in kept),
            inference_ids=tuple(self.inference_ids[place] for place in kept),
            inference_times=tuple(self.inference_times[place] for place in kept),
            misfit_count=len(fits) - len(kept),
            misfits=misfits,
        )


def sample_rows(
    files: Iterable[CaptureFile], reader: FeatureReader, limit: int | None = None, seed: int = 0
) -> SampledRows:
    """Return a sample of the rows that were sent to a model; ``limit`` of ``None`` takes all.

    Taken are those whose hash of event id, row number and ``seed`` is smallest, in that order: every row has the same
    chance, and the sample is the same however files are split and ordered. Our own requests are left out. A line that
    is no capture record, holds no input, or whose input cannot be read, is malformed: counted, sampled, left out.
    """
    sampler = _Sampler(reader, limit, seed)
    for file in files:
        blocks = CaptureBlocks(file.chunks)
        line = 1
        for block in blocks:
            for text in block.split(b"\n"):
                if text.strip():
                    sampler.take(text, file.name, line)
                line += 1
            # A block ends where a line ends, so the last part is empty.
            line -= block.endswith(b"\n")
        if blocks.fault:
            sampler.reject(file.name, line, blocks.fault)
    return sampler.finish()


class _Candidate(msgspec.Struct, gc=False, frozen=True):
    key: bytes
    metadata: _Metadata
    row_number: int
    values: FeatureRow


class _Sampler:
    def __init__(self, reader: FeatureReader, limit: int | None, seed: int) -> None:
        self._reader = reader
        self._limit = limit
        self._salt = seed.to_bytes(8, "big")
        self._found: list[_Candidate] = []
        self._reasons: Counter[str] = Counter()
        self._samples: list[MalformedSample] = []
        self._line_count = self._row_count = 0

    def reject(self, file: str, line: int, reason: str) -> None:
        """Count a line that could not be read."""
        self._line_count += 1
        self._malformed(file, line, reason)

    def _malformed(self, file: str, line: int, reason: str) -> None:
        self._reasons[reason] += 1
        if len(self._samples) < SAMPLE_LIMIT:
            self._samples.append(MalformedSample(file, line, reason))

    def take(self, text: bytes, file: str, line: int) -> None:
        """Take in one line."""
        self._line_count += 1
        try:
            record = _RECORDS.decode(text)
            if record.capture.input is None:
                self._malformed(file, line, "no input was captured")
                return
            rows = self._reader.rows(record.capture.input)
        except PayloadError as error:
            self._malformed(file, line, str(error))
            return
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._malformed(file, line, "not a capture record")
            return
        self._row_count += len(rows)
        known = (record.metadata.event_id or "").encode() or text
        for number, row in enumerate(rows):
            key = hashlib.blake2b(b"%d:%b" % (number, known), digest_size=8, salt=self._salt).digest()
            self._found.append(_Candidate(key, record.metadata, number, row))
        if self._limit is not None and len(self._found) > 2 * self._limit + 1024:
            self._found = self._best()

    def _best(self) -> list[_Candidate]:
        # An event that was captured twice has one key; the values settle the order, whatever file came first.
        ranked = sorted(self._found, key=lambda found: (found.key, repr(found.values)))
        return ranked if self._limit is None else ranked[: self._limit]

    def finish(self) -> SampledRows:
        """Return the sample."""
        best = self._best()
        names = self._reader.names or ()
        return SampledRows(
            feature_frame([found.values for found in best], names),
            tuple(found.metadata.event_id for found in best),
            tuple(found.row_number for found in best),
            tuple(found.metadata.inference_id for found in best),
            tuple(found.metadata.inference_time for found in best),
            self._row_count,
            self._line_count,
            MalformedLines(self._reasons.total(), dict(self._reasons.most_common()), tuple(self._samples)),
        )
