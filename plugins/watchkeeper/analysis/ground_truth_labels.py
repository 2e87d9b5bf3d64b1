"""Label lines: one JSON object per label, joined to captures by ``eventMetadata.eventId``."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import msgspec

from watchkeeper.analysis.capture_profile import SAMPLE_LIMIT, MalformedLines, MalformedSample
from watchkeeper.analysis.line_blocks import BLOCK_BYTES, LineBlocks
from watchkeeper.analysis.merged_record import RecordError, decoded_object, ordered_json

ENCODINGS = ("CSV", "JSON", "BASE64")


@dataclass(frozen=True)
class LabelFile:
    """One label object: its name, the start of the hour in which it was collected, its bytes in order."""

    name: str
    collected_at: datetime
    chunks: Iterable[bytes]


class GroundTruth(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """``groundTruthData`` as it is documented; a list of labels of a multi-record request is one text."""

    data: str
    encoding: Literal["CSV", "JSON", "BASE64"]


class LabelMetadata(msgspec.Struct, gc=False):
    """``eventMetadata`` of a label: whose it is, and perhaps when it was found out."""

    eventId: str  # noqa: N815 - the format's name
    eventTime: str | None = None  # noqa: N815
    inferenceTime: str | None = None  # noqa: N815


class LabelRecord(msgspec.Struct, gc=False):
    """A label line as it is documented; any other shape raises, which is the signal to look closer."""

    groundTruthData: GroundTruth  # noqa: N815
    eventMetadata: LabelMetadata  # noqa: N815


class Label(msgspec.Struct, gc=False, array_like=True):
    """One label: the id, when it counts from (seconds since 1970), and ``groundTruthData`` as JSON text."""

    key: str
    moment: float
    ground_truth: msgspec.Raw


_fast = msgspec.json.Decoder(LabelRecord)
_labels = msgspec.json.Decoder(Label)
_encode = msgspec.json.Encoder().encode


@dataclass
class LabelBlock:
    """The labels of some lines, in their order."""

    keys: list[str]
    moments: list[float]
    ground_truths: list[bytes]

    def lines(self) -> list[bytes]:
        """Return the labels as lines that ``decode_labels`` reads."""
        return [
            b"[%s,%r,%s]" % (_encode(key), moment, ground_truth)
            for key, moment, ground_truth in zip(self.keys, self.moments, self.ground_truths, strict=True)
        ]


def decode_labels(lines: bytes) -> list[Label]:
    """Return the labels that ``LabelBlock.lines`` wrote."""
    return _labels.decode_lines(lines)


@dataclass
class LabelReader:
    """Reads label objects; afterwards it knows how many lines there were and which could not be read."""

    line_count: int = 0
    label_count: int = 0
    _reasons: Counter[str] = field(default_factory=Counter)
    _samples: list[MalformedSample] = field(default_factory=list)

    def read(self, file: LabelFile, block_bytes: int = BLOCK_BYTES) -> Iterator[LabelBlock]:
        """Yield the labels of a file, block by block, in their order."""
        blocks = LineBlocks(file.chunks, block_bytes)
        collected = file.collected_at.timestamp()
        line = 1
        for block in blocks:
            found = self._read_fast(block, collected) or self._read_slowly(block, file.name, line, collected)
            line += block.count(b"\n")
            self.label_count += len(found.keys)
            yield found
        if blocks.fault:
            self._reject(file.name, line, blocks.fault)

    @property
    def malformed(self) -> MalformedLines:
        """The lines that could not be read so far."""
        return MalformedLines(self._reasons.total(), dict(self._reasons.most_common()), tuple(self._samples))

    def _read_fast(self, block: bytes, collected: float) -> LabelBlock | None:
        try:
            found = _fast.decode_lines(block)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        keys = [record.eventMetadata.eventId for record in found]
        if not all(keys):
            return None
        self.line_count += len(keys)
        moments = [_moment(record.eventMetadata, collected) for record in found]
        return LabelBlock(keys, moments, [_encode(record.groundTruthData) for record in found])

    def _read_slowly(self, block: bytes, file: str, first_line: int, collected: float) -> LabelBlock:
        read = LabelBlock([], [], [])
        for number, line in enumerate(block.split(b"\n"), first_line):
            if not line.strip():
                continue
            try:
                key, moment, ground_truth = _read_line(line, collected)
            except RecordError as error:
                self._reject(file, number, str(error))
                continue
            self.line_count += 1
            read.keys.append(key)
            read.moments.append(moment)
            read.ground_truths.append(ground_truth)
        return read

    def _reject(self, file: str, line: int, reason: str) -> None:
        self.line_count += 1
        self._reasons[reason] += 1
        if len(self._samples) < SAMPLE_LIMIT:
            self._samples.append(MalformedSample(file, line, reason))


def _read_line(line: bytes, collected: float) -> tuple[str, float, bytes]:
    document = decoded_object(line, "label")
    ground_truth, metadata = document.get("groundTruthData"), document.get("eventMetadata")
    if not isinstance(ground_truth, dict) or not isinstance(metadata, dict):
        message = "JSON, but not a label record"
        raise RecordError(message)
    key = metadata.get("eventId")
    if not isinstance(key, str) or not key:
        message = "no eventMetadata.eventId"
        raise RecordError(message)
    if not isinstance(ground_truth.get("data"), str):
        message = "groundTruthData.data is not text"
        raise RecordError(message)
    if ground_truth.setdefault("encoding", "CSV") not in ENCODINGS:
        message = "groundTruthData.encoding is none of CSV, JSON, BASE64"
        raise RecordError(message)
    times = (value if isinstance(value, str) else None for value in map(metadata.get, ("eventTime", "inferenceTime")))
    return key, _moment(LabelMetadata(key, *times), collected), ordered_json(ground_truth)


def _moment(metadata: LabelMetadata, collected: float) -> float:
    """Return when a label counts from: its event time where it has one that can be read, else its collection hour."""
    for text in (metadata.eventTime, metadata.inferenceTime):
        if text:
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                continue
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return collected
