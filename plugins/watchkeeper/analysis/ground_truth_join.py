"""Joins captured lines with their labels, in bounded memory: part by key, spill, join part by part."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.ground_truth_labels import Label, LabelFile, LabelReader, decode_labels
from watchkeeper.analysis.key_spill import WAITING_BYTES, KeySpill, key_hashes, part_count
from watchkeeper.analysis.merged_record import keys_of, merged_line, read_captured
from watchkeeper.analysis.own_requests import CaptureBlocks

#: Raised when the same captures and labels would be joined to other records: hours are then merged again.
MERGE_RULES = 1
#: Each line that is joined becomes several objects, so blocks are smaller than where columns are read.
_BLOCK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class HourCaptures:
    """The captured files of one hour, in key order; ``name`` is the caller's."""

    name: str
    files: Iterable[CaptureFile]


@dataclass
class HourCounts:
    """What came of one hour.

    ``duplicate_label_count`` counts label lines beyond the first with the same id and the same label,
    ``conflicting_label_count`` the ids that have different labels; of ids that this hour has captures for.
    """

    name: str
    captured_count: int = 0
    matched_count: int = 0
    malformed_count: int = 0
    duplicate_label_count: int = 0
    conflicting_label_count: int = 0

    @property
    def unmatched_count(self) -> int:
        """Captured lines without a label."""
        return self.captured_count - self.matched_count


@dataclass
class _LabelTable:
    """The labels of a part by their key: the last by event time of each, and what else was said of it."""

    labels: dict[str, Label] = field(default_factory=dict)
    repeated: dict[str, "_Repeats"] = field(default_factory=dict)

    def take(self, label: Label) -> None:
        """Take a label in; of equal times the one that comes later counts."""
        held = self.labels.setdefault(label.key, label)
        if held is label:
            return
        repeats = self.repeated.get(label.key)
        if repeats is None:
            repeats = self.repeated[label.key] = _Repeats(1, {bytes(held.ground_truth)})
        repeats.line_count += 1
        repeats.different.add(bytes(label.ground_truth))
        if label.moment >= held.moment:
            self.labels[label.key] = label


@dataclass
class _Repeats:
    line_count: int
    different: set[bytes]


def join_labels(
    hours: Sequence[HourCaptures],
    labels: Iterable[LabelFile],
    write: Callable[[int, bytes], None],
    *,
    folder: Path,
    total_bytes: int,
    parts: int | None = None,
    waiting_bytes: int = WAITING_BYTES,
) -> tuple[HourCounts, ...]:
    """Join, and return what came of each hour; ``write`` takes the hour's place in ``hours`` and merged lines.

    A captured line is joined by its ``inferenceId``, else its ``eventId``; one label may serve many lines; our own
    requests are not joined. Label files come in key order: of labels with one id the last by event time counts, then
    the last as they came. The lines of an hour are written by the hash of their key and then as they were captured,
    however they were parted.

    ``total_bytes`` of captures and labels decide into how many parts they go; ``folder`` takes what does not fit into
    memory, and must not hold anything.
    """
    count = parts or part_count(total_bytes)
    captured = KeySpill(folder / "captures", count, waiting_bytes=waiting_bytes)
    wanted = KeySpill(folder / "labels", count, waiting_bytes=waiting_bytes)
    counts = tuple(HourCounts(hour.name) for hour in hours)
    reader = LabelReader()
    for label_file in labels:
        for found in reader.read(label_file, _BLOCK_BYTES):
            wanted.add(key_hashes(found.keys), found.lines())
    for place, hour in enumerate(hours):
        _spill_captures(hour, place, counts[place], captured)
    for number in range(count):
        table = _LabelTable()
        for block in wanted.blocks(number):
            for label in decode_labels(block):
                table.take(label)
        wanted.release(number)
        if table.labels:
            _join_part(captured.sorted_blocks(number), table, counts, write)
        captured.release(number)
    return counts


def _spill_captures(hour: HourCaptures, place: int, counts: HourCounts, captured: KeySpill) -> None:
    for file in hour.files:
        blocks = CaptureBlocks(file.chunks, _BLOCK_BYTES)
        for block in blocks:
            read = read_captured(block)
            counts.captured_count += len(read.keys)
            counts.malformed_count += len(read.malformed)
            captured.add(key_hashes(read.keys), read.records, place)
        counts.malformed_count += blocks.fault is not None


def _join_part(
    captured: Iterator[tuple[list[bytes], list[int]]],
    table: _LabelTable,
    counts: Sequence[HourCounts],
    write: Callable[[int, bytes], None],
) -> None:
    find, repeated = table.labels.get, table.repeated
    told: set[tuple[str, int]] = set()
    for records, places in captured:
        merged: dict[int, list[bytes]] = {}
        for record, key, place in zip(records, keys_of(b"\n".join(records)), places, strict=True):
            label = find(key)
            if label is None:
                continue
            merged.setdefault(place, []).append(merged_line(record, bytes(label.ground_truth)))
            if repeated and key in repeated and (key, place) not in told:
                told.add((key, place))
                counts[place].duplicate_label_count += repeated[key].line_count - len(repeated[key].different)
                counts[place].conflicting_label_count += len(repeated[key].different) > 1
        for place, lines in merged.items():
            counts[place].matched_count += len(lines)
            write(place, b"".join(lines))
