"""Which ids an hour's captures and a label object hold, as sorted arrays of hashes: far smaller than the data.

An index only says where a label may belong; the join compares the ids themselves.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watchkeeper.analysis.capture_profile import SAMPLE_LIMIT, MalformedLines, MalformedSample
from watchkeeper.analysis.capture_records import CaptureFile
from watchkeeper.analysis.distinct_sketch import Hashes
from watchkeeper.analysis.ground_truth_labels import LabelFile, LabelReader
from watchkeeper.analysis.key_spill import key_hashes
from watchkeeper.analysis.line_blocks import BLOCK_BYTES
from watchkeeper.analysis.merged_record import read_captured
from watchkeeper.analysis.own_requests import CaptureBlocks

NO_HASHES: Hashes = np.empty(0, np.uint64)


@dataclass(frozen=True)
class CaptureKeys:
    """The keys of an hour's captures: how many lines were read, and the hashes of their keys, each once."""

    captured_count: int
    malformed: MalformedLines
    hashes: Hashes


@dataclass(frozen=True)
class LabelKeys:
    """The ids of a label object's labels: how many labels there are, and the hashes of their ids, each once."""

    label_count: int
    malformed: MalformedLines
    hashes: Hashes


def index_captures(files: Iterable[CaptureFile]) -> CaptureKeys:
    """Return the keys of captured files; a line counts as captured if the join would take it."""
    found: list[Hashes] = []
    captured = malformed = 0
    reasons: dict[str, int] = {}
    samples: list[MalformedSample] = []
    for file in files:
        blocks = CaptureBlocks(file.chunks, BLOCK_BYTES)
        line = 1
        for block in blocks:
            read = read_captured(block, with_records=False)
            captured += len(read.keys)
            found.append(key_hashes(read.keys))
            faults = [(line + number, reason) for number, reason in read.malformed]
            line += block.count(b"\n")
            malformed += _note(file.name, faults, reasons, samples)
        if blocks.fault:
            malformed += _note(file.name, [(line, blocks.fault)], reasons, samples)
    return CaptureKeys(captured, MalformedLines(malformed, reasons, tuple(samples)), distinct_hashes(found))


def index_labels(file: LabelFile) -> LabelKeys:
    """Return the ids of one label object."""
    reader = LabelReader()
    found = [key_hashes(block.keys) for block in reader.read(file)]
    return LabelKeys(reader.label_count, reader.malformed, distinct_hashes(found))


def distinct_hashes(arrays: Iterable[Hashes]) -> Hashes:
    """Return all hashes of the arrays, each once and in order."""
    return np.unique(np.concatenate([NO_HASHES, *arrays]))


def are_among(wanted: Hashes, known: Hashes) -> NDArray[np.bool_]:
    """Return for each of ``wanted`` whether it is among ``known``, which is in order."""
    if not len(known):
        return np.zeros(len(wanted), np.bool_)
    place = np.searchsorted(known, wanted)
    place[place == len(known)] = 0
    return np.asarray(known[place] == wanted, np.bool_)


def encode_hashes(hashes: Hashes) -> bytes:
    """Return hashes as little-endian bytes, eight each."""
    return hashes.astype("<u8").tobytes()


def decode_hashes(body: bytes) -> Hashes:
    """Return the hashes that ``encode_hashes`` wrote."""
    return np.frombuffer(body, "<u8").astype(np.uint64, copy=False)


def _note(file: str, faults: list[tuple[int, str]], reasons: dict[str, int], samples: list[MalformedSample]) -> int:
    for line, reason in faults:
        reasons[reason] = reasons.get(reason, 0) + 1
        if len(samples) < SAMPLE_LIMIT:
            samples.append(MalformedSample(file, line, reason))
    return len(faults)
